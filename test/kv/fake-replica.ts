/** Replicas of one, without a log: what the key-value service needs of one, under the test's control. */

import { SynodError } from '../../src/errors.js';
import type { ReplicaLike, ReplicaStatusLike, ReplicateOptionsLike } from '../../src/kv/replica-like.js';
import type { CommandView, Decree, StateMachine } from '../../src/state-machine.js';

/** A decree over commands that lie one behind the other, at an odd offset, as they do in a log. */
export class FakeDecree<Result> implements Decree<Result> {
  readonly slot: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly results: (Result | undefined)[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #awaited: boolean;

  constructor(
    slot: number,
    commands: readonly Uint8Array[],
    awaited: boolean = true,
    shared: boolean = false,
  ) {
    this.slot = slot;
    this.count = commands.length;
    const total = commands.reduce((sum, command) => sum + command.length, 3);
    this.bytes = shared ? new Uint8Array(new SharedArrayBuffer(total)) : new Uint8Array(total);
    this.view = new DataView(this.bytes.buffer);
    this.#awaited = awaited;
    let at = 3;
    for (const command of commands) {
      this.bytes.set(command, at);
      this.#starts.push(at);
      at += command.length;
      this.#ends.push(at);
    }
  }

  start(index: number): number {
    return this.#starts[index] as number;
  }

  end(index: number): number {
    return this.#ends[index] as number;
  }

  command(index: number): Uint8Array {
    return this.bytes.subarray(this.start(index), this.end(index));
  }

  context(): unknown {
    return undefined;
  }
  reply(index: number, result: Result): void {
    this.results[index] = result;
  }

  isAwaited(_index: number): boolean {
    return this.#awaited;
  }

  *[Symbol.iterator](): Iterator<CommandView<Result>> {
    for (let index = 0; index < this.count; index++) {
      yield { bytes: this.command(index), reply: (result) => this.reply(index, result) };
    }
  }
}

abstract class FakeReplica implements ReplicaLike {
  readonly stateMachine: StateMachine<Uint8Array>;
  /** Every command that was applied, in order. */
  readonly log: Uint8Array[] = [];
  /** Rejects the next calls, once each. */
  readonly failures: unknown[] = [];
  keepsLog = true;
  role = 'primary';
  statusError: Error | null = null;
  lastOptions: ReplicateOptionsLike | undefined;
  protected slot = 0;

  constructor(stateMachine: StateMachine<Uint8Array>) {
    this.stateMachine = stateMachine;
  }

  abstract replicate(command: Uint8Array, options?: ReplicateOptionsLike): Promise<Uint8Array | undefined>;

  status(): Promise<ReplicaStatusLike> {
    if (this.statusError !== null) return Promise.reject(this.statusError);
    return Promise.resolve({
      replica: 'a',
      role: this.role,
      primary: 'a',
      ballot: { round: 1, replica: 'a' },
      chosen: this.slot,
      applied: this.slot,
      stateDigest: this.stateMachine.digest?.() ?? null,
      storage: { kind: 'memory', reason: 'a test\r\nin two lines' },
      transport: { kind: 'memory', reason: 'a test' },
      peers: [
        { id: 'b', connected: true, lag: 0 },
        { id: 'c', connected: false, lag: null },
      ],
      bytesCopied: 0,
      bytesLogged: 0,
    });
  }

  protected apply(commands: readonly Uint8Array[]): (Uint8Array | undefined)[] {
    if (this.keepsLog) this.log.push(...commands);
    const decree = new FakeDecree<Uint8Array>(this.slot++, commands);
    this.stateMachine.apply(decree);
    return decree.results;
  }

  protected nextFailure(): unknown {
    return this.failures.shift();
  }
}

/** Applies each command at once, in a decree of its own. */
export class InstantReplica extends FakeReplica {
  override replicate(command: Uint8Array, options?: ReplicateOptionsLike): Promise<Uint8Array | undefined> {
    this.lastOptions = options;
    const failure = this.nextFailure();
    if (failure !== undefined) return Promise.reject(failure);
    return Promise.resolve(this.apply([Uint8Array.from(command)])[0]);
  }
}

interface Waiting {
  readonly command: Uint8Array;
  readonly resolve: (result: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Applies later, all that came meanwhile in one decree. Held, it applies nothing until `release`. */
export class BatchingReplica extends FakeReplica {
  #waiting: Waiting[] = [];
  #held = false;
  #scheduled = false;
  /** Called at each `replicate`. */
  onReplicate: () => void = () => {};

  get waitingCount(): number {
    return this.#waiting.length;
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#schedule();
  }

  /** Rejects all that waits, as a replica does that is closed. */
  abandon(outcome: 'not-applied' | 'unknown'): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) {
      reject(new SynodError('ERR_SYNOD_CLOSED', 'the replica was closed', { outcome }));
    }
  }

  override replicate(command: Uint8Array, options?: ReplicateOptionsLike): Promise<Uint8Array | undefined> {
    this.lastOptions = options;
    const failure = this.nextFailure();
    const copy = Uint8Array.from(command);
    const result = new Promise<Uint8Array | undefined>((resolve, reject) => {
      if (failure !== undefined) setImmediate(reject, failure);
      else this.#waiting.push({ command: copy, resolve, reject });
    });
    this.onReplicate();
    this.#schedule();
    return result;
  }

  #schedule(): void {
    if (this.#scheduled || this.#held) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#held || this.#waiting.length === 0) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      const results = this.apply(waiting.map(({ command }) => command));
      for (const [index, { resolve }] of waiting.entries()) resolve(results[index]);
    });
  }
}
