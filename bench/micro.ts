/** `npm run bench`: the microbenchmarks, cross-checked on one case by a loop of its own. */

import { readArguments } from './arguments.js';
import { machineLabel } from './label.js';
import { makeCases } from './micro-cases.js';
import { type Case, type CaseResult, measure, timePlainly } from './suite.js';

const { json, only, seconds } = readArguments('bench', {
  seconds: { kind: 'number', value: 1, min: 0.01, max: 60 },
  only: { kind: 'text', value: '' },
  json: { kind: 'flag' },
});

/** The quickest of each way to measure one case are at most this far apart, on a machine that others use too. */
const FACTOR_MAX = 3;
const ATTEMPTS = 6;
const CROSS_CHECKED = 'checksum, portable, 1024 B';

/** Throws where the two ways do not come together in several attempts, each longer than the one before. */
async function crossCheck(one: Case): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const time = attempt * Math.max(seconds, 0.1);
    const { nsLeast } = await measure(one, time);
    const plain = timePlainly(one.run, time);
    const factor = nsLeast / plain;
    if (factor <= FACTOR_MAX && factor >= 1 / FACTOR_MAX) {
      process.stderr.write(`cross-check: ${factor.toFixed(2)} times what a plain loop takes at best\n`);
      return;
    }
    if (attempt === ATTEMPTS) throw new Error(`${one.name}: ${nsLeast} ns, but ${plain} ns by a plain loop`);
  }
}

const results: CaseResult[] = [];
const { cases, close } = await makeCases();
try {
  const chosen = cases.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) {
    process.stderr.write(`no case has "${only}" in its name\n`);
    process.exitCode = 2;
  }
  for (const [index, one] of chosen.entries()) {
    process.stderr.write(`${index + 1} of ${chosen.length}: ${one.name}\n`);
    results.push(await measure(one, seconds));
  }
  const checked = chosen.find(({ name }) => name === CROSS_CHECKED);
  if (checked !== undefined) await crossCheck(checked);
} finally {
  await close();
}
const label = machineLabel();
if (json) process.stdout.write(`${JSON.stringify({ results, label })}\n`);
else if (results.length > 0) {
  for (const { name, unit, nsPerOperation, marginPercent } of results) {
    const time =
      nsPerOperation >= 1e6 ? `${(nsPerOperation / 1e3).toFixed(0)} us` : `${nsPerOperation.toFixed(1)} ns`;
    process.stdout.write(
      `${name.padEnd(66)} ${time.padStart(12)} per ${unit}  (± ${marginPercent.toFixed(1)} %)\n`,
    );
  }
  for (const [key, value] of Object.entries(label)) process.stdout.write(`  ${key}: ${value}\n`);
}
process.exit();
