/** Chance that can be repeated: the same seed gives the same draws on every machine. */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) >>> 0;
    this.#c = 0x9e3779b9;
    for (let round = 0; round < 12; round += 1) this.word();
  }

  /** 32 random bits (the "sfc32" generator). */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1). */
  real(): number {
    return this.word() / 0x1_0000_0000;
  }

  /** Uniform among 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.real() * count);
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.real() * (high - low);
  }

  chance(probability: number): boolean {
    return this.real() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let index = copy.length - 1; index > 0; index -= 1) {
      const other = this.below(index + 1);
      [copy[index], copy[other]] = [copy[other]!, copy[index]!];
    }
    return copy;
  }

  /** Another generator, which draws on independently of this one. */
  fork(): Random {
    return new Random(this.word() * 0x20_0000 + (this.word() >>> 11));
  }
}
