/** Promises of what was ordered about who leads, and the events that tell of it. */

import type { LeadershipOrder, OrderRefusal } from '../engine/engine-leadership.js';
import type { EngineEvent } from '../engine/engine-types.js';
import { type ErrorCode, SynodError } from '../errors.js';
import type { Role } from '../protocol/effects.js';

/** What a replica is at the moment, as far as leading goes. */
export interface LeadershipStatus {
  readonly isPrimary: boolean;
  /** It leads and has recovered, or it follows a primary. Not so during an election, or without a quorum. */
  readonly isStable: boolean;
}

export interface LeadershipCallsOptions {
  /** The role, or the primary that is known, is another one. */
  readonly onRole: (status: { role: Role; primary: string | null; ballot: string }) => void;
  /** This replica leads from now on. */
  readonly onPrimary: (ballot: string) => void;
  /** It leads, and has executed everything that its predecessors proposed, the last of it in `slot`. */
  readonly onRecovered: (slot: number) => void;
  readonly onStatus: (status: LeadershipStatus) => void;
}

interface Call {
  readonly order: 'promote' | 'relinquish';
  resolve(primary: string | null): void;
  reject(error: SynodError): void;
}

const reasons: Readonly<Record<OrderRefusal, string>> = {
  'not-primary': 'this replica is not the primary',
  'not-member': 'this replica is no member',
  unable: 'this replica cannot write to its log, or its disk stalls',
  'not-caught-up': 'this replica has more to learn or to execute first',
  'no-quorum': 'no quorum is linked',
  vetoed: 'the application said no, or did not answer in time',
  'no-successor': 'no member that is fit to lead took the primaryship',
  'not-elected': 'no quorum promised, or another replica leads',
  'unknown-member': 'there is no member with this id',
};

export class LeadershipCalls {
  readonly #options: LeadershipCallsOptions;
  readonly #calls: Map<number, Call> = new Map();
  #requests = 0;
  #role: Role = 'inactive';
  #primary: string | null = null;
  #ballot = '';
  #isStopped = false;
  /** Executed up to this slot it has recovered; 0 where there is nothing to recover from. */
  #openThrough = 0;
  #applied = 0;
  #status: LeadershipStatus = { isPrimary: false, isStable: false };

  constructor(options: LeadershipCallsOptions) {
    this.#options = options;
  }

  get role(): Role {
    return this.#role;
  }
  /** Id of the primary, or null. */
  get primary(): string | null {
    return this.#primary;
  }

  /** Resolves with the id of the primary that there is then. */
  order(
    send: (order: LeadershipOrder) => void,
    order: { kind: 'promote'; evenIfBehind: boolean } | { kind: 'relinquish'; to: string | null },
  ): Promise<string | null> {
    this.#requests += 1;
    const request = this.#requests;
    return new Promise((resolve, reject) => {
      this.#calls.set(request, { order: order.kind, resolve, reject });
      send({ ...order, request });
    });
  }

  onRole({ role, primary, ballot, openThrough }: Omit<Extract<EngineEvent, { kind: 'role' }>, 'kind'>): void {
    // The engine told it before it heard of the end.
    if (this.#isStopped) return;
    const led = this.#role === 'primary';
    this.#role = role;
    this.#primary = primary;
    this.#ballot = ballot;
    this.#options.onRole({ role, primary, ballot });
    if (role !== 'primary') this.#openThrough = 0;
    else {
      // A primary that prepares anew, for another configuration, has recovered what it proposed itself.
      this.#openThrough = openThrough;
      if (!led) this.#options.onPrimary(ballot);
    }
    this.#judge(role === 'primary' && !led);
  }

  onApplied(slot: number): void {
    this.#applied = slot;
    if (this.#role === 'primary' && !this.#status.isStable) this.#judge(true);
  }

  onAnswered({ request, refusal }: Extract<EngineEvent, { kind: 'order-answered' }>): void {
    const call = this.#calls.get(request);
    if (call === undefined) return;
    this.#calls.delete(request);
    if (refusal === null) {
      call.resolve(this.#primary);
      return;
    }
    const isElsewhere = refusal === 'not-primary' && this.#primary !== null;
    const message = isElsewhere ? `the primary is "${this.#primary}"` : reasons[refusal];
    call.reject(new SynodError(codeOf(call.order, refusal), message));
  }

  /** Fenced or closed: whoever sends commands to the primary must not be sent here, nor told to follow what this replica believed. */
  stop(error: SynodError): void {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    if (this.#role !== 'inactive' || this.#primary !== null)
      this.onRole({ role: 'inactive', primary: null, ballot: this.#ballot, openThrough: 0 });
    this.#isStopped = true;
  }

  #judge(tellsRecovery: boolean): void {
    const isPrimary = this.#role === 'primary';
    const hasRecovered = isPrimary && this.#applied >= this.#openThrough;
    const isStable = hasRecovered || (this.#role === 'secondary' && this.#primary !== null);
    if (tellsRecovery && hasRecovered) this.#options.onRecovered(this.#openThrough);
    if (isPrimary === this.#status.isPrimary && isStable === this.#status.isStable) return;
    this.#status = { isPrimary, isStable };
    this.#options.onStatus(this.#status);
  }
}

function codeOf(order: 'promote' | 'relinquish', refusal: OrderRefusal): ErrorCode {
  if (refusal === 'unknown-member') return 'ERR_SYNOD_ARGUMENT';
  if (refusal === 'not-primary') return 'ERR_SYNOD_NOT_PRIMARY';
  return order === 'promote' ? 'ERR_SYNOD_NOT_PROMOTED' : 'ERR_SYNOD_NOT_RELINQUISHED';
}
