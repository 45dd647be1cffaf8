/** The end of an engine: what was written becomes durable, a mark says so, then transport and medium are closed. */

import type { Slot } from '../protocol/decree.js';
import type { Checkpoints } from './checkpoints.js';
import type { EngineParts } from './engine-types.js';
import type { Grants } from './grants.js';
import { endLog } from './log-ending.js';
import type { LogWriter } from './log-writer.js';

export interface ShutdownOptions {
  readonly parts: EngineParts;
  readonly log: LogWriter;
  readonly grants: Grants;
  /** Null where none are kept. */
  readonly checkpoints: () => Checkpoints | null;
  readonly chosen: () => Slot;
  /** Runs the action; what it throws fences the replica. */
  readonly guard: (action: () => void) => void;
}

export class Shutdown {
  readonly #options: ShutdownOptions;
  #isBegun = false;
  /** Called when more has become durable, or nothing will any more. */
  #proceed: (() => void) | null = null;

  constructor(options: ShutdownOptions) {
    this.#options = options;
  }

  /** Nothing but the end of the log is dealt with any more. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** More has become durable, or, where the replica is fenced, nothing will. */
  onDurable(): void {
    this.#proceed?.();
  }

  /** Without a word in the log: it was not begun, or must not be written to. */
  now(callback: () => void): void {
    this.#begin();
    this.#finish(callback);
  }

  clean(isFenced: () => boolean, callback: () => void): void {
    const { log, grants, chosen, guard } = this.#options;
    this.#begin();
    const isEnded = endLog(log, chosen);
    const proceed = (): void =>
      guard(() => {
        if (this.#proceed === null || (!isFenced() && !isEnded())) return;
        this.#proceed = null;
        this.#finish(callback);
      });
    this.#proceed = proceed;
    guard(() => {
      grants.revoke();
      log.flush();
    });
    proceed();
  }

  #begin(): void {
    this.#isBegun = true;
    this.#options.checkpoints()?.stop();
  }

  #finish(callback: () => void): void {
    const { transport, medium } = this.#options.parts;
    // Once the medium is closed, the directory is anybody's.
    transport.close(() => this.#whenUnwritten(() => medium.close(() => callback())));
  }

  #whenUnwritten(call: () => void): void {
    const checkpoints = this.#options.checkpoints();
    if (checkpoints === null) call();
    else checkpoints.whenIdle(call);
  }
}
