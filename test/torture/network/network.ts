/** What lies between the replicas of a cluster, and what can be done to it. Ids name replicas. */

export type NetworkKind = 'netns' | 'proxy';

/** What a network can do beside dropping: not every kind can do all. */
export type LinkTrouble = 'delay' | 'flip' | 'reset' | 'interface-down' | 'slow';

export interface Network {
  readonly kind: NetworkKind;
  readonly troubles: readonly LinkTrouble[];
  /** Makes what the replicas need to be started. */
  open(ids: readonly string[]): Promise<void>;
  /** Where replica `id` listens, for peers and for clients. */
  hostOf(id: string): string;
  /** Where `from` is told that `to` listens for peers. */
  addressOf(from: string, to: string): string;
  /** Words in front of the command line of replica `id`. */
  commandOf(id: string): readonly string[];
  /** From now on nothing that `from` sends reaches `to`; nobody is told. Counts: as many `unblock` open it again. */
  block(from: string, to: string): void;
  unblock(from: string, to: string): void;
  /** Begins a trouble on what is between `from` and the rest (`to` null), or one peer. */
  trouble(kind: LinkTrouble, from: string, to: string | null, amount: number): void;
  calm(kind: LinkTrouble, from: string, to: string | null): void;
  /** Ends everything at once, also from an exit handler: synchronous, and never throws. */
  dispose(): void;
}

/** Directed pairs, each blocked as often as faults that overlap want it to be. */
export class BlockedPairs {
  readonly #counts = new Map<string, number>();
  readonly #onChange: (from: string, to: string, blocked: boolean) => void;

  constructor(onChange: (from: string, to: string, blocked: boolean) => void) {
    this.#onChange = onChange;
  }

  block(from: string, to: string): void {
    const key = `${from}>${to}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count === 1) this.#onChange(from, to, true);
  }

  unblock(from: string, to: string): void {
    const key = `${from}>${to}`;
    const count = (this.#counts.get(key) ?? 0) - 1;
    if (count < 0) throw new Error(`${key} is not blocked`);
    this.#counts.set(key, count);
    if (count === 0) this.#onChange(from, to, false);
  }
}
