/** Calls of who asked for a copy of a peer's checkpoint. */

import type { CopyOrder, CopyOutcome, CopyRefusal } from '../engine/checkpoint-demand.js';
import type { EngineEvent } from '../engine/engine-types.js';
import { SynodError } from '../errors.js';
import { badArgument } from './bad-argument.js';
import { limitWait, refusalOf, waitOptions } from './call-options.js';
import type { ApplicationCheckpoints } from './checkpoints.js';
import type { CopyOptions } from './replica-calls.js';

/** The newest checkpoint that is kept here, after a call of `copyCheckpoint`. */
export interface CheckpointCopy {
  /** The state after every decree up to this slot. */
  readonly slot: number;
  readonly bytes: number;
  /** Id of the peer that it was copied from; null where this replica had one as new already. */
  readonly from: string | null;
}

export interface CheckpointCopiesOptions {
  /** This replica's id. */
  readonly replica: string;
  /** Null where none are kept. */
  readonly checkpoints: () => ApplicationCheckpoints | null;
  /** The last slot that was executed. */
  readonly applied: () => number;
  readonly send: (order: CopyOrder) => void;
  readonly startTimer: (timeoutMs: number, call: () => void) => () => void;
}

export interface CopyCaller {
  resolve(copy: CheckpointCopy): void;
  reject(error: SynodError): void;
}

const reasons: Readonly<Record<CopyRefusal, string>> = {
  busy: 'another copy is under way',
  'catching-up': 'this replica catches up by a checkpoint',
  'not-linked': 'not connected',
  silent: 'nothing of use came in time',
  behind: 'its checkpoint is of a slot that this replica does not know to be chosen',
  replaced: 'it exchanged its checkpoint for a later one',
};

const copyOptions: readonly string[] = [...waitOptions, 'from'];

export class CheckpointCopies {
  readonly #options: CheckpointCopiesOptions;
  readonly #calls: Map<number, CopyCaller> = new Map();
  #requests = 0;

  constructor(options: CheckpointCopiesOptions) {
    this.#options = options;
  }

  /** `caller` hears of it exactly once; at once where it is refused. */
  copy(options: CopyOptions, caller: CopyCaller): void {
    const refusal = this.#refusal(options);
    if (refusal !== null) {
      caller.reject(refusal);
      return;
    }
    const { send, startTimer } = this.#options;
    this.#requests += 1;
    const request = this.#requests;
    const finish = (): void => {
      this.#calls.delete(request);
      stop();
    };
    const giveUp = (error: SynodError): void => {
      finish();
      send({ kind: 'give-up', request });
      caller.reject(error);
    };
    const stop = limitWait(options, { startTimer, missing: 'no checkpoint', giveUp });
    this.#calls.set(request, {
      resolve: (copy) => {
        finish();
        caller.resolve(copy);
      },
      reject: (error) => {
        finish();
        caller.reject(error);
      },
    });
    send({ kind: 'copy', request, from: options.from ?? null });
  }

  #refusal(options: CopyOptions): SynodError | null {
    const { replica, checkpoints } = this.#options;
    const refusal = refusalOf(options, copyOptions);
    if (refusal !== null) return refusal;
    const { from } = options;
    if (from !== undefined && typeof from !== 'string')
      return badArgument('from: expected the id of a member');
    if (from === replica) return badArgument(`from: "${from}" is this replica itself`);
    if (checkpoints() === null)
      return new SynodError('ERR_SYNOD_STATE_MACHINE', 'this replica keeps no checkpoints');
    return null;
  }

  onSettled({ request, outcome }: Extract<EngineEvent, { kind: 'copy-settled' }>): void {
    switch (outcome.kind) {
      case 'copied': {
        const { checkpoint, from } = outcome;
        const { checkpoints, applied } = this.#options;
        // Also where nobody waits for it any more: it is there, and must be kept or deleted.
        checkpoints()?.adopt(checkpoint, applied(), ({ slot, bytes, source }) =>
          this.#calls.get(request)?.resolve({ slot, bytes, from: source === 'copied' ? from : null }),
        );
        break;
      }
      case 'not-newer': {
        this.#options
          .checkpoints()
          ?.expect(outcome.newest.slot, ({ slot, bytes }) =>
            this.#calls.get(request)?.resolve({ slot, bytes, from: null }),
          );
        break;
      }
      default:
        this.#calls.get(request)?.reject(errorOf(outcome));
    }
  }

  /** Nothing will be settled any more. */
  rejectAll(error: SynodError): void {
    for (const { reject } of [...this.#calls.values()]) reject(error);
  }
}

function errorOf(outcome: Exclude<CopyOutcome, { kind: 'copied' } | { kind: 'not-newer' }>): SynodError {
  switch (outcome.kind) {
    case 'none':
      return new SynodError('ERR_SYNOD_NO_CHECKPOINT', 'no peer that was asked has a checkpoint');
    case 'failed':
      return new SynodError(outcome.code, outcome.message);
    case 'refused': {
      const { reason, peer } = outcome;
      const message = reason === 'not-linked' && peer === null ? 'no peer is connected' : reasons[reason];
      return new SynodError('ERR_SYNOD_NOT_COPIED', peer === null ? message : `"${peer}": ${message}`);
    }
  }
}
