/** What waits in order: it may be a hundred thousand requests, and an array moves all of them whenever its first one leaves. */

/** Places of what has left are given up once there are so many, and no fewer than the others. */
const LEFT_MIN = 1024;

export class Queue<Item> implements Iterable<Item> {
  /** From `#head` on; before it lie places of what has left. */
  #items: (Item | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** `index` counts from the first; undefined behind the last. */
  at(index: number): Item | undefined {
    return this.#items[this.#head + index];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** Takes the first `count` out. */
  drop(count: number): void {
    const head = this.#head + count;
    this.#items.fill(undefined, this.#head, head);
    this.#head = head;
    if (head < LEFT_MIN || 2 * head < this.#items.length) return;
    this.#items = this.#items.slice(head);
    this.#head = 0;
  }

  /** Takes all out. */
  takeAll(): Item[] {
    const items = [...this];
    this.#items = [];
    this.#head = 0;
    return items;
  }

  *[Symbol.iterator](): Generator<Item, void, void> {
    for (let index = this.#head; index < this.#items.length; index += 1) yield this.#items[index] as Item;
  }
}
