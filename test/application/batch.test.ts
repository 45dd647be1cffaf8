/**
 * Aim: `replicateBatch` is `replicate` for many: the same order, results, limits and errors, in one promise. Method: one member
 * or three in this process, on memory, both engines; and a model that submits both ways, in any mixture.
 */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BatchWaiter } from '../../src/application/batch.js';
import { CommandBatch, type Replica, SynodError } from '../../src/index.js';
import { setup as buildIfStale } from '../built.setup.js';
import { bytesOf, closeAll, codeOf, type Member, openCluster, type Recorder, until } from './support.js';

afterEach(closeAll);
// The worker runs compiled code.
buildIfStale();

const packed = (commands: readonly Uint8Array[]): CommandBatch => {
  const batch = new CommandBatch(0);
  for (const command of commands) batch.add(command);
  return batch;
};

const forms = [
  ['an array', (commands: readonly Uint8Array[]) => commands],
  ['a CommandBatch', packed],
] as const;

describe.each(['inline', 'worker'] as const)('a replica that is alone, engine %s', (engine) => {
  let replica: Replica<string>;
  let stateMachine: Recorder;

  beforeEach(async () => {
    [{ replica, stateMachine }] = (await openCluster(1, {
      engine,
      limits: { outstandingBytesMax: 3_000_000, decreeCommandsMax: 1000 },
    })) as [Member];
  });

  describe.each(forms)('%s', (_, form) => {
    it('has a result for each command, in order', async () => {
      const texts = Array.from({ length: 5000 }, (__, index) => `c${index}`);
      const results = await replica.replicateBatch(form(texts.map(bytesOf)));
      expect(results).toEqual(texts.map((text, index) => `${index + 1}:${text}`));
      expect(stateMachine.commands).toEqual(texts);
      expect((await replica.status()).outstandingBytes).toBe(0);
    });

    it('has results of undefined where the state machine does not reply', async () => {
      stateMachine.mute = 'silent';
      const batch = form([bytesOf('silent'), bytesOf('loud'), bytesOf('silent')]);
      expect(await replica.replicateBatch(batch)).toEqual([undefined, '2:loud', undefined]);
    });

    it('may be of no commands, of empty ones, and of more than a decree holds', async () => {
      expect(await replica.replicateBatch(form([]))).toEqual([]);
      expect(await replica.replicateBatch(form([new Uint8Array(0), bytesOf('')]))).toEqual(['1:', '2:']);
      const great = 'g'.repeat(200_000);
      const results = await replica.replicateBatch(form(Array(9).fill(bytesOf(great))));
      expect(results).toEqual(Array.from({ length: 9 }, (__, index) => `${index + 3}:${great}`));
    });

    it('is refused as a whole where one command is too long', async () => {
      const batch = form([bytesOf('x'), new Uint8Array(1024 * 1024 + 1)]);
      expect(await codeOf(replica.replicateBatch(batch))).toBe('ERR_SYNOD_ARGUMENT not-applied');
      expect(await replica.replicate(bytesOf('next'))).toBe('1:next');
    });

    it('is refused where it is more than may ever be outstanding, overloaded where it is so now', async () => {
      const half = form(Array(10).fill(new Uint8Array(150_000)));
      const pending = replica.replicateBatch(half);
      expect(await codeOf(replica.replicateBatch(half))).toBe('ERR_SYNOD_OVERLOADED not-applied');
      const twice = form(Array(20).fill(new Uint8Array(150_000)));
      expect(await codeOf(replica.replicateBatch(twice))).toBe('ERR_SYNOD_ARGUMENT not-applied');
      await pending;
      expect(await codeOf(replica.replicateBatch(half))).toBe('resolved');
      expect(stateMachine.commands.length).toBe(20);
    });
  });

  it('mixes with single commands in any order, whatever their sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            sizes: fc.array(
              fc.oneof({ weight: 9, arbitrary: fc.nat(90) }, { weight: 1, arbitrary: fc.nat(60_000) }),
              {
                maxLength: 40,
              },
            ),
            how: fc.constantFrom('each', 'array', 'packed'),
            pause: fc.boolean(),
          }),
          { maxLength: 12 },
        ),
        async (calls) => {
          const before = stateMachine.commands.length;
          const expected: string[] = [];
          const results: Promise<readonly (string | undefined)[]>[] = [];
          for (const { sizes, how, pause } of calls) {
            const texts = sizes.map((size, index) => `${expected.length + index}`.padEnd(size, '-'));
            expected.push(...texts);
            const commands = texts.map(bytesOf);
            if (how === 'each') {
              results.push(Promise.all(commands.map((command) => replica.replicate(command))));
            } else {
              results.push(replica.replicateBatch(how === 'array' ? commands : packed(commands)));
            }
            if (pause) await new Promise(setImmediate);
          }
          expect((await Promise.all(results)).flat()).toEqual(
            expected.map((text, index) => `${before + index + 1}:${text}`),
          );
          expect(stateMachine.commands.slice(before)).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('copies the bytes before the call returns', async () => {
    const command = bytesOf('before');
    const batch = packed([command]);
    const results = [replica.replicateBatch([command]), replica.replicateBatch(batch)];
    command.fill(0);
    batch.clear();
    batch.add(bytesOf('later'));
    expect(await Promise.all(results)).toEqual([['1:before'], ['2:before']]);
  });

  it.each([undefined, null, 'text', 5, new Uint8Array(3), [bytesOf('x'), 'text'], [bytesOf('x'), undefined]])(
    'refuses what is no list of commands: %s',
    async (commands) => {
      expect(await codeOf(replica.replicateBatch(commands as never))).toBe('ERR_SYNOD_ARGUMENT not-applied');
      expect(await replica.replicate(bytesOf('next'))).toBe('1:next');
    },
  );

  it('refuses a batch whose lengths were written over: it would stop every replica', async () => {
    const batch = packed([bytesOf('one'), bytesOf('two')]);
    batch.view.setUint32(0, 4, true);
    expect(await codeOf(replica.replicateBatch(batch))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    batch.adopt(new Uint8Array(3), 1);
    expect(await codeOf(replica.replicateBatch(batch))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(() => batch.adopt(new Uint8Array(new SharedArrayBuffer(4)), 1)).toThrow('shared');
    expect(await replica.replicate(bytesOf('next'))).toBe('1:next');
  });

  it('waits no longer than it is told to, and not at all for a signal that was given', async () => {
    const signal = AbortSignal.abort();
    expect(await codeOf(replica.replicateBatch([bytesOf('never')], { signal }))).toBe(
      'ERR_SYNOD_ABORTED not-applied',
    );
    const controller = new AbortController();
    const aborted = replica.replicateBatch([bytesOf('a'), bytesOf('b')], { signal: controller.signal });
    controller.abort();
    expect(await codeOf(aborted)).toBe('ERR_SYNOD_ABORTED unknown');
    expect(await codeOf(replica.replicateBatch([bytesOf('x')], { timeoutMs: 0 }))).toBe(
      'ERR_SYNOD_ARGUMENT not-applied',
    );
    expect(await replica.replicateBatch([bytesOf('next')], { timeoutMs: 10_000 })).toEqual(['3:next']);
  });

  it('is settled by a close and by a fence', async () => {
    stateMachine.poison = 'poison';
    const error = new Promise((resolve) => replica.once('fenced', resolve));
    const fenced = replica.replicateBatch(['good', 'poison', 'behind'].map(bytesOf));
    expect(await codeOf(fenced)).toBe('ERR_SYNOD_FENCED unknown');
    await error;
    expect(await codeOf(replica.replicateBatch([bytesOf('late')]))).toBe('ERR_SYNOD_FENCED not-applied');
    await replica.close();
    expect(await codeOf(replica.replicateBatch([bytesOf('later')]))).toBe('ERR_SYNOD_CLOSED not-applied');
    expect((await openCluster(1, { engine })).length).toBe(1);
  });
});

describe.each(['inline', 'worker'] as const)('three replicas, engine %s', (engine) => {
  it('execute each command of each batch once, although the primary is lost', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    await until('one primary', () => new Set(members.map(({ replica }) => replica.primary)).size === 1);
    const primary = members.find(({ replica }) => replica.role === 'primary')!;
    const others = members.filter((member) => member !== primary);
    const batch = (at: number, round: number): string[] =>
      Array.from({ length: 40 }, (_, index) => `${at}-${round}-${index}`);
    const pending = others.flatMap(({ replica }, at) =>
      Array.from({ length: 20 }, async (_, round) => {
        const commands = batch(at, round).map(bytesOf);
        return replica.replicateBatch(round % 2 === 0 ? commands : packed(commands));
      }),
    );
    const closing = primary.replica.close();
    const results = await Promise.all(pending);
    await closing;
    await until('the same', () => others[0]!.stateMachine.commands.length === 1601);
    await until('the same', () => others[1]!.stateMachine.commands.length === 1601);
    const { commands } = others[0]!.stateMachine;
    expect(others[1]!.stateMachine.commands).toEqual(commands);
    expect(new Set(commands).size, 'each once').toBe(commands.length);
    for (const [at] of others.entries()) {
      const own = commands.filter((text) => text.startsWith(`${at}-`));
      expect(own).toEqual(Array.from({ length: 20 }, (_, round) => batch(at, round)).flat());
    }
    for (const [index, result] of results.entries()) {
      const texts = batch(Math.floor(index / 20), index % 20);
      expect(result).toEqual(texts.map((text) => `${commands.indexOf(text) + 1}:${text}`));
    }
  });
});

