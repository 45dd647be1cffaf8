/** An address whose dials hang: a stopped process that listens with the smallest backlog and never accepts. */

import { spawn } from 'node:child_process';
import type { Address } from '../../src/transport/transport.js';

const SCRIPT = `
const server = require('node:net').createServer(() => {});
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  process.stdout.write(server.address().port + '\\n', () => process.kill(process.pid, 'SIGSTOP'));
});
`;

export async function silentListener(): Promise<{ address: Address; dials: number; stop(): void }> {
  const child = spawn(process.execPath, ['-e', SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(Number(data.toString())));
    child.once('exit', () => reject(new Error('the silent listener ended')));
  });
  // The backlog takes two; the kernel drops what comes after.
  return { address: { host: '127.0.0.1', port }, dials: 12, stop: () => void child.kill('SIGKILL') };
}
