/** Percentiles of latencies: exact up to a bound of samples, of an even sample of them beyond. */

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const SAMPLES_MAX = 2_000_000;

export class Latencies {
  #samples = new Float64Array(65_536);
  #count = 0;
  #stride = 1;
  #skip = 0;
  #max = 0;

  add(microseconds: number): void {
    if (microseconds > this.#max) this.#max = microseconds;
    this.#skip += 1;
    if (this.#skip < this.#stride) return;
    this.#skip = 0;
    if (this.#count === this.#samples.length) this.#grow();
    this.#samples[this.#count] = microseconds;
    this.#count += 1;
  }

  percentiles(): Percentiles {
    const sorted = this.#samples.slice(0, this.#count).sort();
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: this.#max };
  }

  #grow(): void {
    if (this.#samples.length >= SAMPLES_MAX) {
      for (let index = 0; index < this.#count / 2; index += 1)
        this.#samples[index] = this.#samples[index * 2]!;
      this.#count = Math.floor(this.#count / 2);
      this.#stride *= 2;
      return;
    }
    const samples = new Float64Array(this.#samples.length * 2);
    samples.set(this.#samples);
    this.#samples = samples;
  }
}
