/** Helpers for tests that run the compiled command line. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const mainPath: string = join(projectRoot(), 'dist/cli/main.js');

/** Of the project that this file is in, wherever it was compiled to. */
function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

export interface Run {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Resolves once a pattern is in what it has written, on either stream; rejects when it ends before. */
  until(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
}

const started = new Set<ChildProcess>();

/** This process's environment, without the mark that npm leaves: what is started here gets each signal once. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const { npm_lifecycle_event: _, ...environment } = process.env;
  return environment;
}

/** Starts `node dist/cli/main.js` with arguments. */
export function start(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Run {
  const child = spawn(process.execPath, [mainPath, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: options.cwd,
    env: options.env ?? plainEnvironment(),
  });
  started.add(child);
  const written = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
      for (const listener of listeners) listener();
    });
  }
  const exit = once(child, 'close').then(([code, signal]) => {
    started.delete(child);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  return {
    child,
    exit,
    get stdout() {
      return written.stdout;
    },
    get stderr() {
      return written.stderr;
    },
    until(pattern, timeoutMs = 60_000) {
      return new Promise((resolve, reject) => {
        const finish = (error: string | null, found?: RegExpExecArray): void => {
          listeners.delete(look);
          clearTimeout(timer);
          if (error === null) resolve(found!);
          else reject(new Error(`${error} before ${pattern}\n${written.stdout}\n${written.stderr}`));
        };
        const look = (): void => {
          const found = pattern.exec(`${written.stdout}\n${written.stderr}`);
          if (found !== null) finish(null, found);
        };
        const timer = setTimeout(() => finish(`${timeoutMs} ms passed`), timeoutMs);
        listeners.add(look);
        void exit.then(({ code, signal }) => {
          look();
          finish(`it ended (${code ?? signal})`);
        });
        look();
      });
    },
  };
}

/** Ends what a failed test left running. */
export async function endAll(): Promise<void> {
  const children = [...started];
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(
    children.map((child) =>
      child.exitCode === null && child.signalCode === null ? once(child, 'close') : null,
    ),
  );
}

export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** Distinct ports that nobody listens on now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(
    servers.map((server) => {
      server.close();
      return once(server, 'close');
    }),
  );
  return ports;
}

/** A port P such that the ports of a local cluster from P on are free. */
export async function freeClusterPort(replicas = 3): Promise<number> {
  // Below the range that the system draws ports from by itself, and apart from other test runs at the same time.
  for (let port = 12_000 + (process.pid % 800) * 20; port < 31_000; port += 20) {
    const wanted = Array.from({ length: replicas }, (_, index) => [port + index, port + 700 + index]).flat();
    if ((await Promise.all(wanted.map(isFree))).every(Boolean)) return port;
  }
  throw new Error('no free ports');
}

export async function untilTrue(
  what: string,
  probe: () => Promise<boolean> | boolean,
  timeoutMs = 30_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(20);
  }
}

/** Sends one inline command and yields the first line of the reply, or for a bulk string the second. */
export function ask(port: number, command: string, timeoutMs = 10_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: timeoutMs });
    let text = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${command}\r\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\r\n');
      const isBulk = /^\$\d/.test(lines[0]!);
      if (lines.length < (isBulk ? 3 : 2)) return;
      socket.destroy();
      resolve(lines[isBulk ? 1 : 0]!);
    });
    socket.on('timeout', () => socket.destroy(new Error(`no reply to ${command}`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed before a reply to ${command}`)));
  });
}
