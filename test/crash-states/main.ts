/**
 * Crash states: every medium that a power cut may leave, recovered from by the real code.
 *
 *     npm run crash-states -- [--medium file|uring|pmem] [--operations N] [--samples N] [--bit-flips BYTES] [--program STEPS]
 *         [--dax-vm RUN [--rounds N]] [--seed S] [--json]
 *
 * Without anything of that but a medium: all programs of up to four steps, 20,000 images of random programs, and all bits of a log
 * of 64 KiB. Exit status 1 where something was lost, invented or refused.
 */

import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { crc32c as portableCrc32c } from '../../src/checksum.js';
import { loadAddon } from '../../src/native/addon.js';
import { flipBits, makeFlipCounts, makeFlipLog, VIOLATIONS_MAX } from './bit-flips.js';
import { type Counts, Explorer, type Violation } from './explorer.js';
import { builtAddon, cutPower } from './power-cuts.js';
import { exploreProgram, explorePrograms, exploreRandom } from './programs.js';
import { type MediumKind, mediumKinds, shapes } from './session.js';

const USAGE = `usage: npm run crash-states -- [OPTION...]
  --medium file|uring|pmem   only this one
  --operations N             all programs of up to N steps
  --samples N                so many images of random programs, for each medium
  --images N                 so many images at most at each point of the programs of --operations (64)
  --second-crashes N         a second crash on one in so many images (50)
  --bit-flips BYTES          each bit of a log of so many bytes
  --program 'STEP STEP ...'  one program
  --dax-vm RUN               power cuts in a virtual machine with persistent memory, which RUN boots
  --rounds N                 so many of them (20)
  --seed S                   what chance begins with (1)
  --json                     the result as one object`;
const PROGRESS_MS = 2000;
const RANDOM_STEPS = 30;
const FLIPS_AT_ONCE = 4096;

interface Choices {
  readonly media: readonly MediumKind[];
  readonly operations: number;
  readonly samples: number;
  readonly bitFlips: number;
  readonly program: readonly string[] | null;
  readonly machine: string | null;
  readonly rounds: number;
  readonly images: number;
  readonly secondCrashEvery: number;
  readonly seed: number;
  readonly json: boolean;
}

class UsageError extends Error {}

/** Options that say what to do: with none of them, some of each is done. */
const selections = ['operations', 'samples', 'bit-flips', 'program', 'dax-vm'];

