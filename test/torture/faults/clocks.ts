/** Changed clocks: the time of day jumps, by libfaketime; what measures durations does not, as on a real machine. */

import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { type Fault, type FaultKind, pickFree } from './fault.js';

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib64/faketime/libfaketime.so.1',
];

/** The environment of a process whose clock the file at `path` sets, like `+3600`. */
export function clockEnvironment(library: string, path: string): NodeJS.ProcessEnv {
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: path,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_CACHE_DURATION: '1',
  };
}

/** The library, or why there is none that works here. */
export function findClockLibrary(): { readonly path: string | null; readonly obstacle: string | null } {
  const path = LIBRARIES.find((each) => existsSync(each));
  if (path === undefined) return { path: null, obstacle: 'libfaketime is not installed' };
  const script = 'process.stdout.write(String(Date.now()))';
  const { stdout } = spawnSync(process.execPath, ['-e', script], {
    env: { ...process.env, LD_PRELOAD: path, FAKETIME: '+100000', FAKETIME_DONT_FAKE_MONOTONIC: '1' },
    encoding: 'utf8',
    timeout: 10_000,
  });
  const works = Math.abs(Number(stdout) - Date.now() - 100_000_000) < 60_000;
  return works
    ? { path, obstacle: null }
    : { path: null, obstacle: 'libfaketime does not work with Node.js here' };
}

const clock: FaultKind = {
  kind: 'clock',
  weight: 3,
  holdMs: [1500, 6000],
  obstacle: ({ setting }) => setting.clocks.obstacle,
  async draw(cluster, random) {
    const id = pickFree(cluster, random);
    const seconds = random.pick([1, 60, 3600, 86_400, -1, -60, -3600, -86_400]);
    const path = cluster.setting.clocks.pathOf?.(id ?? '');
    if (id === null || path === undefined) return null;
    const set = (text: string): void => writeFileSync(path, text);
    return {
      kind: 'clock',
      text: `clock ${id}: ${seconds} s`,
      inject: async () => set(`${seconds > 0 ? '+' : ''}${seconds}\n`),
      heal: async () => set('+0\n'),
    } satisfies Fault;
  },
};

export const clockFaults: readonly FaultKind[] = [clock];
