/**
 * Which code ran, from the engine's own block counters: they are asked for through the inspector, in this thread.
 *
 * What is told is cheap to have for many inputs together and dear for one; whoever wants to know which of the inputs it
 * was runs them again in halves.
 */

import { Session } from 'node:inspector';

interface FunctionCoverage {
  readonly ranges: readonly {
    readonly startOffset: number;
    readonly endOffset: number;
    readonly count: number;
  }[];
}

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly FunctionCoverage[];
}

/** Of one script: for each function, by where it begins, a byte for each character that has run. */
type Seen = Map<number, Uint8Array>;

export class Coverage {
  readonly #session = new Session();
  readonly #accepts: (url: string) => boolean;
  readonly #seen: Map<string, Seen> = new Map();
  /** Functions that have run. */
  functions = 0;
  /** Characters of code that have run. */
  characters = 0;

  constructor(accepts: (url: string) => boolean) {
    this.#accepts = accepts;
  }

  start(): void {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** Forgets what has run. */
  clear(): void {
    this.#take();
    this.#seen.clear();
    this.functions = 0;
    this.characters = 0;
  }

  /**
   * Whether anything ran since the last call that had not run before. With `keep` it counts as having run from now on.
   */
  hasNew(keep: boolean): boolean {
    let found = false;
    for (const { url, functions } of this.#take()) {
      if (!this.#accepts(url)) continue;
      let seen = this.#seen.get(url);
      if (seen === undefined) {
        seen = new Map();
        this.#seen.set(url, seen);
      }
      for (const { ranges } of functions) {
        const [whole] = ranges;
        if (whole === undefined || whole.count === 0) continue;
        if (this.#mark(seen, ranges, keep)) found = true;
        if (found && !keep) return true;
      }
    }
    return found;
  }

  #mark(seen: Seen, ranges: FunctionCoverage['ranges'], keep: boolean): boolean {
    const { startOffset, endOffset } = ranges[0]!;
    let blocks = seen.get(startOffset);
    if (blocks === undefined) {
      if (!keep) return true;
      blocks = new Uint8Array(endOffset - startOffset);
      seen.set(startOffset, blocks);
      this.functions += 1;
    }
    // Inner ranges follow outer ones, and are left out where their count is the same.
    const ran = new Uint8Array(endOffset - startOffset);
    for (const range of ranges) {
      ran.fill(range.count > 0 ? 1 : 0, range.startOffset - startOffset, range.endOffset - startOffset);
    }
    let found = false;
    for (let at = 0; at < ran.length; at++) {
      if (ran[at] === 0 || blocks[at] === 1) continue;
      if (!keep) return true;
      found = true;
      blocks[at] = 1;
      this.characters += 1;
    }
    return found;
  }

  #take(): readonly ScriptCoverage[] {
    let result: readonly ScriptCoverage[] | null = null;
    // Of the own thread the answer is there when the call returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error === null) result = answer.result;
    });
    if (result === null) throw new Error('the inspector tells no coverage');
    return result;
  }
}
