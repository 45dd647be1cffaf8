#!/usr/bin/env node
/** The `synod` command. */

import { processOutput, whenTaken } from './output.js';
import { EXIT_FAILED, EXIT_OK, run } from './run.js';

/** Everything is closed by now; what may remain is lines of a log that nobody reads, or a replica that was given up while it opened. */
const LINGER_MS = 2000;

/** What these are for is what they print. The code of the others says what became of a change. */
const printers: ReadonlySet<string | undefined> = new Set(['log', 'checkpoint', 'replay', 'status']);

const args = process.argv.slice(2);
const output = processOutput();
process.exitCode = await run(args, output);
await whenTaken(process.stdout);
if (output.failure !== null) {
  output.error(`synod: not all of it could be printed: ${output.failure.message}`);
  if (process.exitCode === EXIT_OK && printers.has(args[0])) process.exitCode = EXIT_FAILED;
}
setTimeout(() => process.exit(), LINGER_MS).unref();
