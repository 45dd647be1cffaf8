/** Runs the simulator up to the first violation: `node simulate.js COUNT MODE READS` from seed 1 on. Prints one object. */

import { runSeed } from '../simulation/run.js';

const [count = '', mode = '', reads = ''] = process.argv.slice(2);

let seed = 1;
let finding: { readonly seed: number; readonly name: string; readonly message: string } | null = null;
for (; seed <= Number(count) && finding === null; seed += 1) {
  const { violation } = runSeed(seed, mode === 'unbounded' ? 'unbounded' : 'recoverable', Number(reads));
  if (violation !== null) finding = { seed, name: violation.invariant, message: violation.detail };
}
process.stdout.write(`${JSON.stringify({ seeds: seed - 1, finding })}\n`);
process.exitCode = finding === null ? 0 : 1;
