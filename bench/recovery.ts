/** `npm run bench:recovery`: how long a replica that was killed takes until it serves again, by `recovery-run.ts`. */

import { readArguments } from './arguments.js';
import { median } from './figures.js';
import { measureRecovery } from './recovery-run.js';

const { json, ...settings } = readArguments('bench:recovery', {
  storage: { kind: 'word', value: 'pmem', words: ['pmem', 'uring', 'file'] },
  gigabytes: { kind: 'number', value: 1, min: 0.001, max: 100 },
  size: { kind: 'number', value: 64, min: 1, max: 65_536 },
  runs: { kind: 'number', value: 3, min: 1, max: 101 },
  dir: { kind: 'text', value: '' },
  json: { kind: 'flag' },
});

const tell = (line: string): void => void process.stderr.write(`${line}\n`);
const measured = await measureRecovery(settings, tell);
const { bytesLogged, commands, servingSeconds, label } = measured;
const secondsToServing = median(servingSeconds);
const secondsToOpen = median(measured.openedSeconds);
process.stdout.write(
  json
    ? `${JSON.stringify({ secondsToServing, secondsToOpen, runs: servingSeconds, bytesLogged, commands, label })}\n`
    : [
        `${secondsToServing.toFixed(2)} s to serving, ${secondsToOpen.toFixed(2)} s of them until the log is recovered`,
        `${(bytesLogged / 1e9).toFixed(2)} GB of log, ${commands.toLocaleString('en')} commands executed again`,
        ...Object.entries(label).map(([key, value]) => `  ${key}: ${value}`),
        '',
      ].join('\n'),
);