describe('CommandBatch', () => {
  it('grows, counts, and can be written in place', () => {
    const batch = new CommandBatch(0);
    for (let index = 0; index < 3000; index += 1) {
      const at = batch.reserve(4);
      batch.view.setUint32(at, index, true);
    }
    expect([batch.count, batch.commandBytes, batch.end, batch.longestBytes]).toEqual([
      3000, 12_000, 24_000, 4,
    ]);
    for (let index = 0; index < 3000; index += 1)
      expect(batch.view.getUint32(8 * index + 4, true)).toBe(index);
    batch.clear();
    expect([batch.count, batch.commandBytes, batch.longestBytes]).toEqual([0, 0, 0]);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 31])('refuses %s bytes', (bytes) => {
    expect(() => new CommandBatch(bytes)).toThrow(expect.objectContaining({ code: 'ERR_SYNOD_ARGUMENT' }));
    expect(() => new CommandBatch().reserve(bytes)).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_ARGUMENT' }),
    );
  });

  it('refuses what is no command', () => {
    expect(() => new CommandBatch().add('text' as never)).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_ARGUMENT' }),
    );
  });
});

describe('BatchWaiter', () => {
  const lost = new SynodError('ERR_SYNOD_RESULT_LOST', 'lost', { outcome: 'committed' });
  const closed = new SynodError('ERR_SYNOD_CLOSED', 'closed', { outcome: 'unknown' });

  it('hears of the least certain outcome, when all are there, and gives its bytes back with the last', () => {
    const heard: unknown[] = [];
    const waiter = new BatchWaiter<number>(10, 3, 99, {
      resolve: (results) => heard.push(results),
      reject: (error) => heard.push(error),
    });
    waiter.reject(lost, 10);
    waiter.resolve(5, 11);
    expect([heard.length, waiter.bytes]).toEqual([0, 99]);
    waiter.reject(closed, 12);
    expect(heard).toEqual([closed]);
  });
});
