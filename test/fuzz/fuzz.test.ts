/**
 * What the fuzzer has found worth keeping is run again, at each test; and the fuzzer's own parts do what they say. That it
 * finds a bug is in fuzz.process.test.ts.
 */

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ArgumentError, parseFuzzArguments } from './arguments.js';
import { keptFolder, readCorpus } from './corpus.js';
import { judge } from './finding.js';
import { packImages, sampleImages, unpackImages } from './images.js';
import { mutateJson } from './json-mutator.js';
import { mutateBytes, splice } from './mutators.js';
import { nativeTargets } from './native.js';
import { Random } from './random.js';
import type { FuzzTarget } from './target.js';
import { targets } from './targets/index.js';

const root = path.resolve(import.meta.dirname, '../..');
const CORPUS_BYTES_MAX = 1024 * 1024;

describe.each(targets.map((target) => [target.name, target] as const))(
  'kept inputs of %s',
  (name, target) => {
    it('find nothing', { timeout: 120_000 }, async () => {
      const inputs = [...readCorpus(keptFolder(root, name)), ...target.seeds()];
      expect(inputs.length).toBeGreaterThan(1);
      for (const input of inputs) {
        const finding = await judge(target, input, () => {});
        // How long it takes and what it allocates is for the fuzzer: here all of vitest runs beside it.
        if (finding?.kind === 'slow' || finding?.kind === 'memory') continue;
        expect(finding, Buffer.from(input).toString('hex').slice(0, 200)).toBeNull();
      }
    });

    it('stay right when they are repaired: what lies behind checksums is reached', async () => {
      if (target.repair === undefined) return;
      const random = new Random(5);
      for (const input of target.seeds()) {
        const repaired = target.repair(mutateBytes(input, random, target.dictionary ?? []), random);
        expect((await judge(target, repaired, () => {}))?.kind ?? 'slow').toMatch(/slow|memory/);
      }
    });
  },
);

it('the kept inputs are few, and of targets that there are', () => {
  const folder = path.join(root, 'test/fuzz/corpus');
  const known = [...targets.map(({ name }) => name), ...Object.keys(nativeTargets)];
  let bytes = 0;
  for (const name of readdirSync(folder)) {
    expect(known).toContain(name);
    for (const file of readdirSync(path.join(folder, name)))
      bytes += statSync(path.join(folder, name, file)).size;
  }
  expect(bytes).toBeLessThan(CORPUS_BYTES_MAX);
});

describe('a finding', () => {
  const targetOf = (run: FuzzTarget['run']): FuzzTarget => ({
    name: 'test',
    about: '',
    inputBytesMax: 10,
    guides: [],
    memoryBytesMax: 1024 * 1024,
    seeds: () => [],
    run,
  });
  const judged = async (run: FuzzTarget['run']): Promise<string | undefined> =>
    (await judge(targetOf(run), new Uint8Array(1), () => {}))?.kind;

  it('is what is thrown, now or later', async () => {
    expect(await judged(() => {})).toBeUndefined();
    expect(
      await judged(() => {
        throw new RangeError('x');
      }),
    ).toBe('exception');
    expect(await judged(() => Promise.reject(new Error('x')))).toBe('exception');
  });

  it('is memory out of proportion', async () => {
    const kept: unknown[] = [];
    // Asked for, it is refused before there is such memory, also where that is caught.
    expect(await judged(() => void kept.push(new Uint8Array(2 ** 31)))).toBe('memory');
    expect(
      await judged(() => {
        try {
          kept.push(new Float64Array(2 ** 28));
        } catch {
          // As code does that has another way.
        }
      }),
    ).toBe('memory');
    expect(kept.length).toBe(0);
    expect(await judged(() => void kept.push(Buffer.allocUnsafeSlow(64 * 1024 * 1024)))).toBe('memory');
    expect(new Uint8Array(8 * 1024 * 1024).constructor).toBe(Uint8Array);
  });

  it('is a prototype that was changed', async () => {
    expect(await judged(() => void Object.assign(Object.prototype, { polluted: 1 }))).toBe('pollution');
    Reflect.deleteProperty(Object.prototype, 'polluted');
  });

  it('is time out of proportion', async () => {
    const end = performance.now() + 700;
    expect(
      await judged(() => {
        // Each reading of the clock is a number on the heap: few of them, or it would be memory that is found.
        for (let round = 1; round % 10_000 !== 0 || performance.now() < end; round++);
      }),
    ).toBe('slow');
  });
});

describe('changes', () => {
  it('are the same for the same seed, and leave what they are made from alone', () => {
    const input = Uint8Array.from({ length: 50 }, (_, index) => index);
    const before = input.slice();
    const make = (seed: number): string => {
      const random = new Random(seed);
      return Array.from({ length: 200 }, () =>
        Buffer.from(splice(mutateBytes(input, random, [input]), input, random)).toString('hex'),
      ).join();
    };
    expect(make(1)).toBe(make(1));
    expect(make(1)).not.toBe(make(2));
    expect(input).toEqual(before);
  });

  it('of JSON are JSON, and of nothing are something', () => {
    const random = new Random(3);
    let input: Uint8Array = new TextEncoder().encode('{"a":[1,{"b":"c"}],"d":null}');
    for (let round = 0; round < 500; round++) {
      const next = mutateJson(input, random);
      JSON.parse(new TextDecoder().decode(next));
      if (next.length < 2000) input = next;
    }
    expect(mutateBytes(new Uint8Array(0), random, []).length).toBeGreaterThan(0);
  });

  it('of segments go through their packed form without loss', () => {
    for (const packed of sampleImages((slot) => new Uint8Array(slot).fill(slot))) {
      const images = unpackImages(packed);
      expect(packImages(images)).toEqual(packed);
      expect(packed.length).toBeLessThan([...images.values()].reduce((sum, bytes) => sum + bytes.length, 0));
    }
    expect(unpackImages(new Uint8Array([1, 0, 2])).get(1)).toEqual(new Uint8Array(4096));
  });
});

describe('arguments', () => {
  const known = ['frames', 'resp'];
  it('are understood', () => {
    expect(
      parseFuzzArguments(['--target', 'resp', '--seconds', '0.5', '--seed', '7', '--json'], known),
    ).toEqual({
      targets: ['resp'],
      seconds: 0.5,
      seed: 7,
      json: true,
      list: false,
      replay: null,
      keep: false,
    });
    expect(parseFuzzArguments([], known).targets).toEqual([]);
  });

  it.each([
    [['--target', 'nothing'], /no target 'nothing'/],
    [['--seconds', '0'], /--seconds/],
    [['--seconds', 'soon'], /--seconds/],
    [['--seconds', ''], /--seconds/],
    [['--seed', '-1'], /--seed|ambiguous/],
    [['--seed', '1.5'], /--seed/],
    [['--replay', 'file'], /--target/],
    [['--what'], /what/],
    [['frames'], /frames/],
  ])('are refused: %j', (values, message) => {
    expect(() => parseFuzzArguments(values, known)).toThrow(ArgumentError);
    expect(() => parseFuzzArguments(values, known)).toThrow(message);
  });
});
