/** `npm run bench:native`: C++ microbenchmarks of log media, io_uring and hand-overs between threads. */

import { tmpdir } from 'node:os';
import { readArguments } from './arguments.js';
import { buildNative, runNative } from './native-program.js';

const { dir, json, quick } = readArguments('bench:native', {
  dir: { kind: 'text', value: tmpdir() },
  quick: { kind: 'flag' },
  json: { kind: 'flag' },
});
const flags = [...(json ? ['--json'] : []), ...(quick ? ['--quick'] : [])];
process.stdout.write(await runNative(buildNative('media_bench'), ['--dir', dir, ...flags]));
