/**
 * The keys and their values: a hash table over numbered slots. A key keeps its slot for as long as it exists,
 * so a slot number serves as SCAN's cursor whatever is added or removed meanwhile.
 *
 * Keys and values are strings of Latin-1 characters, one for each byte: for small ones that takes a tenth of the
 * memory of a `Uint8Array` and is no slower to make. Keys are looked up by their bytes where they lie, so a
 * lookup allocates nothing. (A `Map` ends at 16.7 million keys, by throwing.)
 *
 * The digest is a sum over entries, so it does not depend on their order and can be kept up to date: a write
 * only notes its slot, and `digest` hashes what was written since it was last asked for.
 */

import { DeadlineQueue } from './deadline-queue.js';

const CAPACITY_MIN = 64;
const END_OF_CHAIN = -1;
/** A value that is appended to is put together when it has grown by such a part of itself, and by so many bytes at least. */
const JOINED_PARTS_MAX = 16;
const JOINED_BYTES_MIN = 1024;
/** Free slots form a list in `#next`, as -3 minus the next free slot; -2 ends it. */
const END_OF_FREE = -2;

/** A key with its value, and the deadline in ms, 0 where it does not expire. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly deadline: number;
}

interface Snapshot {
  /** The next slot to read, and the one behind the last. */
  next: number;
  readonly end: number;
  /** Slots that were changed before they were read; null for those that were free. */
  readonly preserved: Map<number, Entry | null>;
}

export class Keyspace {
  readonly #deadlines: DeadlineQueue = new DeadlineQueue();
  /** Chance decides where a key hangs in the table, and nothing else, lest clients can make all keys collide. */
  readonly #seedLow: number;
  readonly #seedHigh: number;

  #size = 0;
  #keys: string[] = [];
  #values: string[] = [];
  /** Slots in use, free ones between them included. */
  #slots = 0;
  #firstFree: number = END_OF_FREE;

  /** First slot of each chain, plus 1; 0 for an empty chain. A power of two long. */
  #table: Int32Array = new Int32Array(CAPACITY_MIN);
  #hashes: Int32Array = new Int32Array(CAPACITY_MIN);
  #next: Int32Array = new Int32Array(CAPACITY_MIN);

  // The digest, two lanes of 32 bits. A slot's share is 0 until `digest` computes it.
  #sumLow = 0;
  #sumHigh = 0;
  #sharesLow: Int32Array = new Int32Array(CAPACITY_MIN);
  #sharesHigh: Int32Array = new Int32Array(CAPACITY_MIN);
  /** 1 where the slot stands in `#unhashed`, where it stands once at most. */
  #noted: Uint8Array = new Uint8Array(CAPACITY_MIN);
  #unhashed: Int32Array = new Int32Array(CAPACITY_MIN);
  #unhashedCount = 0;
  /** What a snapshot that is being read needs of entries that were changed since it began. */
  #snapshot: Snapshot | null = null;

