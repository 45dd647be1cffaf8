/** `npm run torture`: see `arguments.ts` for what it takes. */

import { parseTorture, UsageError, usage } from './arguments.js';
import { faultKinds } from './faults/all.js';
import { probeMachine } from './machine.js';
import { reportOf } from './report.js';
import { Torture } from './torture.js';

const say = (line: string): void => {
  process.stderr.write(`torture: ${line}\n`);
};

async function main(): Promise<number> {
  const options = parseTorture(
    process.argv.slice(2),
    faultKinds.map(({ kind }) => kind),
    () => Math.floor(Math.random() * 0x7fff_ffff),
  );
  if (options === null) {
    process.stdout.write(usage);
    return 0;
  }
  say(`seed ${options.seed}`);
  const torture = new Torture(options, await probeMachine(options), say);
  process.on('exit', () => torture.disposeNow());
  let interrupts = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupts += 1;
      say(`${signal}: ending`);
      torture.interrupt();
      // Whatever hangs: a second later everything that was made goes away with this process.
      if (interrupts === 1) setTimeout(() => process.exit(1), 1000).unref();
    });
  }
  const summary = await torture.run();
  const text = options.json ? `${JSON.stringify(summary)}\n` : reportOf(summary);
  await new Promise((resolve) => process.stdout.write(text, resolve));
  return summary.violations.length > 0 || interrupts > 0 ? 1 : 0;
}

try {
  const code = await main();
  // Not left to an empty loop: Node.js waits for ever for a socket whose reset failed.
  process.exit(code);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  say(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
