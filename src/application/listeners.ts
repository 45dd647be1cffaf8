/** Tells the application's listeners. What they throw must not end up in the engine, nor keep others from hearing. */

import type { EventEmitter } from 'node:events';
import { throwingLater } from '../rethrow.js';

type Listener = (argument: unknown) => void;

export function tellListeners(emitter: EventEmitter, name: string, argument: unknown): void {
  // Raw ones: those of `once` take themselves out.
  for (const listener of emitter.rawListeners(name)) tell(emitter, listener, argument);
}

/** Whoever listens from now on is told too, behind the call: what is told once, and for good, may come before anybody could listen. */
export function tellLatecomers(emitter: EventEmitter, name: string, argument: unknown): void {
  emitter.on('newListener', (event, added: Listener & { listener?: Listener }) => {
    if (event !== name) return;
    queueMicrotask(() => {
      const raw = emitter
        .rawListeners(name)
        .findLast((one) => one === added || (one as typeof added).listener === added);
      if (raw !== undefined) tell(emitter, raw, argument);
    });
  });
}

function tell(emitter: EventEmitter, listener: unknown, argument: unknown): void {
  throwingLater((listener as Listener).bind(emitter))(argument);
}
