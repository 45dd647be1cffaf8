/** The simulated world's only clock and only order: what happens, when, one after the other. */

export type Call = () => void;

interface Scheduled {
  readonly at: number;
  /** Of two at the same time the one that was scheduled first happens first. */
  readonly order: number;
  readonly call: Call;
}

export class EventQueue {
  /** Milliseconds since the world began. */
  now = 0;
  /** Events that have happened. */
  count = 0;

  /** A binary heap. */
  readonly #heap: Scheduled[] = [];
  #order = 0;

  /** Something happens at `at`, which is not before now. */
  at(at: number, call: Call): void {
    this.#push({ at: Math.max(at, this.now), order: this.#order, call });
    this.#order += 1;
  }

  after(delayMs: number, call: Call): void {
    this.at(this.now + delayMs, call);
  }

  /** The next event happens. False where there is none up to `until`; then it is `until`. */
  step(until: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.at > until) {
      this.now = until;
      return false;
    }
    this.#pop();
    this.now = next.at;
    this.count += 1;
    next.call();
    return true;
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above]!;
      if (!isBefore(event, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const length = heap.length;
    if (length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= length) break;
      if (below + 1 < length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
      const child = heap[below]!;
      if (!isBefore(child, last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