  /** `seed`: an integer, the more bits the better. */
  constructor(seed: number) {
    this.#seedLow = seed | 0;
    this.#seedHigh = Math.floor(seed / 2 ** 32) | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** Keys that have a deadline. */
  get expiring(): number {
    return this.#deadlines.size;
  }

  /** One more than the highest slot that was ever used. */
  get slotCount(): number {
    return this.#slots;
  }

  /**
   * Hash of a key, for `find` and `insert`: HalfSipHash-1-3. With a faster one (Murmur3 for instance) keys can be made that collide whatever
   * the seed is, and each command on such keys would search through all of them, on every replica.
   */
  hash(bytes: Uint8Array, start: number, end: number): number {
    let v0 = this.#seedLow;
    let v1 = this.#seedHigh;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    const words = (end - start) >> 2;
    let index = start;
    // One round for each word, one for the rest and the length, and three at the end.
    for (let round = 0; round < words + 4; round++) {
      let word = 0;
      if (round < words) {
        word =
          (bytes[index] as number) |
          ((bytes[index + 1] as number) << 8) |
          ((bytes[index + 2] as number) << 16) |
          ((bytes[index + 3] as number) << 24);
        index += 4;
      } else if (round === words) {
        word = (end - start) << 24;
        for (let shift = 0; index < end; index++, shift += 8) word |= (bytes[index] as number) << shift;
      } else if (round === words + 1) {
        v2 ^= 0xff;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }

  /** Slot of the key that bytes [start, end) spell, or -1. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    let slot = (this.#table[hash & (this.#table.length - 1)] as number) - 1;
    while (slot >= 0) {
      if (this.#hashes[slot] === hash && equals(this.#keys[slot] as string, bytes, start, end)) return slot;
      slot = this.#next[slot] as number;
    }
    return -1;
  }

  /** Adds a key that `find` does not find. */
  insert(key: string, hash: number, value: string): number {
    let slot = this.#firstFree;
    if (slot !== END_OF_FREE) this.#preserve(slot);
    if (slot === END_OF_FREE) {
      slot = this.#slots;
      if (slot === this.#hashes.length) this.#grow();
      this.#slots++;
      this.#keys.push(key);
      this.#values.push(value);
    } else {
      const following = this.#next[slot] as number;
      this.#firstFree = following === END_OF_FREE ? END_OF_FREE : -3 - following;
      this.#keys[slot] = key;
      this.#values[slot] = value;
    }
    this.#hashes[slot] = hash;
    this.#link(slot, hash);
    this.#size++;
    this.#note(slot);
    return slot;
  }

  remove(slot: number): void {
    this.#preserve(slot);
    this.#unlink(slot);
    this.#deadlines.remove(slot);
    this.#keys[slot] = '';
    this.#values[slot] = '';
    this.#sumLow = (this.#sumLow - (this.#sharesLow[slot] as number)) | 0;
    this.#sumHigh = (this.#sumHigh - (this.#sharesHigh[slot] as number)) | 0;
    this.#sharesLow[slot] = 0;
    this.#sharesHigh[slot] = 0;
    this.#next[slot] = this.#firstFree === END_OF_FREE ? END_OF_FREE : -3 - this.#firstFree;
    this.#firstFree = slot;
    this.#size--;
  }

  /** False for a slot that holds no key now. */
  isUsed(slot: number): boolean {
    return (this.#next[slot] as number) >= END_OF_CHAIN;
  }

  key(slot: number): string {
    return this.#keys[slot] as string;
  }

  value(slot: number): string {
    return this.#values[slot] as string;
  }

  setValue(slot: number, value: string): void {
    this.#preserve(slot);
    this.#values[slot] = value;
    this.#note(slot);
  }

  /** Puts `text` behind the value. */
  appendValue(slot: number, text: string): void {
    const before = this.#values[slot] as string;
    const value = before + text;
    const step = Math.max(JOINED_BYTES_MIN, 2 ** (31 - Math.clz32(value.length)) / JOINED_PARTS_MAX);
    if (Math.trunc(before.length / step) < Math.trunc(value.length / step)) joinText(value);
    this.setValue(slot, value);
  }

  /** In ms; 0 where the key does not expire. */
  deadline(slot: number): number {
    return this.#deadlines.deadline(slot);
  }

  /** `deadline` is above 0, or 0 to let the key stay for good. */
  setDeadline(slot: number, deadline: number): void {
    this.#preserve(slot);
    if (deadline === 0) {
      if (this.#deadlines.deadline(slot) === 0) return;
      this.#deadlines.remove(slot);
    } else {
      this.#deadlines.set(slot, deadline);
    }
    this.#note(slot);
  }

  /** The slot whose deadline comes first, or -1. */
  firstExpiring(): number {
    return this.#deadlines.first();
  }

  /**
   * The entries as they are at the time of the call, one after another, whatever happens to them meanwhile. One snapshot at a time: an
   * earlier one that was not read to its end yields nothing more.
   */
  snapshot(): Iterable<Entry> {
    const snapshot: Snapshot = { next: 0, end: this.#slots, preserved: new Map() };
    this.#snapshot = snapshot;
    return this.#readSnapshot(snapshot);
  }

  *#readSnapshot(snapshot: Snapshot): Generator<Entry, void, void> {
    try {
      while (snapshot.next < snapshot.end && this.#snapshot === snapshot) {
        const slot = snapshot.next;
        const preserved = snapshot.preserved.get(slot);
        const entry = preserved === undefined ? this.#entry(slot) : preserved;
        snapshot.preserved.delete(slot);
        // From here on the slot may change.
        snapshot.next += 1;
        if (entry !== null) yield entry;
      }
    } finally {
      // Also where it is given up, or whatever is written from here on would be kept beside what was there.
      if (this.#snapshot === snapshot) this.#snapshot = null;
    }
  }

  #entry(slot: number): Entry | null {
    if (!this.isUsed(slot)) return null;
    return { key: this.key(slot), value: this.value(slot), deadline: this.deadline(slot) };
  }

  /** Before a slot changes: a snapshot that has not come to it yet keeps what was there. */
  #preserve(slot: number): void {
    const snapshot = this.#snapshot;
    if (snapshot === null || slot < snapshot.next || slot >= snapshot.end) return;
    if (!snapshot.preserved.has(slot)) snapshot.preserved.set(slot, this.#entry(slot));
  }

  clear(): void {
    // Nothing is left to read: what was there is kept.
    const snapshot = this.#snapshot;
    if (snapshot !== null) for (let slot = snapshot.next; slot < snapshot.end; slot++) this.#preserve(slot);
    this.#deadlines.clear();
    this.#size = 0;
    this.#keys = [];
    this.#values = [];
    this.#slots = 0;
    this.#firstFree = END_OF_FREE;
    this.#table = new Int32Array(CAPACITY_MIN);
    this.#hashes = new Int32Array(CAPACITY_MIN);
    this.#next = new Int32Array(CAPACITY_MIN);
    this.#sumLow = 0;
    this.#sumHigh = 0;
    this.#sharesLow = new Int32Array(CAPACITY_MIN);
    this.#sharesHigh = new Int32Array(CAPACITY_MIN);
    this.#noted = new Uint8Array(CAPACITY_MIN);
    this.#unhashed = new Int32Array(CAPACITY_MIN);
    this.#unhashedCount = 0;
  }

  /** Two words of 32 bits that are equal on equal keys, values and deadlines, in whatever order they came about. */
  digest(): { readonly low: number; readonly high: number } {
    for (let index = 0; index < this.#unhashedCount; index++) {
      const slot = this.#unhashed[index] as number;
      this.#noted[slot] = 0;
      if (this.isUsed(slot)) this.#hashEntry(slot);
    }
    this.#unhashedCount = 0;
    return { low: this.#sumLow >>> 0, high: this.#sumHigh >>> 0 };
  }

  #hashEntry(slot: number): void {
    const key = this.#keys[slot] as string;
    const value = this.#values[slot] as string;
    const deadline = this.#deadlines.deadline(slot);
    const deadlineHigh = Math.floor(deadline / 2 ** 32);
    const low = hashEntry(0x2f0b4c47, key, value, deadline | 0, deadlineHigh);
    const high = hashEntry(0x51ed270b, key, value, deadline | 0, deadlineHigh);
    this.#sumLow = (this.#sumLow - (this.#sharesLow[slot] as number) + low) | 0;
    this.#sumHigh = (this.#sumHigh - (this.#sharesHigh[slot] as number) + high) | 0;
    this.#sharesLow[slot] = low;
    this.#sharesHigh[slot] = high;
  }

  #note(slot: number): void {
    if (this.#noted[slot] === 1) return;
    this.#noted[slot] = 1;
    this.#unhashed[this.#unhashedCount++] = slot;
  }

  #link(slot: number, hash: number): void {
    const chain = hash & (this.#table.length - 1);
    this.#next[slot] = (this.#table[chain] as number) - 1;
    this.#table[chain] = slot + 1;
  }

  #unlink(slot: number): void {
    const chain = (this.#hashes[slot] as number) & (this.#table.length - 1);
    const following = this.#next[slot] as number;
    let at = (this.#table[chain] as number) - 1;
    if (at === slot) {
      this.#table[chain] = following + 1;
      return;
    }
    while (this.#next[at] !== slot) at = this.#next[at] as number;
    this.#next[at] = following;
  }

  /** There are never more keys than slots, so a table as long as the slots keeps chains short. */
  #grow(): void {
    const capacity = this.#hashes.length * 2;
    this.#hashes = grown(this.#hashes, capacity);
    this.#sharesLow = grown(this.#sharesLow, capacity);
    this.#sharesHigh = grown(this.#sharesHigh, capacity);
    this.#unhashed = grown(this.#unhashed, capacity);
    const next = new Int32Array(capacity);
    const noted = new Uint8Array(capacity);
    noted.set(this.#noted);
    this.#noted = noted;
    this.#next = next;
    // Called only where no slot is free, so every slot belongs to a chain.
    this.#table = new Int32Array(capacity);
    for (let slot = 0; slot < this.#slots; slot++) this.#link(slot, this.#hashes[slot] as number);
  }
}

/**
 * `+` makes of long texts a node that holds both until somebody reads them: a value of small pieces would take up to 32 bytes for each of
 * them. To be written somewhere it is put together, for good.
 */
function joinText(text: string): void {
  oneByte.write(text, 0, 1, 'latin1');
}

const oneByte: Buffer = Buffer.alloc(1);

function equals(key: string, bytes: Uint8Array, start: number, end: number): boolean {
  const length = key.length;
  if (length !== end - start) return false;
  for (let index = 0; index < length; index++) {
    if (key.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

function avalanche(value: number): number {
  let hash = value;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** The lengths go first, so that a byte cannot move from the key to the value unnoticed. */
function hashEntry(
  seed: number,
  key: string,
  value: string,
  deadlineLow: number,
  deadlineHigh: number,
): number {
  let hash = avalanche(seed ^ key.length);
  hash = hashText(hash, key);
  hash = avalanche(Math.imul(hash, 31) ^ value.length);
  hash = hashText(hash, value);
  hash = avalanche(Math.imul(hash, 31) ^ deadlineLow);
  return avalanche(Math.imul(hash, 31) ^ deadlineHigh);
}

function hashText(seed: number, text: string): number {
  let hash = seed;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  return hash;
}

function grown(from: Int32Array, capacity: number): Int32Array {
  const into = new Int32Array(capacity);
  into.set(from);
  return into;
}
