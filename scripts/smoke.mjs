/**
 * What a newcomer does on the first day, done by a script: `npm start`, redis-cli and redis-benchmark against each
 * replica, `kill -9` of the primary, the printed command to start it again, Ctrl-C. Needs redis-tools.
 *
 *   node scripts/smoke.mjs [--requests N] [-- ARGUMENT-OF-CLUSTER...]
 *
 * Prints one line for each check and, last, "N passed, N failed". Exit code 0 when nothing failed.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const main = path.join(root, 'dist/cli/main.js');
const separator = process.argv.indexOf('--');
const own = process.argv.slice(2, separator < 0 ? undefined : separator);
const passedOn = separator < 0 ? [] : process.argv.slice(separator + 1);
const requests = own[0] === '--requests' ? Number(own[1]) : 20_000;

const START_MS = 180_000;
const STEP_MS = 120_000;
const RECOVER_MS = 30_000;

let passed = 0;
let failed = 0;

async function check(name, body) {
  const began = performance.now();
  try {
    const note = await body();
    passed += 1;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    process.stdout.write(`ok    ${name} (${seconds} s)${typeof note === 'string' ? `: ${note}` : ''}\n`);
    return true;
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAIL  ${name}: ${error.message}\n`);
    return false;
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

function redis(port, ...args) {
  const result = spawnSync('redis-cli', ['-p', String(port), ...args], {
    encoding: 'utf8',
    timeout: STEP_MS,
  });
  if (result.error !== undefined) throw result.error;
  return `${result.stdout}${result.stderr}`.trim();
}

function status(port) {
  const result = spawnSync(process.execPath, [main, 'status', '--port', String(port)], {
    encoding: 'utf8',
    timeout: STEP_MS,
  });
  return result.status === 0 ? JSON.parse(result.stdout) : null;
}

async function until(what, timeoutMs, probe) {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found) return found;
    expect(performance.now() < end, `${what} did not come true within ${timeoutMs} ms`);
    await delay(50);
  }
}

async function isFree(port) {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** A port P such that P to P+2 and P+700 to P+702 are free. */
async function findPort() {
  for (let port = 16_401; port < 30_000; port += 10) {
    const wanted = [0, 1, 2, 700, 701, 702].map((offset) => port + offset);
    const free = await Promise.all(wanted.map(isFree));
    if (free.every(Boolean)) return port;
  }
  throw new Error('no free ports');
}

/** The rows of the table that `synod cluster` prints. */
function readTable(text) {
  const rows = [...text.matchAll(/^ {2}([a-g]) +(\S+) +(\d+) +127\.0\.0\.1:(\d+) +127\.0\.0\.1:(\d+) /gm)];
  return rows.map(([, id, role, pid, kv]) => ({ id, role, pid: Number(pid), kv: Number(kv) }));
}

const folder = mkdtempSync(path.join(tmpdir(), 'synod-smoke-'));
const base = await findPort();
const ports = [base, base + 1, base + 2];
// A process group of its own, so that Ctrl-C can be sent as a terminal sends it: to npm and to all below it.
const npm = spawn('npm', ['start', '--', '--dir', folder, '--port', String(base), ...passedOn], {
  cwd: root,
  detached: true,
  stdio: ['ignore', 'pipe', 'pipe'],
});
let printed = '';
for (const stream of [npm.stdout, npm.stderr])
  stream.setEncoding('utf8').on('data', (text) => (printed += text));
const ended = once(npm, 'exit');
let npmEnded = false;
void ended.then(() => (npmEnded = true));
let again = null;