function readChoices(): Choices {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      options: {
        medium: { type: 'string' },
        operations: { type: 'string' },
        samples: { type: 'string' },
        'bit-flips': { type: 'string' },
        program: { type: 'string' },
        'dax-vm': { type: 'string' },
        rounds: { type: 'string' },
        images: { type: 'string' },
        'second-crashes': { type: 'string' },
        seed: { type: 'string' },
        json: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const number = (name: string, otherwise: number, max: number): number => {
    const text = values[name];
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (typeof text === 'string' && /^[0-9]+$/.test(text) && value <= max) return value;
    throw new UsageError(`--${name} ${text}: not a whole number up to ${max}`);
  };
  const medium = values.medium as MediumKind | undefined;
  if (medium !== undefined && !mediumKinds.includes(medium)) {
    throw new UsageError(`--medium ${medium}: none of ${mediumKinds.join(', ')}`);
  }
  const isPlain = !selections.some((name) => values[name] !== undefined);
  const bitFlips = number('bit-flips', isPlain ? 65_536 : 0, 64 * 1024 * 1024);
  if (bitFlips % shapes.pmem.segmentBytes !== 0) {
    throw new UsageError(`--bit-flips ${bitFlips}: not a multiple of ${shapes.pmem.segmentBytes}, a segment`);
  }
  return {
    media: medium === undefined ? mediumKinds : [medium],
    operations: number('operations', isPlain ? 4 : 0, 12),
    samples: number('samples', isPlain ? 20_000 : 0, 1_000_000_000),
    bitFlips,
    program: typeof values.program === 'string' ? values.program.split(/\s+/).filter(Boolean) : null,
    machine: typeof values['dax-vm'] === 'string' ? values['dax-vm'] : null,
    rounds: number('rounds', 20, 10_000),
    images: number('images', 64, 1_000_000),
    secondCrashEvery: number('second-crashes', 50, 1_000_000_000),
    seed: number('seed', 1, Number.MAX_SAFE_INTEGER),
    json: values.json === true,
  };
}

let toldAt = performance.now();

/** At most one line in two seconds. */
function progress(line: () => string): void {
  if (performance.now() - toldAt < PROGRESS_MS) return;
  toldAt = performance.now();
  process.stderr.write(`${line()}\n`);
}

interface Result {
  readonly what: string;
  readonly seconds: number;
  /** Of this process: what does not depend on who else uses the machine. */
  readonly cpuSeconds: number;
  readonly counts: object;
  readonly violations: readonly (Violation | string)[];
}

function tenths(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}

function timed(
  what: string,
  run: () => { counts: object; violations: readonly (Violation | string)[] },
): Result {
  const began = performance.now();
  const cpuBegan = process.cpuUsage();
  const { counts, violations } = run();
  const { user, system } = process.cpuUsage(cpuBegan);
  return {
    what,
    seconds: tenths((performance.now() - began) / 1000),
    cpuSeconds: tenths((user + system) / 1e6),
    counts,
    violations,
  };
}

function text({ programs, points, completePoints, images, secondCrashes }: Counts): string {
  return `${programs} programs, ${points} points (${completePoints} complete), ${images} images, ${secondCrashes} second crashes`;
}

/** The addon is looked for in the package that this is transpiled from. Only its checksum is used here: it is faster. */
function useBuiltAddon(): void {
  if (process.env.SYNOD_NATIVE === undefined && existsSync(builtAddon)) process.env.SYNOD_NATIVE = builtAddon;
}

async function main(): Promise<number> {
  const {
    media,
    operations,
    samples,
    bitFlips,
    program,
    machine,
    rounds,
    images,
    secondCrashEvery,
    seed,
    json,
  } = readChoices();
  useBuiltAddon();
  const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;
  const results: Result[] = [];
  for (const kind of media) {
    const options = { kind, crc32c, seed, secondCrashEvery };
    if (program !== null) {
      const explorer = new Explorer({ ...options, imagesMax: 4096 });
      results.push(
        timed(`${kind}: program ${program.join(' ')}`, () => {
          exploreProgram(explorer, program);
          return explorer;
        }),
      );
    }
    if (operations > 0) {
      const explorer = new Explorer({ ...options, imagesMax: images });
      const what = `${kind}: all programs of up to ${operations} steps`;
      results.push(
        timed(what, () => {
          explorePrograms(explorer, operations, () => {
            progress(() => `${what}: at ${explorer.program}; ${text(explorer.counts)}`);
            return true;
          });
          return explorer;
        }),
      );
    }
    if (samples > 0) {
      const explorer = new Explorer({ ...options, imagesMax: 24 });
      const what = `${kind}: random programs`;
      results.push(
        timed(what, () => {
          for (let at = seed; explorer.counts.images < samples && !explorer.isFull; at += 1) {
            exploreRandom(explorer, at, RANDOM_STEPS);
            progress(() => `${what}: ${text(explorer.counts)}`);
          }
          return explorer;
        }),
      );
    }
  }
  if (bitFlips > 0) {
    const what = `single bits of ${bitFlips} bytes`;
    results.push(
      timed(what, () => {
        const log = makeFlipLog(bitFlips, crc32c);
        const counts = makeFlipCounts(bitFlips);
        for (
          let from = 0;
          from < bitFlips * 8 && counts.violations.length < VIOLATIONS_MAX;
          from += FLIPS_AT_ONCE
        ) {
          flipBits(log, from, Math.min(bitFlips * 8, from + FLIPS_AT_ONCE), crc32c, counts);
          progress(() => `${what}: ${counts.flips} of ${bitFlips * 8}`);
        }
        const { violations, ...rest } = counts;
        return { counts: rest, violations };
      }),
    );
  }
  if (machine !== null) {
    const began = performance.now();
    const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
    const { violations, ...counts } = await cutPower({ machine, rounds, seed, onProgress });
    const seconds = Math.round((performance.now() - began) / 1000);
    results.push({ what: 'power cuts on persistent memory', seconds, cpuSeconds: 0, counts, violations });
  }
  report(results, seed, json);
  return results.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

function report(results: readonly Result[], seed: number, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ seed, results })}\n`);
    return;
  }
  for (const { what, seconds, cpuSeconds, counts, violations } of results) {
    process.stdout.write(
      `${what}: ${JSON.stringify(counts)} in ${seconds} s (${cpuSeconds} s of CPU), ${violations.length} violations\n`,
    );
    for (const violation of violations) {
      process.stdout.write(
        typeof violation === 'string' ? `  ${violation}\n` : `${JSON.stringify(violation, null, 2)}\n`,
      );
    }
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof RangeError)) throw error;
  process.stderr.write(`${error.message}\n${USAGE}\n`);
  process.exitCode = 2;
}
