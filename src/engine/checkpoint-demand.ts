/**
 * Copies the newest checkpoint of a peer because the application asked for it: one peer after another is asked, and the first one counts
 * that has a newer checkpoint than there is here. Catching up is something else (`checkpoint-installer.ts`), and always goes first.
 *
 * Only a checkpoint of what is known chosen here is copied. The decrees up to its slot are here or on their way, so that nothing is
 * jumped over: it is kept beside those that are made here, once its slot is executed.
 */

import type { SynodError } from '../errors.js';
import type { Slot } from '../protocol/decree.js';
import type { CheckpointChunk, CheckpointFetch } from '../wire/codec.js';
import { CheckpointInstaller, type CheckpointInstallerOptions } from './checkpoint-installer.js';
import type { ServedCheckpoint } from './checkpoint-server.js';
import type { Link } from './links.js';

export type CopyOrder =
  /** `from`: id of the peer that is asked alone, or null. */
  | { readonly kind: 'copy'; readonly request: number; readonly from: string | null }
  | { readonly kind: 'give-up'; readonly request: number };

/** Why nothing was copied. */
export type CopyRefusal =
  /** Another copy is under way. */
  | 'busy'
  /** This replica catches up by a checkpoint. */
  | 'catching-up'
  | 'not-linked'
  /** Nothing of use came in time. */
  | 'silent'
  /** The peer's checkpoint is of a slot that is not known to be chosen here. */
  | 'behind'
  /** The peer exchanged its checkpoint for a later one before it was copied. */
  | 'replaced';

export type CopyOutcome =
  /** It is durable here, and not among those that are kept yet. */
  | { readonly kind: 'copied'; readonly from: string; readonly checkpoint: ServedCheckpoint }
  /** None that was asked has a newer one than this. */
  | { readonly kind: 'not-newer'; readonly newest: ServedCheckpoint }
  /** Who was asked has none. */
  | { readonly kind: 'none' }
  /** `peer`: whom it concerns, or null. */
  | { readonly kind: 'refused'; readonly reason: CopyRefusal; readonly peer: string | null }
  | { readonly kind: 'failed'; readonly code: SynodError['code']; readonly message: string };

export interface CheckpointDemandOptions
  extends Pick<
    CheckpointInstallerOptions,
    'store' | 'name' | 'crc32c' | 'logger' | 'cluster' | 'versions' | 'chunkBytesMax'
  > {
  readonly ask: (link: Link, fetch: CheckpointFetch) => void;
  readonly isUp: (link: Link) => boolean;
  /** Links that are up, by peer id. */
  readonly links: () => ReadonlyMap<string, Link>;
  /** Asked last: it has most to do. */
  readonly primary: () => string | null;
  readonly chosen: () => Slot;
  /** The newest checkpoint that is kept here, or null. */
  readonly newest: () => ServedCheckpoint | null;
  readonly isCatchingUp: () => boolean;
  readonly now: () => number;
  readonly onSettled: (request: number, outcome: CopyOutcome) => void;
}

/** A question that came to nothing is asked again after so long. */
const RETRY_MS = 1000;
/** A peer from which nothing of use came for so long is given up. */
const PATIENCE_MS = 5000;

interface Asked {
  readonly request: number;
  /** Whom to ask next. */
  readonly peers: string[];
  link: Link | null;
  /** What is asked for, or is on its way. */
  state: 'question' | 'behind' | 'copy';
  /** Slot of the peer's checkpoint, where `state` is `behind`. */
  slot: Slot;
  askedAt: number;
  progressAt: number;
  /** What it comes to, if nobody that is still to be asked has better news. */
  worst: CopyOutcome;
}

/** What is reported of several peers. `none` is true only where all say so. */
const rank: Readonly<Record<CopyOutcome['kind'], number>> = {
  none: 0,
  refused: 1,
  failed: 2,
  'not-newer': 3,
  copied: 4,
};

export class CheckpointDemand {
  readonly #options: CheckpointDemandOptions;
  readonly #copier: CheckpointInstaller;
  #asked: Asked | null = null;
  /** Frames that a peer owes this replica as answers, also where nobody waits for them any more: nobody else may take them for an offer. */
  readonly #owed: Map<Link, { count: number; until: number }> = new Map();