async function run() {
  const up = await check('npm start shows a primary and where to connect', async () => {
    await until('"Ctrl-C closes the cluster"', START_MS, () => {
      expect(!npmEnded, `it ended:\n${printed}`);
      return printed.includes('Ctrl-C closes the cluster');
    });
    const table = readTable(printed);
    expect(table.length === 3, `not three rows:\n${printed}`);
    expect(table.filter((row) => row.role === 'primary').length === 1, `not one primary:\n${printed}`);
    return /^ {2}storage .*$/m.exec(printed)?.[0].trim();
  });
  if (!up) return;
  const table = readTable(printed);
  const primary = table.find((row) => row.role === 'primary');

  await check('redis-cli writes to and reads from each replica', () => {
    for (const port of ports)
      expect(redis(port, 'SET', `key:${port}`, `value ${port}`) === 'OK', `SET at ${port}`);
    for (const port of ports) {
      for (const key of ports)
        expect(redis(port, 'GET', `key:${key}`) === `value ${key}`, `GET key:${key} at ${port}`);
    }
  });
  for (const port of ports) {
    await check(`redis-benchmark at ${port}`, () => {
      const args = ['-p', port, '-t', 'set,get,incr', '-n', requests, '-P', 16, '-c', 50, '-q', '--csv'];
      const result = spawnSync('redis-benchmark', args.map(String), { encoding: 'utf8', timeout: STEP_MS });
      expect(result.status === 0, `exit code ${result.status}: ${result.stderr}`);
      const figures = [...result.stdout.matchAll(/^"(SET|GET|INCR)","([0-9.]+)"/gm)].map(
        (match) => `${match[1]} ${match[2]}/s`,
      );
      expect(figures.length === 3, `not three results: ${result.stdout}${result.stderr}`);
      return figures.join(', ');
    });
  }
  await check('synod status prints one JSON object with every field', () => {
    const report = status(base);
    expect(report !== null, 'no status');
    const fields =
      'replica role primary ballot chosen applied stateDigest storage transport peers bytesCopied bytesLogged';
    for (const field of fields.split(' ')) expect(field in report, `${field} is missing`);
    expect(report.primary === primary.id, `${report.primary} is primary, not ${primary.id}`);
  });

  const others = table.filter((row) => row.id !== primary.id);
  await check('writes go on after kill -9 of the primary, and nothing acknowledged is lost', async () => {
    process.kill(primary.pid, 'SIGKILL');
    const began = performance.now();
    await until(
      'a write at another replica',
      RECOVER_MS,
      () => redis(others[0].kv, 'SET', 'after', 'kill') === 'OK',
    );
    const ms = Math.round(performance.now() - began);
    for (const { kv } of others) {
      expect(redis(kv, 'GET', 'after') === 'kill', `the write after the kill at ${kv}`);
      for (const key of ports)
        expect(redis(kv, 'GET', `key:${key}`) === `value ${key}`, `key:${key} at ${kv}`);
    }
    return `next write after ${ms} ms`;
  });
  await check('the command that is printed starts it again, and it catches up', async () => {
    const command = await until(
      'the printed command',
      RECOVER_MS,
      () =>
        new RegExp(`^.* ${primary.id} was ended by SIGKILL\\. To start it again: (.*)$`, 'm').exec(
          printed,
        )?.[1],
    );
    const [, ...args] = command.split(' ');
    again = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    again.stderr.setEncoding('utf8').on('data', (text) => (log += text));
    const endedAgain = once(again, 'exit');
    const reports = await until('the same state everywhere', RECOVER_MS, () => {
      expect(again.exitCode === null, `it ended:\n${log}`);
      const all = ports.map(status);
      return (
        all.every(
          (report) =>
            report !== null &&
            report.applied === all[0]?.applied &&
            report.stateDigest === all[0].stateDigest,
        ) && all
      );
    });
    await until(`"${primary.id} is up again"`, RECOVER_MS, () =>
      printed.includes(`${primary.id} is up again`),
    );
    // Another process than npm's: it gets its own SIGTERM, and a clean end is part of the check.
    again.kill('SIGTERM');
    const [code] = await endedAgain;
    expect(code === 0, `after SIGTERM it exited with ${code}:\n${log}`);
    return `${reports[0].applied} slots applied on each`;
  });
  await check('Ctrl-C closes everything, exit code 0', async () => {
    process.kill(-npm.pid, 'SIGINT');
    const winner = await Promise.race([ended, delay(RECOVER_MS, null)]);
    expect(winner !== null, 'it still runs');
    expect(winner[0] === 0, `exit code ${winner[0]}, signal ${winner[1]}:\n${printed.slice(-2000)}`);
    for (const port of ports) expect(await isFree(port), `port ${port} is still in use`);
  });
}

try {
  await run();
} finally {
  again?.kill('SIGKILL');
  if (!npmEnded) {
    try {
      process.kill(-npm.pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
    await ended;
  }
  // The replicas have process groups of their own, and end with what started them; unless they hang.
  for (const { pid } of readTable(printed)) {
    const isReplica =
      existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
    if (isReplica && failed > 0) process.kill(pid, 'SIGKILL');
  }
  if (failed > 0) {
    process.stdout.write(`--- what npm start printed\n${printed}\n`);
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.log'))) {
      const lines = readFileSync(path.join(folder, name), 'utf8').trimEnd().split('\n').slice(-20);
      process.stdout.write(`--- the end of ${name}\n${lines.join('\n')}\n`);
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
