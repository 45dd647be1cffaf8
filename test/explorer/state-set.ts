/**
 * A set of states, each a fixed number of 32-bit words, in the order in which they were added. States are compared word by
 * word: the hash only says where to look, so two states are never taken for one.
 */

/** States in one block of memory. */
const BLOCK_BITS = 16;
const BLOCK = 2 ** BLOCK_BITS;

export class StateSet {
  readonly width: number;
  readonly #blocks: Uint32Array[] = [];
  readonly #parents: Uint32Array[] = [];
  /** Number of a state plus 1, where its hash says; 0 is free. */
  #table: Uint32Array;
  #size = 0;

  constructor(width: number, capacity: number = 2 ** 16) {
    this.width = width;
    this.#table = new Uint32Array(2 ** Math.ceil(Math.log2(capacity)));
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#blocks.length * BLOCK * (this.width + 1) * 4 + this.#table.length * 4;
  }

  /** True where it was new: its number is `size - 1` then. */
  add(words: Uint32Array, parent: number): boolean {
    if ((this.#size + 1) * 3 > this.#table.length * 2) this.#grow();
    const { width } = this;
    const table = this.#table;
    const mask = table.length - 1;
    let at = hash(words, 0, width) & mask;
    for (let entry = table[at]!; entry !== 0; entry = table[at]!) {
      const block = this.#blocks[(entry - 1) >>> BLOCK_BITS]!;
      const offset = ((entry - 1) & (BLOCK - 1)) * width;
      let word = 0;
      while (word < width && block[offset + word] === words[word]) word += 1;
      if (word === width) return false;
      at = (at + 1) & mask;
    }
    const number = this.#size;
    if (number >>> BLOCK_BITS === this.#blocks.length) {
      this.#blocks.push(new Uint32Array(BLOCK * width));
      this.#parents.push(new Uint32Array(BLOCK));
    }
    this.#blocks[number >>> BLOCK_BITS]!.set(words, (number & (BLOCK - 1)) * width);
    this.#parents[number >>> BLOCK_BITS]![number & (BLOCK - 1)] = parent;
    table[at] = number + 1;
    this.#size = number + 1;
    return true;
  }

  read(number: number, words: Uint32Array): void {
    const offset = (number & (BLOCK - 1)) * this.width;
    const block = this.#blocks[number >>> BLOCK_BITS]!;
    for (let word = 0; word < this.width; word += 1) words[word] = block[offset + word]!;
  }

  /** The state that `number` was first reached from. */
  parent(number: number): number {
    return this.#parents[number >>> BLOCK_BITS]![number & (BLOCK - 1)]!;
  }

  #grow(): void {
    const table = new Uint32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let number = 0; number < this.#size; number += 1) {
      const block = this.#blocks[number >>> BLOCK_BITS]!;
      let at = hash(block, (number & (BLOCK - 1)) * this.width, this.width) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = number + 1;
    }
    this.#table = table;
  }
}

/** MurmurHash3's mixing, word by word. */
function hash(words: Uint32Array, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at += 1) {
    let word = Math.imul(words[at]!, 0xcc9e_2d51);
    word = (word << 15) | (word >>> 17);
    value ^= Math.imul(word, 0x1b87_3593);
    value = (value << 13) | (value >>> 19);
    value = (Math.imul(value, 5) + 0xe654_6b64) | 0;
  }
  value = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
