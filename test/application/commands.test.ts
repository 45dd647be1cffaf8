/**
 * Sequences of calls on the public API by chance, against a model that a person can check: the commands that were given, in
 * order, each with what its caller was told. A replica that is alone, on memory and on files, closed and opened again in
 * between.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Replica, ReplicaOptions } from '../../src/index.js';
import { SynodError } from '../../src/index.js';
import { bytesOf, closeAll, openCluster, type Recorder } from './support.js';

const COMMAND_BYTES_MAX = 4096;
const OUTSTANDING_BYTES_MAX = 16 * 1024;

type Told = 'pending' | 'committed' | 'not-applied' | 'unknown';

interface Call {
  readonly text: string;
  told: Told;
  /** Known to have been executed, by what the log holds after a restart. */
  isKept: boolean;
  /** Known not to have been, for the same reason: it must not come back. */
  isGone: boolean;
}

/** What must be so. */
interface Model {
  readonly keepsLog: boolean;
  isOpen: boolean;
  /** In the order in which they were given, of all lives of the disk. */
  calls: Call[];
}

interface Real {
  readonly options: Partial<ReplicaOptions>;
  replica: Replica<string>;
  stateMachine: Recorder;
  pending: Promise<void>[];
  given: number;
}

/** Each command's text is given once, so that it can be found again. */
function textOf(real: Real, bytes: number): string {
  real.given += 1;
  return `${real.given}:`.padEnd(bytes, 'x');
}

type Reply = { readonly result: string | undefined } | { readonly error: SynodError };

async function replyOf(promise: Promise<string | undefined>): Promise<Reply> {
  try {
    return { result: await promise };
  } catch (error) {
    if (!SynodError.is(error)) throw error;
    return { error };
  }
}

/** Gives a command. `codes` are the errors that may come of it, each as code and outcome. */
function give(
  model: Model,
  real: Real,
  text: string,
  codes: readonly string[],
  options?: { readonly signal?: AbortSignal; readonly timeoutMs?: number },
): void {
  const call: Call = { text, told: 'pending', isKept: false, isGone: false };
  const { stateMachine } = real;
  model.calls.push(call);
  const settle = async (): Promise<void> => {
    const reply = await replyOf(real.replica.replicate(bytesOf(text), options));
    expect(call.told).toBe('pending');
    if ('error' in reply) {
      expect(codes).toContain(`${reply.error.code} ${reply.error.outcome}`);
      call.told = reply.error.outcome!;
    } else {
      call.told = 'committed';
      expect(reply.result).toBe(`${stateMachine.commands.indexOf(text) + 1}:${text}`);
    }
  };
  real.pending.push(settle());
}

/** What the state machine executed is what was given, in order: all that is committed, nothing that was not applied. */
function compare(model: Model, { stateMachine }: Real): void {
  const { commands } = stateMachine;
  const executed = new Set(commands);
  expect(executed.size).toBe(commands.length);
  for (const { text, told, isKept, isGone } of model.calls) {
    if (told === 'committed' || isKept) expect(executed.has(text)).toBe(true);
    if (told === 'not-applied' || isGone) expect(executed.has(text)).toBe(false);
  }
  const order = model.calls.map(({ text }) => text).filter((text) => executed.has(text));
  expect(commands).toEqual(order);
}

async function settleAll(model: Model, real: Real): Promise<void> {
  await Promise.all(real.pending);
  real.pending = [];
  for (const { told } of model.calls) expect(told).not.toBe('pending');
}

const closed = 'ERR_SYNOD_CLOSED not-applied';
const overloaded = 'ERR_SYNOD_OVERLOADED not-applied';
const cutOff = 'ERR_SYNOD_CLOSED unknown';

abstract class Command implements fc.AsyncCommand<Model, Real> {
  check(_: Readonly<Model>): boolean {
    return true;
  }
  abstract run(model: Model, real: Real): Promise<void>;
  abstract toString(): string;
}

class Replicate extends Command {
  readonly #sizes: readonly number[];

  constructor(sizes: readonly number[]) {
    super();
    this.#sizes = sizes;
  }

  async run(model: Model, real: Real): Promise<void> {
    for (const bytes of this.#sizes)
      give(model, real, textOf(real, bytes), model.isOpen ? [overloaded, cutOff] : [closed]);
  }

  toString = (): string => `replicate(${this.#sizes.join(', ')})`;
}

class Abort extends Command {
  readonly #isBefore: boolean;

  constructor(isBefore: boolean) {
    super();
    this.#isBefore = isBefore;
  }

