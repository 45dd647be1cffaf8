/** How many bytes a process has allocated on its JavaScript heaps, from what `node --trace-gc` says of each collection. */

/** `[pid:isolate] ... ms: Scavenge 63.4 (171.5) -> 34.8 (172.0) MB, ...`: in use before and after, in MiB. */
const COLLECTION =
  /^\[\d+:(0x[0-9a-f]+)\].*?: [A-Z][A-Za-z-]*(?: \([^)]*\))? ([\d.]+) \([\d.]+\) -> ([\d.]+) \([\d.]+\) MB/;
const MEBIBYTE = 1024 * 1024;

export class AllocationCounter {
  /** In use behind the last collection, by isolate: each thread has a heap of its own. */
  readonly #after: Map<string, number> = new Map();
  #mebibytes = 0;

  /** A line of the process's output. */
  take(line: string): void {
    const found = COLLECTION.exec(line);
    if (found === null) return;
    const [, isolate, before, after] = found as unknown as [string, string, string, string];
    const last = this.#after.get(isolate);
    // What there was before the first collection is of no rate.
    if (last !== undefined) this.#mebibytes += Math.max(0, Number(before) - last);
    this.#after.set(isolate, Number(after));
  }

  /** So far. */
  get bytes(): number {
    return this.#mebibytes * MEBIBYTE;
  }
}
