/** Batches of commands that come in one call: what may be taken, how they are written, and who waits for them. */

import { CommandBatch } from '../command-batch.js';
import { invariant } from '../contracts.js';
import type { SynodError } from '../errors.js';
import type { Limits } from '../limits.js';
import { badArgument } from './bad-argument.js';
import type { CommandWriter } from './command-writer.js';
import type { Waiter } from './waiters.js';

/** What an outstanding command costs beside its bytes, about; without it small ones would be bounded by nothing. */
export const COMMAND_OVERHEAD_BYTES = 64;

export type BatchSource = readonly Uint8Array[] | CommandBatch;

export function batchCount(commands: BatchSource): number {
  return commands instanceof CommandBatch ? commands.count : commands.length;
}

export function batchBytes(commands: BatchSource): number {
  if (commands instanceof CommandBatch) return commands.commandBytes;
  let bytes = 0;
  for (let index = 0; index < commands.length; index += 1) bytes += commands[index]!.length;
  return bytes;
}

/** Why these commands can never be taken, or null. */
export function batchRefusal(
  commands: BatchSource,
  limits: Limits,
  writer: CommandWriter,
): SynodError | null {
  const { commandBytesMax, outstandingBytesMax } = limits;
  if (commands instanceof CommandBatch) {
    const { longestBytes } = commands;
    // What is copied into the log in one piece must be commands: every replica stops at a decree that is not.
    if (longestBytes < 0) return badArgument('commands: a length in the batch was written over');
    if (longestBytes > commandBytesMax)
      return badArgument(`commands: one of ${longestBytes} bytes, the bound is ${commandBytesMax}`);
  } else {
    if (!Array.isArray(commands))
      return badArgument(`commands: expected an array or a CommandBatch, got ${typeof commands}`);
    for (let index = 0; index < commands.length; index += 1) {
      const command: unknown = commands[index];
      if (!(command instanceof Uint8Array))
        return badArgument(`commands[${index}]: expected a Uint8Array, got ${typeof command}`);
      if (command.length > commandBytesMax)
        return badArgument(`commands[${index}]: ${command.length} bytes, the bound is ${commandBytesMax}`);
    }
  }
  const count = batchCount(commands);
  const bytes = batchBytes(commands);
  const outstanding = bytes + count * COMMAND_OVERHEAD_BYTES;
  if (outstanding > outstandingBytesMax && count > 0)
    return badArgument(`commands: ${outstanding} bytes outstanding, the bound is ${outstandingBytesMax}`);
  if (!writer.canHold(bytes, count))
    return badArgument(
      `commands: ${count} of ${bytes} bytes in all are more decrees than may be on their way`,
    );
  return null;
}

/** Yields how many were written. */
export function writeBatch(writer: CommandWriter, commands: BatchSource): number {
  if (commands instanceof CommandBatch)
    return writer.writePacked(commands.bytes, commands.view, commands.end, commands.count);
  let index = 0;
  while (index < commands.length && writer.write(commands[index]!) !== 0) index += 1;
  return index;
}

/** Waits for all commands of a batch. One object for all of them. */
export class BatchWaiter<Result> implements Waiter<Result> {
  readonly #first: number;
  readonly #bytes: number;
  readonly #caller: {
    resolve(results: readonly (Result | undefined)[]): void;
    reject(error: SynodError): void;
  };
  readonly #results: (Result | undefined)[];
  #left: number;
  #error: SynodError | null = null;

  constructor(
    first: number,
    count: number,
    bytes: number,
    caller: {
      resolve(results: readonly (Result | undefined)[]): void;
      reject(error: SynodError): void;
    },
  ) {
    this.#first = first;
    this.#bytes = bytes;
    this.#caller = caller;
    this.#left = count;
    this.#results = new Array<Result | undefined>(count).fill(undefined);
  }

  /** All of them, with the last one. */
  get bytes(): number {
    return this.#left === 1 ? this.#bytes : 0;
  }

  resolve(result: Result | undefined, sequence: number): void {
    this.#results[sequence - this.#first] = result;
    this.#finishOne();
  }

  /** The last error counts: after one whose command was executed may come one of whose command nobody knows that. */
  reject(error: SynodError, _sequence: number): void {
    this.#error = error;
    this.#finishOne();
  }

  /** Commands behind those that it waits for were not taken. */
  cut(error: SynodError): void {
    this.#error = error;
  }

  #finishOne(): void {
    invariant(this.#left > 0, 'each-command-settled-once');
    this.#left -= 1;
    if (this.#left > 0) return;
    if (this.#error === null) this.#caller.resolve(this.#results);
    else this.#caller.reject(this.#error);
  }
}
