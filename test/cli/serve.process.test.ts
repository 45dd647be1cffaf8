/** Aim: one replica in the foreground starts, says so, closes cleanly when told, and fails with the right exit code. */

import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, endAll, freePorts, isFree, start } from './processes.js';

let folder: string;
let kvPort: number;
let configPath: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'synod-serve-'));
  const [peers, kv] = await freePorts(2);
  kvPort = kv!;
  configPath = join(folder, 'a.json');
  await write({
    cluster: 'demo',
    replica: 'a',
    members: [{ id: 'a', address: `127.0.0.1:${peers}` }],
    dataDir: 'a',
    storage: { kind: 'file', segmentBytes: 1048576 },
    kv: { listen: `127.0.0.1:${kv}` },
  });
});
afterEach(async () => {
  await endAll();
  await rm(folder, { recursive: true, force: true });
});

let config: Record<string, unknown>;
async function write(change: Record<string, unknown>): Promise<void> {
  config = { ...config, ...change };
  await writeFile(configPath, JSON.stringify(config));
}

const serve = (...more: string[]) => start(['serve', '--config', configPath, ...more], { cwd: folder });

/** Stopped meanwhile, it gets both before it can act on the first. Of two kinds, since two of one kind would be one. */
function sendTogether(child: ChildProcess, ...signals: NodeJS.Signals[]): void {
  child.kill('SIGSTOP');
  for (const signal of signals) child.kill(signal);
  child.kill('SIGCONT');
}

describe('synod serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'serves until %s, closes cleanly, and goes on with its data',
    async (signal) => {
      const first = serve();
      await first.until(/"event":"serving"/);
      expect(await ask(kvPort, 'SET key value')).toBe('+OK');
      first.child.kill(signal);
      expect(await first.exit).toEqual({ code: 0, signal: null });
      expect(await isFree(kvPort)).toBe(true);

      const second = serve();
      await second.until(/"event":"serving"/);
      expect(await ask(kvPort, 'GET key')).toBe('value');
      second.child.kill(signal);
      expect(await second.exit).toEqual({ code: 0, signal: null });
    },
  );

  it('logs one line of JSON for each event, on standard error', async () => {
    const run = serve('--log-level', 'debug');
    await run.until(/"event":"serving"/);
    run.child.kill('SIGTERM');
    await run.exit;
    const lines = run.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const line of lines)
      expect(line).toMatchObject({ time: expect.any(String), level: expect.any(String), replica: 'a' });
    const events = lines.map((line) => line.event);
    expect(events.indexOf('serving')).toBeLessThan(events.indexOf('closing'));
    expect(events.at(-1)).toBe('closed');
    expect(run.stdout).toBe('');
  });

  it('answers synod status by port and by configuration', async () => {
    const run = serve();
    await run.until(/"event":"serving"/);
    // Answered by the primary, so there is one.
    expect(await ask(kvPort, 'PING')).toBe('+PONG');
    expect(await ask(kvPort, 'SET key value')).toBe('+OK');
    for (const args of [
      ['--port', String(kvPort)],
      ['--config', configPath],
    ]) {
      const status = start(['status', ...args], { cwd: folder });
      expect(await status.exit).toEqual({ code: 0, signal: null });
      expect(JSON.parse(status.stdout)).toMatchObject({
        replica: 'a',
        role: 'primary',
        primary: 'a',
        ballot: expect.anything(),
        chosen: expect.any(Number),
        applied: expect.any(Number),
        stateDigest: expect.any(String),
        storage: { kind: 'file', reason: expect.any(String) },
        transport: { kind: expect.any(String), reason: expect.any(String) },
        peers: [],
        bytesCopied: expect.any(Number),
        bytesLogged: expect.any(Number),
      });
    }
  });

  it('exits at once at a second signal', async () => {
    const run = serve();
    await run.until(/"event":"serving"/);
    sendTogether(run.child, 'SIGINT', 'SIGTERM');
    expect([130, 143]).toContain((await run.exit).code);
  });

  it('under npm takes an echo of the first signal for what it is', async () => {
    const run = start(['serve', '--config', configPath], {
      cwd: folder,
      env: { ...process.env, npm_lifecycle_event: 'start' },
    });
    await run.until(/"event":"serving"/);
    sendTogether(run.child, 'SIGINT', 'SIGTERM');
    expect((await run.exit).code).toBe(0);
  });

  it('closes when standard input ends, if told so', async () => {
    const run = serve('--stop-with-stdin');
    await run.until(/"event":"serving"/);
    run.child.stdin!.end();
    expect(await run.exit).toEqual({ code: 0, signal: null });
  });

  it('does not care about standard input otherwise', async () => {
    const run = serve();
    run.child.stdin!.end();
    await run.until(/"event":"serving"/);
    expect(await ask(kvPort, 'PING')).toBe('+PONG');
  });

  it('exits with 2 and one line where the configuration is wrong', async () => {
    await write({ members: [{ id: 'a', address: 'nowhere' }] });
    const run = serve();
    expect(await run.exit).toEqual({ code: 2, signal: null });
    expect(run.stderr).toMatch(/^synod: .*a\.json: members\[0\]\.address: .*'nowhere'.*\n$/);
  });

  it('exits with 1 and one line where the port of the service is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(kvPort, '127.0.0.1', resolve));
    const run = serve();
    expect(await run.exit).toEqual({ code: 1, signal: null });
    expect(run.stderr.trimEnd().split('\n').at(-1)).toMatch(/^synod: .*ERR_SYNOD_LISTEN/);
    server.close();
  });

  it('exits with 1 where another process has the data directory', async () => {
    const first = serve();
    await first.until(/"event":"serving"/);
    const [peers, kv] = await freePorts(2);
    const path = join(folder, 'twin.json');
    const twin = {
      ...config,
      members: [{ id: 'a', address: `127.0.0.1:${peers}` }],
      kv: { listen: `127.0.0.1:${kv}` },
    };
    await writeFile(path, JSON.stringify(twin));
    const second = start(['serve', '--config', path], { cwd: folder });
    expect(await second.exit).toEqual({ code: 1, signal: null });
    expect(second.stderr).toMatch(/ERR_SYNOD_DATA_DIRECTORY/);
    expect(await ask(kvPort, 'PING')).toBe('+PONG');
  });
});
