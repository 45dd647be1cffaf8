/** A hash over everything that happens in a run: the same seed gives the same one. */

export class Trace {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;
  readonly #number = new Float64Array(1);
  readonly #words = new Uint32Array(this.#number.buffer);

  /** Of any number, to its last bit. */
  add(value: number): void {
    this.#number[0] = value;
    this.#mix(this.#words[0]!);
    this.#mix(this.#words[1]!);
  }

  addText(text: string): void {
    for (let index = 0; index < text.length; index += 1) this.#mix(text.charCodeAt(index));
    this.#mix(text.length);
  }

  get hash(): string {
    return (this.#a >>> 0).toString(16).padStart(8, '0') + (this.#b >>> 0).toString(16).padStart(8, '0');
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x0100_0193);
    this.#b = Math.imul(this.#b ^ (word + this.#a), 0x85eb_ca6b);
    this.#b ^= this.#b >>> 13;
  }
}
