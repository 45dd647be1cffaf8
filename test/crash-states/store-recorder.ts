/**
 * Sees every store to watched memory, in order: while it runs, the methods by which code stores to typed arrays and data
 * views tell it. What is stored otherwise (by index) is found by comparing, when a fence comes or the run ends.
 */

import { WORD_BYTES } from './disk.js';

type OnStore = (buffer: ArrayBufferLike, offset: number, bytes: Uint8Array) => void;

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
const dataViewSetters = ['setUint8', 'setUint16', 'setUint32'] as const;

export class StoreRecorder {
  readonly #onStore: OnStore;
  /** What is known of each memory: its bytes as of the last store seen. */
  readonly #shadows = new Map<ArrayBufferLike, Uint8Array>();
  #running = false;

  constructor(onStore: OnStore) {
    this.#onStore = onStore;
  }

  watch(buffer: ArrayBufferLike): void {
    this.#shadows.set(buffer, new Uint8Array(buffer.slice(0)));
  }

  forget(buffer: ArrayBufferLike): void {
    this.#shadows.delete(buffer);
  }

  /** Finds what was stored without being seen. */
  settle(buffer: ArrayBufferLike): void {
    const shadow = this.#shadows.get(buffer);
    if (shadow !== undefined) this.#note(buffer, 0, shadow.length);
  }

  run<T>(action: () => T): T {
    if (this.#running) return action();
    this.#running = true;
    const { set, fill } = typedArrayPrototype;
    const setters = dataViewSetters.map((name) => DataView.prototype[name]);
    const note = this.#note.bind(this);
    const shadows = this.#shadows;
    typedArrayPrototype.set = function (this: Uint8Array, source: ArrayLike<number>, at = 0): void {
      set.call(this, source, at);
      if (shadows.has(this.buffer)) note(this.buffer, this.byteOffset + at, source.length);
    };
    typedArrayPrototype.fill = function (
      this: Uint8Array,
      value: number,
      from = 0,
      to = this.length,
    ): Uint8Array {
      fill.call(this, value, from, to);
      if (shadows.has(this.buffer)) note(this.buffer, this.byteOffset + from, to - from);
      return this;
    } as Uint8Array['fill'];
    for (const [index, name] of dataViewSetters.entries()) {
      const setter = setters[index]!;
      const bytes = 1 << index;
      DataView.prototype[name] = function (
        this: DataView,
        at: number,
        value: number,
        little?: boolean,
      ): void {
        setter.call(this, at, value, little);
        if (shadows.has(this.buffer)) note(this.buffer, this.byteOffset + at, bytes);
      };
    }
    try {
      return action();
    } finally {
      this.#running = false;
      typedArrayPrototype.set = set;
      typedArrayPrototype.fill = fill;
      for (const [index, name] of dataViewSetters.entries()) DataView.prototype[name] = setters[index]!;
      for (const buffer of this.#shadows.keys()) this.settle(buffer);
    }
  }

  /** One store for each word in which something has changed. A store of what is there already changes no image. */
  #note(buffer: ArrayBufferLike, from: number, length: number): void {
    const shadow = this.#shadows.get(buffer)!;
    const now = Buffer.from(buffer, from, length);
    if (now.equals(Buffer.from(shadow.buffer, from, length))) return;
    const end = from + length;
    for (let at = from; at < end; ) {
      const to = Math.min(end, Math.floor(at / WORD_BYTES + 1) * WORD_BYTES);
      const bytes = Buffer.from(buffer, at, to - at);
      if (!bytes.equals(Buffer.from(shadow.buffer, at, to - at))) {
        const copy = new Uint8Array(bytes);
        for (let index = 0; index < copy.length; index += 1) shadow[at + index] = copy[index]!;
        this.#onStore(buffer, at, copy);
      }
      at = to;
    }
  }
}
