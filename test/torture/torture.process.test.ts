/**
 * Aim: torture finds nothing where nothing is wrong, finds it where something is, and leaves nothing behind. Method: short
 * runs as commands; what is wrong is a storage that keeps nothing, and a build whose quorum is one.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { Summary } from './torture.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folders: string[] = [];
const children = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of children) {
    child.kill('SIGINT');
    await once(child, 'close');
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...words: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [join(root, 'scripts/tool.mjs'), 'torture', ...words], { cwd: root });
  children.add(child);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  const ended = once(child, 'close').then(([code]) => {
    children.delete(child);
    return { code: code as number | null, ...text };
  });
  return { child, ended };
}

async function summaryOf(
  ...words: string[]
): Promise<{ code: number | null; summary: Summary; stderr: string }> {
  const { code, stdout, stderr } = await start(...words, '--json').ended;
  expect(stdout, stderr).not.toBe('');
  const summary = JSON.parse(stdout) as Summary;
  if (summary.kept !== null) folders.push(summary.kept);
  return { code, summary, stderr };
}

/** What processes, mounts and namespaces of runs there are. */
function remains(pid: number): string[] {
  const found: string[] = [];
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const environment = readFileSync(`/proc/${name}/status`, 'utf8');
      if (new RegExp(`PPid:\\s+${pid}\\n`).test(environment)) found.push(`process ${name}`);
    } catch {
      // It has just ended.
    }
  }
  const spaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  for (const name of [...spaces, ...readdirSync('/sys/class/net')])
    if (name.startsWith(`syt${pid}x`)) found.push(name);
  return found;
}

const mounts = (): string[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes('synod-torture-'));

describe('torture', () => {
  it('finds nothing in a short run, and says what it did', async () => {
    const { code, summary, stderr } = await summaryOf(
      '--minutes',
      '0.5',
      '--seed',
      '11',
      '--partitions',
      'proxy',
    );
    expect(summary.violations, stderr).toEqual([]);
    expect(code).toBe(0);
    expect(summary.acknowledged).toBeGreaterThan(100);
    expect(summary.operations).toBe(summary.acknowledged + summary.unknown + summary.refused);
    expect(Object.values(summary.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    expect(summary.recoveryMs.count).toBeGreaterThan(0);
    expect(summary.epochs).toBeGreaterThan(0);
    expect(summary.kept).toBe(null);
  });

  it('finds that a storage that keeps nothing keeps nothing', async () => {
    const words = ['--minutes', '2', '--seed', '12', '--storage', 'memory', '--faults', 'kill-all'];
    const { code, summary } = await summaryOf(...words, '--replicas', '3', '--partitions', 'proxy');
    expect(code).toBe(1);
    expect(summary.violations.map(({ check }) => check)).toContain('linearizability');
    expect(summary.violations[0]!.lastFaults.map(({ what }) => what).join()).toContain('kill-all');
    expect(existsSync(summary.kept!)).toBe(true);
  });

  // It takes more than a minute, and what it is about is the same with and without the addon.
  const portable = process.env.SYNOD_NATIVE === '0';
  if (portable) console.log('two primaries are looked for in the run with the addon alone');
  it.skipIf(portable)('finds two primaries of a build whose quorum is one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'synod-planted-'));
    folders.push(folder);
    cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
    for (const name of ['package.json', 'node_modules', 'build'])
      symlinkSync(join(root, name), join(folder, name));
    const path = join(folder, 'dist/protocol/configuration.js');
    const sound = readFileSync(path, 'utf8');
    const planted = sound.replace('Math.floor(configuration.members.length / 2) + 1', '1');
    expect(planted).not.toBe(sound);
    writeFileSync(path, planted);
    const words = ['--minutes', '2', '--seed', '13', '--faults', 'isolate,split', '--replicas', '3'];
    const { code, summary } = await summaryOf(
      ...words,
      '--partitions',
      'proxy',
      '--program',
      join(folder, 'dist/cli/main.js'),
    );
    expect(code).toBe(1);
    expect(summary.violations.length).toBeGreaterThan(0);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing behind on %s', async (signal) => {
    const before = mounts();
    const { child, ended } = start('--minutes', '5', '--seed', '14');
    const pid = child.pid!;
    // Under way, with all that is made for a cluster. A fault may just have killed a part of it: then a little later.
    let most = 0;
    await new Promise<void>((resolve) => {
      child.stderr!.on('data', (chunk: string) => {
        if (/operations [1-9]/.test(chunk)) most = Math.max(most, remains(pid).length);
        if (most > 2) resolve();
      });
      void ended.then(() => resolve());
    });
    expect(most).toBeGreaterThan(2);
    child.kill(signal);
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(1);
    expect(remains(pid)).toEqual([]);
    expect(mounts().filter((line) => !before.includes(line))).toEqual([]);
  });

  it('refuses a wrong command line with exit code 2', async () => {
    const { code, stderr } = await start('--minutes', 'long').ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/--minutes takes a number/);
  });
});