  async run(model: Model, real: Real): Promise<void> {
    const controller = new AbortController();
    if (this.#isBefore) controller.abort();
    const aborted = this.#isBefore ? 'ERR_SYNOD_ABORTED not-applied' : 'ERR_SYNOD_ABORTED unknown';
    give(model, real, textOf(real, 10), model.isOpen ? [aborted, overloaded] : [closed, aborted], {
      signal: controller.signal,
    });
    controller.abort();
  }

  toString = (): string => (this.#isBefore ? 'replicate(aborted)' : 'replicate, abort');
}

class Timeout extends Command {
  async run(model: Model, real: Real): Promise<void> {
    const codes = model.isOpen ? ['ERR_SYNOD_TIMEOUT unknown', overloaded, cutOff] : [closed];
    give(model, real, textOf(real, 10), codes, { timeoutMs: 1 });
  }

  toString = (): string => 'replicate(timeoutMs 1)';
}

class TooLong extends Command {
  async run(model: Model, real: Real): Promise<void> {
    const codes = ['ERR_SYNOD_ARGUMENT not-applied', closed];
    give(model, real, textOf(real, COMMAND_BYTES_MAX + 1), codes);
    await settleAll(model, real);
    expect(model.calls.at(-1)!.told).toBe('not-applied');
  }

  toString = (): string => 'replicate(too long)';
}

class Overload extends Command {
  async run(model: Model, real: Real): Promise<void> {
    await settleAll(model, real);
    const first = model.calls.length;
    const codes = model.isOpen ? [overloaded, cutOff] : [closed];
    for (let sum = 0; sum <= OUTSTANDING_BYTES_MAX; sum += COMMAND_BYTES_MAX)
      give(model, real, textOf(real, COMMAND_BYTES_MAX), codes);
    await settleAll(model, real);
    const told = model.calls.slice(first).map((call) => call.told);
    // What fits is taken, and only what is beyond the bound is not.
    expect(told[0]).toBe(model.isOpen ? 'committed' : 'not-applied');
    expect(told.at(-1)).toBe('not-applied');
    if (model.isOpen) expect((await real.replica.status()).outstandingBytes).toBe(0);
  }

  toString = (): string => 'overload';
}

class Settle extends Command {
  async run(model: Model, real: Real): Promise<void> {
    await settleAll(model, real);
    compare(model, real);
  }

  toString = (): string => 'settle';
}

class Status extends Command {
  async run(model: Model, real: Real): Promise<void> {
    if (!model.isOpen) {
      await expect(real.replica.status()).rejects.toMatchObject({ code: 'ERR_SYNOD_CLOSED' });
      return;
    }
    const status = await real.replica.status();
    expect(status.applied).toBeLessThanOrEqual(status.chosen);
    expect(status.stateDigest).toBe(`${real.stateMachine.commands.length}`);
    expect(status.outstandingBytes).toBeLessThanOrEqual(OUTSTANDING_BYTES_MAX);
  }

  toString = (): string => 'status';
}

class Close extends Command {
  async run(model: Model, real: Real): Promise<void> {
    const closing = real.replica.close();
    expect(real.replica.close()).toBe(closing);
    model.isOpen = false;
    await closing;
    await settleAll(model, real);
    compare(model, real);
  }

  toString = (): string => 'close';
}

class Open extends Command {
  override check(model: Readonly<Model>): boolean {
    return !model.isOpen;
  }

  async run(model: Model, real: Real): Promise<void> {
    if (!model.keepsLog) model.calls = [];
    await open(real);
    model.isOpen = true;
    // Behind this one, everything that the log holds from before was executed; what is missing is gone for good.
    give(model, real, textOf(real, 10), []);
    await settleAll(model, real);
    compare(model, real);
    const executed = new Set(real.stateMachine.commands);
    for (const call of model.calls) {
      if (executed.has(call.text)) call.isKept = true;
      else call.isGone = true;
    }
  }

  toString = (): string => 'open';
}

async function open(real: Real): Promise<void> {
  const [member] = await openCluster(1, {
    ...real.options,
    electionTimeoutMs: 50,
    limits: { commandBytesMax: COMMAND_BYTES_MAX, outstandingBytesMax: OUTSTANDING_BYTES_MAX },
  });
  real.replica = member!.replica;
  real.stateMachine = member!.stateMachine;
}

const sizes = fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 1, maxLength: 12 });
const sequences = fc.commands<Model, Real>(
  [
    sizes.map((each) => new Replicate(each)),
    fc.boolean().map((isBefore) => new Abort(isBefore)),
    fc.constant(new Timeout()),
    fc.constant(new TooLong()),
    fc.constant(new Overload()),
    fc.constant(new Settle()),
    fc.constant(new Status()),
    fc.constant(new Close()),
    fc.constant(new Open()),
    fc.constant(new Open()),
  ],
  { maxCommands: 30 },
) as fc.Arbitrary<Iterable<fc.AsyncCommand<Model, Real>>>;

const root = mkdtempSync(path.join(tmpdir(), 'synod-commands-'));
let directories = 0;

afterEach(closeAll);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.each(['memory', 'file'] as const)('a replica that is alone, on %s', (kind) => {
  it('does with any sequence of calls what its callers are told', async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (commands) => {
        directories += 1;
        const directory = path.join(root, `${directories}`);
        const storage = { kind, segmentBytes: 1024 * 1024 };
        const options = kind === 'file' ? { storage, dataDir: directory } : { storage };
        const real = { options, pending: [], given: 0 } as unknown as Real;
        await open(real);
        const model: Model = { keepsLog: kind === 'file', isOpen: true, calls: [] };
        await fc.asyncModelRun(() => ({ model, real }), commands);
        // In the end, and on files once more after a last restart, everything is as it was told.
        await new Close().run(model, real);
        await new Open().run(model, real);
        await closeAll();
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});
