/** The highest slot that each segment has a decree for: a segment can go once a checkpoint holds all of its slots. */
export class SegmentSlots {
  /** In the order of their numbers. */
  readonly #last: Map<number, number> = new Map();
  /** Segments that exist, and hold nothing of the log. */
  readonly #unused: Set<number> = new Set();

  /** The segment is part of the log, whatever is in it. */
  add(segment: number): void {
    if (!this.#last.has(segment)) this.#last.set(segment, 0);
  }

  note(segment: number, slot: number): void {
    if (slot > (this.#last.get(segment) ?? -1)) this.#last.set(segment, slot);
  }

  remove(segment: number): void {
    this.#last.delete(segment);
  }

  get unused(): ReadonlySet<number> {
    return this.#unused;
  }

  addUnused(segment: number): void {
    this.#unused.add(segment);
  }

  removeUnused(segment: number): void {
    this.#unused.delete(segment);
  }

  /** The oldest segment and the next one, if the oldest has no decree for a slot above `slot`, and may be gone; else null. */
  droppable(slot: number): { readonly segment: number; readonly next: number } | null {
    const [oldest, following] = this.#last;
    if (oldest === undefined || following === undefined || oldest[1] > slot) return null;
    // Without the oldest, an unused segment before the next one would be where the log begins: recovery takes one that is blank for a
    // segment whose header was lost, and one that a dropped segment voids for a part of the log.
    for (const segment of this.#unused) if (segment < following[0]) return null;
    return { segment: oldest[0], next: following[0] };
  }
}
