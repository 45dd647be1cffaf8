/**
 * Throughput and latency of a cluster of replica processes on this machine, with the load inside the primary's process.
 *
 *     npm run bench:cluster -- --storage pmem --size 64 --outstanding 10000 --seconds 5
 *
 * Every figure is printed with its conditions. `--json` prints one object on standard output.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, release, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { StorageOption, TransportOption } from 'synod';
import type { LoadResult, ReplicaCommand, ReplicaReport, ReplicaSettings } from './replica-process.js';

const { values } = parseArgs({
  options: {
    storage: { type: 'string', default: 'pmem' },
    transport: { type: 'string', default: 'auto' },
    engine: { type: 'string', default: 'worker' },
    size: { type: 'string', default: '64' },
    outstanding: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '1' },
    replicas: { type: 'string', default: '3' },
    dir: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const replicaCount = Number(values.replicas);
const onMemory = values.storage === 'pmem' && values.dir === undefined;
const root = mkdtempSync(path.join(values.dir ?? (onMemory ? '/dev/shm' : tmpdir()), 'synod-bench-'));
const children: ChildProcess[] = [];

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function ask<Kind extends ReplicaReport['kind']>(
  child: ChildProcess,
  command: ReplicaCommand,
  kind: Kind,
): Promise<Extract<ReplicaReport, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`replica process ended with ${code}`));
    const onMessage = (report: ReplicaReport): void => {
      if (report.kind === 'failed') reject(new Error(report.message));
      if (report.kind !== kind) return;
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(report as Extract<ReplicaReport, { kind: Kind }>);
    };
    child.on('message', onMessage);
    child.once('exit', onExit);
    child.send(command);
  });
}

async function main(): Promise<void> {
  const ids = Array.from({ length: replicaCount }, (_, index) => `r${index + 1}`);
  const members: { id: string; address: string }[] = [];
  for (const id of ids) members.push({ id, address: `127.0.0.1:${await freePort()}` });
  const file = fileURLToPath(new URL('./replica-process.js', import.meta.url));
  await Promise.all(
    ids.map(async (id) => {
      const child = fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      children.push(child);
      const settings: ReplicaSettings = {
        cluster: 'bench',
        replica: id,
        members,
        dataDir: path.join(root, id),
        storage: { kind: values.storage as StorageOption, allowVolatile: true },
        transport: { kind: values.transport as TransportOption },
        engine: values.engine as ReplicaSettings['engine'],
      };
      await ask(child, { kind: 'open', settings }, 'opened');
    }),
  );
  let primary: ChildProcess | undefined;
  for (let attempt = 0; primary === undefined; attempt += 1) {
    if (attempt > 100) throw new Error('no primary within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const child of children) {
      if ((await ask(child, { kind: 'status' }, 'status')).status.role === 'primary') primary = child;
    }
  }
  const load = (seconds: number): ReplicaCommand => ({
    kind: 'load',
    size: Number(values.size),
    outstanding: Number(values.outstanding),
    seconds,
  });
  if (Number(values.warmup) > 0) await ask(primary, load(Number(values.warmup)), 'loaded');
  const cpuBefore = await Promise.all(children.map((child) => ask(child, { kind: 'usage' }, 'usage')));
  const { result } = await ask(primary, load(Number(values.seconds)), 'loaded');
  const cpuAfter = await Promise.all(children.map((child) => ask(child, { kind: 'usage' }, 'usage')));
  const { status } = await ask(primary, { kind: 'status' }, 'status');
  report(
    result,
    status,
    cpuAfter.map((after, index) => after.cpuSeconds - cpuBefore[index]!.cpuSeconds),
  );
  // They end by themselves once they are closed: profilers write their files then.
  const ended = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
  await Promise.all(children.map((child) => ask(child, { kind: 'close' }, 'closed')));
  await Promise.race([Promise.all(ended), new Promise((resolve) => setTimeout(resolve, 5000))]);
}

function report(
  result: LoadResult,
  status: Extract<ReplicaReport, { kind: 'status' }>['status'],
  cpuSeconds: number[],
): void {
  const label = {
    payload: `${values.size} B`,
    outstanding: Number(values.outstanding),
    durability: status.storage.durable ? 'durable' : 'VOLATILE',
    storage: status.storage.reason,
    transport: status.transport.reason,
    topology: `${replicaCount} replica processes on one machine, load in the primary's process, a promise per command`,
    engine: values.engine,
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? '?'}`,
    kernel: release(),
    node: process.version,
  };
  const millions = result.commands / 1e6;
  const figures = {
    opsPerSecond: Math.round(result.commands / result.seconds),
    latencyUs: result.latencyUs,
    bytesCopied: status.bytesCopied,
    bytesLogged: status.bytesLogged,
    commandsPerDecree: result.commands / Math.max(1, result.decrees),
    cpuSecondsPerMillion: cpuSeconds.map((seconds) => seconds / millions),
    label,
  };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return;
  }
  const { p50, p90, p99, p999, max } = figures.latencyUs;
  const round = (value: number): string => value.toFixed(0);
  process.stdout.write(
    [
      `${figures.opsPerSecond.toLocaleString('en')} commands/s`,
      `latency us: p50 ${round(p50)}  p90 ${round(p90)}  p99 ${round(p99)}  p99.9 ${round(p999)}  max ${round(max)}`,
      `${figures.commandsPerDecree.toFixed(1)} commands per decree, bytes copied / logged ${(figures.bytesCopied / figures.bytesLogged).toFixed(3)}`,
      `CPU seconds per million commands and process: ${figures.cpuSecondsPerMillion.map((one) => one.toFixed(2)).join('  ')}`,
      ...Object.entries(label).map(([key, value]) => `  ${key}: ${value}`),
      '',
    ].join('\n'),
  );
}

try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
}
