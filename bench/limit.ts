/** `npm run bench:limit`: the bytes of a cluster moved by a bare C++ loop, without consensus. */

import { tmpdir } from 'node:os';
import { readArguments } from './arguments.js';
import { machineLabel } from './label.js';
import { runLimit } from './limit-run.js';

const { json, dir, ...values } = readArguments('bench:limit', {
  storage: { kind: 'word', value: 'pmem', words: ['pmem', 'file', 'uring'] },
  size: { kind: 'number', value: 64, min: 1, max: 1024 * 1024 },
  outstanding: { kind: 'number', value: 10_000, min: 1, max: 10_000_000 },
  seconds: { kind: 'number', value: 3, min: 0.1, max: 600 },
  replicas: { kind: 'number', value: 3, min: 1, max: 7 },
  dir: { kind: 'text', value: '' },
  json: { kind: 'flag' },
});
const place = dir !== '' ? dir : values.storage === 'pmem' ? '/dev/shm' : tmpdir();
const result = await runLimit({ ...values, dir: place });
const label = {
  payload: `${values.size} B`,
  outstanding: values.outstanding,
  storage: `${values.storage} in ${place}`,
  topology: `${values.replicas} processes of C++ on one machine, load in the first one, no consensus`,
  ...machineLabel(),
};
if (json) process.stdout.write(`${JSON.stringify({ ...result, label })}\n`);
else {
  const { p50, p99, max } = result.latencyUs;
  process.stdout.write(
    [
      `${result.opsPerSecond.toLocaleString('en')} commands/s, ${result.commandsPerBatch} per batch`,
      `latency us: p50 ${p50}  p99 ${p99}  max ${max}`,
      ...Object.entries(label).map(([key, value]) => `  ${key}: ${value}`),
      '',
    ].join('\n'),
  );
}
