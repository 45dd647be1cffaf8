/** Simulated clients: each asks one replica or another for something, waits, thinks, and asks again. */

import type { Random } from '../properties/random.js';
import type { EventQueue } from './event-queue.js';
import type { Settings } from './script.js';

export type KeyValueOutput =
  | string
  | number
  | bigint
  | null
  | { readonly error: string }
  | readonly KeyValueOutput[];

/** One call, and what became of it. */
export interface CallRecord {
  readonly call: number;
  readonly client: number;
  readonly replica: string;
  readonly input: readonly string[];
  readonly calledAt: number;
  /** Null while nothing is known, and for ever where nothing will be. */
  outcome: 'committed' | 'not-applied' | 'unknown' | null;
  output: KeyValueOutput | undefined;
  returnedAt: number;
}

export interface ClientSurroundings {
  readonly events: EventQueue;
  readonly settings: Settings;
  readonly replicas: readonly string[];
  /** Gives the call to a replica. False where that is not there. */
  readonly call: (client: number, replica: number, input: readonly string[], done: () => void) => boolean;
  /** Gives calls to a replica in one batch; `done` for each. */
  readonly callBatch: (
    client: number,
    replica: number,
    inputs: readonly (readonly string[])[],
    done: () => void,
  ) => boolean;
}

export class Client {
  readonly #number: number;
  readonly #around: ClientSurroundings;
  readonly #random: Random;
  #replica: number;
  #open = 0;
  #values = 0;
  #isStopped = false;

  constructor(number: number, around: ClientSurroundings, random: Random) {
    this.#number = number;
    this.#around = around;
    this.#random = random;
    this.#replica = random.below(around.replicas.length);
  }

  start(): void {
    this.#later(this.#around.settings.thinkMs * this.#random.real());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #later(delayMs: number): void {
    this.#around.events.after(delayMs, () => this.#callAll());
  }

  #callAll(): void {
    if (this.#isStopped) return;
    const { replicas, settings, call, callBatch } = this.#around;
    if (this.#random.chance(0.1)) this.#replica = this.#random.below(replicas.length);
    const done = (): void => {
      this.#open -= 1;
      if (this.#open === 0) this.#later(-Math.log(1 - this.#random.real()) * settings.thinkMs + 0.01);
    };
    // Every third client submits by batches.
    if (this.#number % 3 === 2) {
      const inputs = Array.from({ length: settings.burst - this.#open }, () => this.#draw());
      if (callBatch(this.#number, this.#replica, inputs, done)) this.#open += inputs.length;
    }
    for (let count = this.#open; this.#number % 3 !== 2 && count < settings.burst; count += 1) {
      if (!call(this.#number, this.#replica, this.#draw(), done)) break;
      this.#open += 1;
    }
    if (this.#open > 0) return;
    // Nobody there: another one, soon.
    this.#replica = this.#random.below(replicas.length);
    this.#later(settings.thinkMs * this.#random.between(0.5, 1.5) + 0.1);
  }

  #draw(): readonly string[] {
    const random = this.#random;
    const { keys } = this.#around.settings;
    const key = (): string => `k${random.below(keys)}`;
    const kind = random.real();
    if (kind < 0.3) return ['GET', key()];
    if (kind < 0.55) return ['SET', key(), this.#value()];
    if (kind < 0.65) return ['APPEND', key(), `${this.#number}`];
    if (kind < 0.75) return ['INCR', `n${random.below(2)}`];
    if (kind < 0.8) return ['GET', `n${random.below(2)}`];
    if (kind < 0.85) return ['DEL', key()];
    if (kind < 0.9) return ['GETSET', key(), this.#value()];
    if (kind < 0.93) return ['SETNX', key(), this.#value()];
    const pair = random.below(2) * 2;
    if (kind < 0.97) return ['MGET', `p${pair}`, `p${pair + 1}`];
    return ['MSET', `p${pair}`, this.#value(), `p${pair + 1}`, this.#value()];
  }

  /** Never the same twice. */
  #value(): string {
    this.#values += 1;
    return `${this.#number}.${this.#values}`.padEnd(this.#around.settings.valueBytes, '-');
  }
}
