/**
 * What contracts cost: `npm run bench:contracts`. Two builds of src/, one without contracts, run the same load in one process, by
 * turns, so that whatever else the machine does meets both.
 */

import path from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster, loadBuild } from './cluster.js';

const usage = 'usage: npm run bench:contracts -- [--rounds N] [--decrees N] [--json]\n';
const WITHOUT = 'dist.without-contracts';

interface Result {
  readonly load: string;
  /** Microseconds of processor time for a decree, all three replicas together: of the quickest quarter of the rounds. */
  readonly withContracts: number;
  readonly withoutContracts: number;
  /** Of the two. */
  readonly ratio: number;
  /** What the rounds say one by one: the middle half. */
  readonly ratioLow: number;
  readonly ratioHigh: number;
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * part)]!;
}

function readArguments(): { rounds: number; decrees: number; json: boolean } | null {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '101' },
        decrees: { type: 'string', default: '2000' },
        json: { type: 'boolean', default: false },
      },
    });
    const rounds = Number(values.rounds);
    const decrees = Number(values.decrees);
    const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
    if (!isCount(rounds) || !isCount(decrees)) throw new Error('--rounds and --decrees are numbers from 1');
    return { rounds, decrees, json: values.json };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    return null;
  }
}

function measure(load: string, clusters: readonly Cluster[], rounds: number, decrees: number): Result {
  const times: number[][] = [[], []];
  const timeOf = (index: number): number => {
    const began = process.cpuUsage();
    clusters[index]!.run(decrees);
    const { user, system } = process.cpuUsage(began);
    return (user + system) / decrees;
  };
  // The compiler of the engine has to have seen both.
  for (let round = 0; round < 5; round += 1) for (const index of [0, 1]) timeOf(index);
  for (let round = 0; round < rounds; round += 1) {
    // By turns, and each first as often as the other.
    for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) times[index]!.push(timeOf(index));
    if (process.stderr.isTTY) process.stderr.write(`\r${load}: round ${round + 1} of ${rounds} `);
  }
  if (process.stderr.isTTY) process.stderr.write('\n');
  const ratios = times[0]!.map((time, round) => time / times[1]![round]!);
  const [withContracts, withoutContracts] = times.map((some) => quantile(some, 0.25)) as [number, number];
  return {
    load,
    withContracts,
    withoutContracts,
    ratio: withContracts / withoutContracts,
    ratioLow: quantile(ratios, 0.25),
    ratioHigh: quantile(ratios, 0.75),
  };
}

async function main(): Promise<number> {
  const chosen = readArguments();
  if (chosen === null) return 2;
  const builds = [await loadBuild(path.resolve('dist')), await loadBuild(path.resolve(WITHOUT))];
  if (!builds[0]!.hasContracts || builds[1]!.hasContracts)
    throw new Error('dist/ or the other build is not what it should be');
  const results: Result[] = [];
  for (const withFrames of [false, true]) {
    const clusters = builds.map((build) => new Cluster(build, withFrames));
    const load = withFrames ? 'protocol, frames and record headers' : 'protocol';
    // Rounds of about the same length.
    results.push(measure(load, clusters, chosen.rounds, chosen.decrees * (withFrames ? 1 : 8)));
  }
  if (chosen.json) process.stdout.write(`${JSON.stringify({ node: process.version, ...chosen, results })}\n`);
  else {
    for (const { load, withContracts, withoutContracts, ratio, ratioLow, ratioHigh } of results) {
      process.stdout.write(
        `${load}: ${withContracts.toFixed(2)} µs a decree with contracts, ${withoutContracts.toFixed(2)} µs without: ` +
          `${ratio.toFixed(3)} times (middle half of ${chosen.rounds} rounds: ${ratioLow.toFixed(3)} to ${ratioHigh.toFixed(3)})\n`,
      );
    }
  }
  return 0;
}

process.exitCode = await main();
