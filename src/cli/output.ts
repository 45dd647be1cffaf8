/** Where the command line writes for people. */

import type { Writable } from 'node:stream';

export interface Output {
  /** One line, or several, of result. */
  line(text: string): void;
  /** One line of failure. */
  error(text: string): void;
  /** What is being waited for; null when the wait is over. Shown in place on a terminal, else line by line. */
  progress(text: string | null): void;
}

/** That of this process. */
export interface ProcessOutput extends Output {
  /** Why something of the result was not taken; null where all was, or where whoever read it went away. */
  readonly failure: Error | null;
}

/**
 * Resolves once the reader has taken everything, however long that takes, or is gone. A result that is cut off looks like a whole one: `synod log
 * dump | less` reads as much as is looked at.
 */
export function whenTaken(stream: Writable): Promise<void> {
  // What the system says of the last write comes in a turn of its own.
  if (stream.writableLength === 0) return new Promise((resolve) => setImmediate(resolve));
  // Called back behind all that was written before, also where that failed.
  return new Promise((resolve) => stream.write('', () => resolve()));
}

/** Standard output and standard error of this process. */
export function processOutput(): ProcessOutput {
  let shown = false;
  let failure: Error | null = null;
  const clear = (): void => {
    if (shown) process.stdout.write('\r\u001b[K');
    shown = false;
  };
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read us went away (`synod cluster | head`): nothing to tell anyone, and no reason to crash.
    if (error.code !== 'EPIPE') failure ??= error;
  });
  process.stderr.on('error', () => {});
  return {
    get failure() {
      return failure;
    },
    line(text) {
      clear();
      process.stdout.write(`${text}\n`);
    },
    error(text) {
      clear();
      process.stderr.write(`${text}\n`);
    },
    progress(text) {
      if (!process.stdout.isTTY) {
        if (text !== null) process.stdout.write(`${text}\n`);
        return;
      }
      clear();
      if (text === null) return;
      process.stdout.write(`${text} ...`);
      shown = true;
    },
  };
}
