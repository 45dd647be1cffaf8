/**
 * Which slots have a deadline, and which one is due first: a binary heap that knows where each slot stands
 * in it, so that a deadline is changed or dropped in logarithmic time. Takes no memory until first used.
 */
export class DeadlineQueue {
  /** Deadline of each slot in ms; 0 for none. */
  #deadlines: Float64Array = new Float64Array(0);
  /** Where each slot stands in the heap; meaningless without a deadline. */
  #places: Int32Array = new Int32Array(0);
  /** Parents before children, each parent due no later than its children. */
  #heap: Int32Array = new Int32Array(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** 0 where the slot has none. */
  deadline(slot: number): number {
    return slot < this.#deadlines.length ? (this.#deadlines[slot] as number) : 0;
  }

  /** The slot that is due first, or -1. */
  first(): number {
    return this.#size === 0 ? -1 : (this.#heap[0] as number);
  }

  /** `deadline` is above 0. */
  set(slot: number, deadline: number): void {
    if (slot >= this.#deadlines.length) this.#grow(slot);
    const before = this.#deadlines[slot] as number;
    this.#deadlines[slot] = deadline;
    if (before === 0) {
      if (this.#size === this.#heap.length) this.#growHeap();
      this.#place(slot, this.#size++);
      this.#rise(slot);
    } else if (deadline < before) {
      this.#rise(slot);
    } else {
      this.#sink(slot);
    }
  }

  remove(slot: number): void {
    if (this.deadline(slot) === 0) return;
    this.#deadlines[slot] = 0;
    const place = this.#places[slot] as number;
    const last = this.#heap[--this.#size] as number;
    if (last === slot) return;
    this.#place(last, place);
    this.#rise(last);
    this.#sink(last);
  }

  clear(): void {
    this.#deadlines = new Float64Array(0);
    this.#places = new Int32Array(0);
    this.#heap = new Int32Array(0);
    this.#size = 0;
  }

  #place(slot: number, place: number): void {
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }

  #rise(slot: number): void {
    const deadline = this.#deadlines[slot] as number;
    let place = this.#places[slot] as number;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above] as number;
      if ((this.#deadlines[parent] as number) <= deadline) break;
      this.#place(parent, place);
      place = above;
    }
    this.#place(slot, place);
  }

  #sink(slot: number): void {
    const deadline = this.#deadlines[slot] as number;
    let place = this.#places[slot] as number;
    for (;;) {
      let below = place * 2 + 1;
      if (below >= this.#size) break;
      if (below + 1 < this.#size && this.#due(below + 1) < this.#due(below)) below++;
      if (this.#due(below) >= deadline) break;
      this.#place(this.#heap[below] as number, place);
      place = below;
    }
    this.#place(slot, place);
  }

  #due(place: number): number {
    return this.#deadlines[this.#heap[place] as number] as number;
  }

  #grow(slot: number): void {
    const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(slot + 1)));
    const deadlines = new Float64Array(capacity);
    deadlines.set(this.#deadlines);
    this.#deadlines = deadlines;
    const places = new Int32Array(capacity);
    places.set(this.#places);
    this.#places = places;
  }

  #growHeap(): void {
    const heap = new Int32Array(Math.max(64, this.#heap.length * 2));
    heap.set(this.#heap);
    this.#heap = heap;
  }
}
