#!/usr/bin/env node
/** The `synod` command. */

import { processOutput, whenTaken } from './output.js';
import { run } from './run.js';

/** Everything is closed by now; what may remain is lines of a log that nobody reads, or a replica that was given up while it opened. */
const LINGER_MS = 2000;

process.exitCode = await run(process.argv.slice(2), processOutput());
await whenTaken(process.stdout);
setTimeout(() => process.exit(), LINGER_MS).unref();
