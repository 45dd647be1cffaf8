#!/usr/bin/env node
/** The `synod` command. */

import { processOutput } from './output.js';
import { run } from './run.js';

/** Everything is closed by now; what may remain is output that a slow reader has not taken. */
const LINGER_MS = 2000;

process.exitCode = await run(process.argv.slice(2), processOutput());
setTimeout(() => process.exit(), LINGER_MS).unref();
