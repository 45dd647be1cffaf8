/**
 * The runs of `cluster.test.ts` without vitest: `node scripts/tool.mjs properties --seeds N [--seed FIRST]
 * [--agreement-only] [--json]`. Stops at the first seed that breaks something.
 */

import { parseArgs } from 'node:util';
import { ContractViolation } from '../../src/contracts.js';
import { Violation } from './checker.js';
import { runSeed } from './world.js';

interface Finding {
  readonly seed: number;
  /** The property, or the contract. */
  readonly name: string;
  readonly by: 'property' | 'contract';
  readonly message: string;
}

const usage = 'usage: properties --seeds N [--seed FIRST] [--agreement-only] [--json]';

/** The first seed that breaks something. An error that is neither a violation nor a broken contract is thrown. */
function findViolation(first: number, count: number, agreementOnly: boolean): Finding | null {
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      runSeed(seed, { agreementOnly });
    } catch (error) {
      if (error instanceof Violation) {
        // What is lost besides agreement is not what this run is for.
        if (agreementOnly && error.property !== 'one-value-per-slot') continue;
        return { seed, name: error.property, by: 'property', message: error.message };
      }
      if (!(error instanceof ContractViolation)) throw error;
      // A contract that breaks fences the replica: that alone is no disagreement.
      if (agreementOnly) continue;
      return { seed, name: error.contract, by: 'contract', message: error.message };
    }
  }
  return null;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      'agreement-only': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const count = Number(values.seeds);
  const first = Number(values.seed);
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(first) || first < 0)
    throw new TypeError('--seeds and --seed take whole numbers');
  const finding = findViolation(first, count, values['agreement-only']);
  const seeds = finding === null ? count : finding.seed - first + 1;
  if (values.json) process.stdout.write(`${JSON.stringify({ seeds, finding })}\n`);
  else if (finding === null) process.stdout.write(`${seeds} seeds, nothing found\n`);
  else process.stdout.write(`seed ${finding.seed}: ${finding.message}\n`);
  process.exitCode = finding === null ? 0 : 1;
}

try {
  main();
} catch (error) {
  if (!(error instanceof TypeError) || !('code' in error || error.message.startsWith('--'))) throw error;
  process.stderr.write(`${error.message}\n${usage}\n`);
  process.exitCode = 2;
}
