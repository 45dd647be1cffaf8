/** The calls of a run's clients, from the moment they are made until their one outcome. */

import { CommandBatch } from '../../src/command-batch.js';
import type { CallRecord } from './client.js';
import type { Machine } from './machine.js';
import { type Called, Violation } from './observation.js';
import type { SimulatedProcess } from './process.js';
import { decodeReply, encodeCall } from './service.js';
import type { World } from './world.js';

interface Waiting {
  readonly machine: Machine;
  /** The life of the process that it was given to. */
  readonly life: number;
  readonly done: () => void;
}

type Flags = Pick<Called, 'isExclusive' | 'isLast'>;
const noFlags: Flags = { isExclusive: false, isLast: false };

export class Calls {
  /** In order of their numbers, from 1. */
  readonly records: CallRecord[] = [];

  readonly #world: World;
  readonly #waiting: Map<number, Waiting> = new Map();

  constructor(world: World) {
    this.#world = world;
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Gives a request to a replica; `done` once its outcome is told. False where nobody takes it. */
  make(client: number, replica: number, input: readonly string[], done: () => void): boolean {
    const world = this.#world;
    const machine = world.machines[replica]!;
    const { process } = machine;
    if (process === null || process.state !== 'open') return false;
    const flags = this.#drawFlags();
    const { call, command } = this.#record(client, machine, input, done, flags);
    const { timeoutMs } = world.script.settings;
    process.applicationThread.run(() =>
      process.side.submit(
        command,
        { timeoutMs, exclusive: flags.isExclusive, last: flags.isLast },
        {
          resolve: (result) => this.#hear(process, () => this.#onResult(call, result)),
          reject: ({ outcome, code }) =>
            this.#hear(process, () => this.#settle(call, outcome ?? 'unknown', undefined, code)),
        },
      ),
    );
    return true;
  }

  /** The same for many in one batch: `done` for each. */
  makeBatch(
    client: number,
    replica: number,
    inputs: readonly (readonly string[])[],
    done: () => void,
  ): boolean {
    const world = this.#world;
    const machine = world.machines[replica]!;
    const { process } = machine;
    if (process === null || process.state !== 'open') return false;
    const made = inputs.map((input) => this.#record(client, machine, input, done));
    const commands = made.map(({ command }) => command);
    // Both forms of a batch, by turns.
    const isPacked = this.records.length % 2 === 0;
    const batch = new CommandBatch(0);
    for (const command of commands) batch.add(command);
    const { timeoutMs } = world.script.settings;
    process.applicationThread.run(() =>
      process.side.submitBatch(
        isPacked ? batch : commands,
        { timeoutMs },
        {
          resolve: (results) =>
            this.#hear(process, () => {
              for (const [index, { call }] of made.entries()) this.#onResult(call, results?.[index]);
            }),
          reject: ({ outcome, code }) =>
            this.#hear(process, () => {
              for (const { call } of made) this.#settle(call, outcome ?? 'unknown', undefined, code);
            }),
        },
      ),
    );
    return true;
  }

  /** Of the next call. By its number, so that a run without flags is the same otherwise. */
  #drawFlags(): Flags {
    const { flags } = this.#world.script.settings;
    if (flags === undefined) return noFlags;
    const chance = (Math.imul(this.records.length + 1, 0x9e37_79b1) >>> 0) / 2 ** 32;
    const isLast = chance < flags.last;
    return { isLast, isExclusive: isLast || chance > 1 - flags.exclusive };
  }

  #record(
    client: number,
    machine: Machine,
    input: readonly string[],
    done: () => void,
    flags: Flags = noFlags,
  ): { call: number; command: Uint8Array } {
    const world = this.#world;
    const { now } = world.events;
    const call = this.records.length + 1;
    this.records.push({
      call,
      client,
      replica: machine.id,
      input,
      calledAt: now,
      outcome: null,
      output: undefined,
      returnedAt: Number.POSITIVE_INFINITY,
    });
    this.#waiting.set(call, { life: machine.life, machine, done });
    world.tell({ kind: 'called', at: now, replica: machine.id, client, call, ...flags });
    return { call, command: encodeCall(input, call, machine.clock.wall) };
  }

  /** A process dies by an exception, and what catches it may still answer: a dead process is heard by nobody. */
  #hear(process: SimulatedProcess, what: () => void): void {
    if (process.state !== 'dead') this.#world.judge(what);
  }

  /** The process is gone: nobody will answer what it was asked. */
  onEnded(machine: Machine): void {
    for (const [call, { machine: at, life }] of this.#waiting)
      if (at === machine && life === machine.life) this.#settle(call, 'unknown', undefined, 'KILLED');
  }

  #onResult(call: number, result: Uint8Array | undefined): void {
    if (result === undefined) throw new Violation('reply-for-each-command', `call ${call}`);
    const { output, call: answered } = decodeReply(result);
    if (answered !== call) throw new Violation('reply-of-the-call', `call ${call} got that of ${answered}`);
    this.#settle(call, 'committed', output, null);
  }

  #settle(
    call: number,
    outcome: 'committed' | 'not-applied' | 'unknown',
    output: CallRecord['output'],
    code: string | null,
  ): void {
    const { events, trace } = this.#world;
    const waiting = this.#waiting.get(call);
    if (waiting === undefined) throw new Violation('settled-once', `call ${call}, now ${outcome} ${code}`);
    this.#waiting.delete(call);
    const record = this.records[call - 1]!;
    record.outcome = outcome;
    if (outcome === 'committed') {
      record.output = output;
      record.returnedAt = events.now;
    }
    trace.add(call);
    this.#world.tell({ kind: 'settled', at: events.now, replica: record.replica, call, outcome, code });
    events.after(0, waiting.done);
  }
}
