/** The highest slot that each segment has a decree for: a segment can go once a checkpoint holds all of its slots. */
export class SegmentSlots {
  /** In the order of their numbers. */
  readonly #last: Map<number, number> = new Map();

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

  /** The oldest segment and the next one, if the oldest has no decree for a slot above `slot`; else null. */
  droppable(slot: number): { readonly segment: number; readonly next: number } | null {
    const [oldest, following] = this.#last;
    if (oldest === undefined || following === undefined || oldest[1] > slot) return null;
    return { segment: oldest[0], next: following[0] };
  }
}