  constructor(options: CheckpointDemandOptions) {
    const { ask, chosen, isUp } = options;
    this.#options = options;
    this.#copier = new CheckpointInstaller({
      ...options,
      isUp,
      isWanted: (slot) => slot <= chosen(),
      ask: (link, fetch) => {
        this.#owe(link);
        ask(link, fetch);
      },
      onProgress: () => {
        if (this.#asked !== null) this.#asked.progressAt = options.now();
      },
      onInstalled: (_restored, checkpoint) => this.#onCopied(checkpoint),
      onLost: ({ code, message }) => this.#next({ kind: 'failed', code, message }),
    });
  }

  take(order: CopyOrder): void {
    const { isCatchingUp, links, primary, now } = this.#options;
    const { request } = order;
    if (order.kind === 'give-up') {
      if (this.#asked?.request === request) this.#forget();
      return;
    }
    const isBusy = this.#asked !== null || this.#copier.isCommitting;
    if (isBusy || isCatchingUp()) {
      const reason = isBusy ? 'busy' : 'catching-up';
      this.#options.onSettled(request, { kind: 'refused', reason, peer: null });
      return;
    }
    const last = primary();
    const others = [...links().keys()].sort((a, b) => Number(a === last) - Number(b === last));
    this.#asked = {
      request,
      peers: order.from === null ? others : [order.from],
      link: null,
      state: 'question',
      slot: 0,
      askedAt: now(),
      progressAt: now(),
      worst: { kind: 'none' },
    };
    if (order.from === null && others.length > 0) this.#ask();
    else if (order.from !== null && links().has(order.from)) this.#ask();
    else this.#settle({ kind: 'refused', reason: 'not-linked', peer: order.from });
  }

  /** True where the chunk is an answer to what was asked here, of use or not. */
  onChunk(link: Link, chunk: CheckpointChunk, payload: Uint8Array): boolean {
    if (!this.#isOwed(link)) return false;
    const asked = this.#asked;
    if (asked === null || asked.link !== link) return true;
    if (asked.state === 'copy') {
      if (this.#copier.isCopyOf(chunk)) this.#copier.onChunk(link, chunk, payload);
      else if (chunk.offset === 0)
        this.#next({ kind: 'refused', reason: 'replaced', peer: this.#idOf(link) });
      return true;
    }
    if (asked.state !== 'question' || chunk.offset !== 0) return true;
    const { newest, chosen, now } = this.#options;
    const here = newest();
    asked.progressAt = now();
    if (chunk.bytes === 0) this.#next({ kind: 'none' });
    else if (here !== null && chunk.slot <= here.slot) this.#next({ kind: 'not-newer', newest: here });
    else if (chunk.slot > chosen()) {
      // The word of what is chosen is slower than a checkpoint, where commands go on. It is asked for again.
      asked.state = 'behind';
      asked.slot = chunk.slot;
    } else if (this.#copier.isIdle) {
      // Else the last copy is being deleted, and the question is put again.
      asked.state = 'copy';
      this.#copier.onChunk(link, chunk, payload);
    }
    return true;
  }

  onDown(link: Link): void {
    this.#owed.delete(link);
    if (this.#asked?.link === link)
      this.#next({ kind: 'refused', reason: 'not-linked', peer: this.#idOf(link) });
  }

  /** From time to time. */
  tick(): void {
    const asked = this.#asked;
    // Durable or not in a moment, whoever else is to be heard by then.
    if (asked === null || this.#copier.isCommitting) return;
    const { isCatchingUp, chosen, now } = this.#options;
    const at = now();
    if (isCatchingUp()) {
      this.#copier.giveUp();
      this.#settle({ kind: 'refused', reason: 'catching-up', peer: null });
    } else if (at - asked.progressAt >= PATIENCE_MS) {
      const reason = asked.state === 'behind' ? 'behind' : 'silent';
      this.#next({ kind: 'refused', reason, peer: this.#idOf(asked.link!) });
    } else if (asked.state === 'behind' && asked.slot <= chosen()) this.#question(asked);
    else if (asked.state === 'question' && at - asked.askedAt >= RETRY_MS) this.#question(asked);
  }

  close(): void {
    this.#copier.giveUp();
    this.#asked = null;
    this.#owed.clear();
  }

  /** It is closed. Calls back once nothing of a copy is being written any more. */
  whenIdle(call: () => void): void {
    this.#copier.whenIdle(call);
  }

  /** The peer that was asked is done with; the next one is asked. */
  #next(outcome: CopyOutcome): void {
    const asked = this.#asked;
    if (asked === null || this.#copier.isCommitting) return;
    this.#copier.giveUp();
    if (rank[outcome.kind] > rank[asked.worst.kind]) asked.worst = outcome;
    this.#ask();
  }

  #ask(): void {
    const asked = this.#asked!;
    const { links, now } = this.#options;
    const id = asked.peers.shift();
    if (id === undefined) {
      this.#settle(asked.worst);
      return;
    }
    asked.link = links().get(id) ?? null;
    if (asked.link === null) this.#next({ kind: 'refused', reason: 'not-linked', peer: id });
    else {
      asked.progressAt = now();
      this.#question(asked);
    }
  }

  #question(asked: Asked): void {
    const { ask, chunkBytesMax, now } = this.#options;
    asked.state = 'question';
    asked.askedAt = now();
    this.#owe(asked.link!);
    ask(asked.link!, { slot: 0, nonceLow: 0, nonceHigh: 0, offset: 0, bytesMax: chunkBytesMax });
  }

  #onCopied(checkpoint: ServedCheckpoint): void {
    const asked = this.#asked;
    // Whoever asked has given up while the last write was under way: it is kept all the same, since it is there.
    const from = asked?.link == null ? '' : this.#idOf(asked.link);
    this.#asked = null;
    this.#options.onSettled(asked?.request ?? 0, { kind: 'copied', from, checkpoint });
  }

  #forget(): void {
    this.#copier.giveUp();
    this.#asked = null;
  }

  #settle(outcome: CopyOutcome): void {
    const { request } = this.#asked!;
    this.#forget();
    this.#options.onSettled(request, outcome);
  }

  #owe(link: Link): void {
    const count = (this.#owed.get(link)?.count ?? 0) + 1;
    this.#owed.set(link, { count, until: this.#options.now() + PATIENCE_MS });
  }

  #isOwed(link: Link): boolean {
    const owed = this.#owed.get(link);
    if (owed === undefined) return false;
    if (owed.until <= this.#options.now()) {
      this.#owed.delete(link);
      return false;
    }
    owed.count -= 1;
    if (owed.count === 0) this.#owed.delete(link);
    return true;
  }

  #idOf(link: Link): string {
    return link.peer?.id ?? '';
  }
}
