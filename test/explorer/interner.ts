/** Small numbers for things that are met again and again: equal things have the same number. */

/** Numbers from 0 for values that a text stands for. */
export class Interner<Value> {
  readonly #ids: Map<string, number> = new Map();
  readonly #values: Value[] = [];

  get size(): number {
    return this.#values.length;
  }

  /** `make` is called where the text is new. */
  intern(text: string, make: () => Value): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#values.length;
    this.#ids.set(text, id);
    this.#values.push(make());
    return id;
  }

  value(id: number): Value {
    const value = this.#values[id];
    if (value === undefined) throw new RangeError(`nothing has number ${id}`);
    return value;
  }
}

/** What a function of two numbers yielded. */
export class PairMemo {
  readonly #results: (Map<number, number> | undefined)[] = [];

  /** `make` is called once for each pair. */
  get(first: number, second: number, make: (first: number, second: number) => number): number {
    // One map for each first number: a key made of both would not be a small integer, and those are found much faster.
    let results = this.#results[first];
    if (results === undefined) {
      results = new Map();
      this.#results[first] = results;
    }
    const known = results.get(second);
    if (known !== undefined) return known;
    const result = make(first, second);
    results.set(second, result);
    return result;
  }
}

/** Tuples of numbers, all of the same length, as numbers from 0. */
export class Tuples {
  readonly #steps: PairMemo[] = [];
  readonly #counts: number[] = [];

  of(numbers: readonly number[]): number {
    let id = 0;
    for (const [at, number] of numbers.entries()) {
      const step = this.#steps[at] ?? new PairMemo();
      this.#steps[at] = step;
      id = step.get(id, number, () => {
        const count = this.#counts[at] ?? 0;
        this.#counts[at] = count + 1;
        return count;
      });
    }
    return id;
  }
}

/** Sequences of numbers, as numbers. 0 is the empty one. */
export class Sequences {
  readonly #interner: Interner<readonly number[]> = new Interner();
  readonly #joined = new PairMemo();
  readonly #dropped = new PairMemo();
  readonly #united = new PairMemo();

  constructor() {
    this.of([]);
  }

  of(items: readonly number[]): number {
    return this.#interner.intern(items.join(), () => [...items]);
  }

  items(id: number): readonly number[] {
    return this.#interner.value(id);
  }

  /** The one sequence, then the other. */
  join(first: number, second: number): number {
    if (second === 0) return first;
    if (first === 0) return second;
    return this.#joined.get(first, second, (a, b) => this.of([...this.items(a), ...this.items(b)]));
  }

  /** Without the first `count` items. */
  drop(id: number, count: number): number {
    return this.#dropped.get(id, count, () => this.of(this.items(id).slice(count)));
  }

  /** As a set, in which order and number do not count, with the items of `second` added. */
  unite(first: number, second: number): number {
    if (second === 0) return first;
    return this.#united.get(first, second, (a, b) =>
      this.of([...new Set([...this.items(a), ...this.items(b)])].sort((x, y) => x - y)),
    );
  }
}
