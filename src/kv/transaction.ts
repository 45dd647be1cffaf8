/** What MULTI has queued on one connection, encoded already, until EXEC puts it into the log as one operation. */

import { CommandEncoder } from './command-codec.js';
import type { Operation } from './operations.js';
import { ARGUMENTS_MAX, type RespParser } from './resp-parser.js';

/** Arguments in one transaction, at most: what one request may have. */
export const ARGUMENTS_QUEUED_MAX: number = ARGUMENTS_MAX;

export class Transaction {
  /** Between MULTI and EXEC or DISCARD. */
  active = false;
  /** A request was refused since MULTI: EXEC will execute nothing. */
  spoilt = false;
  argumentCount = 0;

  #operations: CommandEncoder | null = null;

  /** The queued operations, without a header. */
  get operations(): CommandEncoder {
    this.#operations ??= new CommandEncoder();
    return this.#operations;
  }

  begin(): void {
    this.active = true;
  }

  spoil(): void {
    if (this.active) this.spoilt = true;
  }

  /** Adds the request that `parser` shows; `withArguments` false where the operation takes none of them. */
  queue(operation: Operation, parser: RespParser, withArguments: boolean): void {
    const count = withArguments ? parser.argumentCount : 1;
    this.operations.operation(operation, parser.bytes, parser.starts, parser.ends, 1, count);
    this.argumentCount += parser.argumentCount;
  }

  end(): void {
    this.active = false;
    this.spoilt = false;
    this.argumentCount = 0;
    this.#operations?.clear();
  }
}
