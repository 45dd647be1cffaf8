/** The C++ targets in native/fuzz, under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer; and the addon's edge. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { crashFolder, keptFolder, readCorpus, writeCorpus } from './corpus.js';

export interface NativeOrder {
  readonly root: string;
  readonly seconds: number;
  readonly seed: number;
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

export interface NativeResult {
  readonly executions: number;
  readonly corpus: number;
  /** Why nothing ran. */
  readonly skipped?: string;
  readonly finding?: {
    readonly kind: string;
    readonly message: string;
    readonly file: string;
    readonly replay: string;
  };
}

export const nativeTargets: Readonly<Record<string, string>> = {
  'native-crc32c':
    'checksums by instructions, by tables, in parts and while copying agree; no byte beside is touched',
  'native-socket-address': 'an address reads as it is written',
  'native-send-queue': 'what leaves is what was given, and each payload is counted once, at its end',
  'native-receive-pool': 'a buffer is with the kernel or lent, and its holds are counted right',
  'native-media': 'any range of a mapped file is flushed, nothing beside it is touched',
};
export const addonTarget = 'addon';
export const addonAbout = 'whatever the arguments, a function of the addon returns or throws a typed error';

const compilers: readonly string[] = [
  'clang++',
  ...[22, 21, 20, 19, 18, 17, 16, 15, 14].map((version) => `clang++-${version}`),
];
const INPUT_BYTES_MAX = 4096;
const MEBIBYTES_MAX = 1024;

function runs(command: string, ...values: string[]): boolean {
  return spawnSync(command, values, { stdio: 'ignore' }).status === 0;
}

let built: { readonly folder: string } | { readonly reason: string } | null = null;

/** Builds all of them, once for each run of this program. */
function build({ root, say }: NativeOrder): { readonly folder: string } | { readonly reason: string } {
  built ??= buildNow(root, say);
  return built;
}

function buildNow(root: string, say: (line: string) => void): { folder: string } | { reason: string } {
  const compiler = compilers.find((each) => runs(each, '--version'));
  if (compiler === undefined) return { reason: 'no clang here (on Debian: apt-get install clang cmake)' };
  if (!runs('cmake', '--version')) return { reason: 'no cmake here' };
  const folder = path.join(root, 'build/fuzz');
  say(`building native/fuzz with ${compiler}`);
  const steps: readonly string[][] = [
    [
      '-S',
      root,
      '-B',
      folder,
      '-DSYNOD_FUZZ=ON',
      '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
      `-DCMAKE_CXX_COMPILER=${compiler}`,
    ],
    ['--build', folder, '--parallel', '2'],
  ];
  for (const step of steps) {
    const { status, stdout, stderr } = spawnSync('cmake', step, { encoding: 'utf8' });
    if (status === 0) continue;
    // A clang without its run-time libraries cannot link a fuzzer: that is a matter of the machine.
    if (/libclang_rt/.test(stdout + stderr))
      return { reason: `${compiler} has no libclang_rt (Debian: libclang-rt-N-dev)` };
    throw new Error(`native/fuzz does not build:\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`);
  }
  return { folder };
}

/** Its output, its exit code, and whether it had to be ended because it went on for too long. */
function finish(
  child: ChildProcess,
  msMax: number,
): Promise<{ code: number | null; signal: string | null; output: string }> {
  return new Promise((resolve, reject) => {
    let output = '';
    const take = (chunk: Buffer): void => {
      output = (output + chunk.toString('latin1')).slice(-200_000);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    const timer = setTimeout(() => child.kill('SIGKILL'), msMax);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, output });
    });
  });
}

const programOf = (folder: string, name: string): string =>
  path.join(folder, `${name.replace('native-', '').replaceAll('-', '_')}_fuzz`);

export async function fuzzNative(name: string, order: NativeOrder): Promise<NativeResult> {
  const { root, seconds, seed, keep, say } = order;
  const place = build(order);
  if ('reason' in place) return { executions: 0, corpus: 0, skipped: place.reason };
  const program = programOf(place.folder, name);
  const kept = keptFolder(root, name);
  const found = mkdtempSync(path.join(tmpdir(), `synod-${name}-`));
  const crashes = path.join(crashFolder(root), `${name}-`);
  mkdirSync(crashFolder(root), { recursive: true });
  try {
    const values = [
      `-max_total_time=${Math.max(1, Math.ceil(seconds))}`,
      `-seed=${(seed >>> 1) + 1}`,
      `-max_len=${INPUT_BYTES_MAX}`,
      `-rss_limit_mb=${MEBIBYTES_MAX}`,
      '-timeout=10',
      '-print_final_stats=1',
      `-artifact_prefix=${crashes}`,
      found,
      ...(existsSync(kept) ? [kept] : []),
    ];
    say(`  ${name}: libFuzzer for ${seconds} s`);
    const { code, signal, output } = await finish(spawn(program, values), (seconds + 60) * 1000);
    const executions = Number(/stat::number_of_executed_units:\s*(\d+)/.exec(output)?.[1] ?? 0);
    const corpus = readdirSync(found).length;
    if (code === 0) {
      if (keep) await minimise(program, kept, found);
      return { executions, corpus };
    }
    const artifact = /Test unit written to (\S+)/.exec(output)?.[1];
    const file = artifact === undefined ? '' : path.relative(root, artifact);
    const message = output
      .slice(Math.max(0, output.search(/MUST failed|runtime error|ERROR: /) - 200))
      .slice(0, 3000);
    const finding = {
      kind: `exit ${code ?? signal}`,
      message,
      file,
      replay: `npm run fuzz -- --target ${name} --replay ${file}`,
    };
    return { executions, corpus, finding };
  } finally {
    rmSync(found, { recursive: true, force: true });
  }
}

/** The smallest inputs of both folders that reach what all reach become the kept ones. */
async function minimise(program: string, kept: string, found: string): Promise<void> {
  const merged = mkdtempSync(path.join(tmpdir(), 'synod-merge-'));
  try {
    const values = ['-merge=1', merged, found, ...(existsSync(kept) ? [kept] : [])];
    const { code, output } = await finish(spawn(program, values), 120_000);
    if (code !== 0) throw new Error(`the corpus cannot be merged:\n${output.slice(-2000)}`);
    writeCorpus(kept, readCorpus(merged));
  } finally {
    rmSync(merged, { recursive: true, force: true });
  }
}

export async function replayNative(
  name: string,
  file: string,
  order: NativeOrder,
): Promise<{ code: number | null; output: string }> {
  const place = build(order);
  if ('reason' in place) throw new Error(`cannot replay: ${place.reason}`);
  return finish(spawn(programOf(place.folder, name), [path.resolve(file)]), 60_000);
}

/** Calls the addon in a process of its own. */
export async function fuzzAddon({ root, seconds, seed, say }: NativeOrder): Promise<NativeResult> {
  mkdirSync(crashFolder(root), { recursive: true });
  const file = path.join(crashFolder(root), 'addon-calls');
  const child = path.join(path.dirname(fileURLToPath(import.meta.url)), 'addon-child.js');
  // Beside this program there is no addon: that of the working tree is meant.
  const addon = path.join(root, 'build/Release/synod_native.node');
  if (!existsSync(addon))
    return { executions: 0, corpus: 0, skipped: 'the addon is not built (npm run build:native)' };
  say(`  addon: calls for ${seconds} s`);
  const { code, signal, output } = await finish(
    spawn(process.execPath, ['--expose-gc', child, String(seed), String(seconds), file], {
      env: { ...process.env, SYNOD_NATIVE: process.env.SYNOD_NATIVE ?? addon },
    }),
    (seconds + 60) * 1000,
  );
  const answer = /^\{.*\}$/m.exec(output)?.[0];
  const result =
    answer === undefined ? {} : (JSON.parse(answer) as { executions?: number; skipped?: string });
  if (result.skipped !== undefined) return { executions: 0, corpus: 0, skipped: result.skipped };
  if (code === 0 && result.executions !== undefined) return { executions: result.executions, corpus: 0 };
  const calls = readFileSync(file, 'latin1').trim().split('\n');
  calls.sort((left, right) => Number.parseInt(left, 10) - Number.parseInt(right, 10));
  return {
    executions: Number.parseInt(calls.at(-1) ?? '0', 10),
    corpus: 0,
    finding: {
      kind: signal === null ? `exit ${code}` : `signal ${signal}`,
      message: `${output.slice(-2000)}\nthe last calls:\n${calls.map((line) => line.trim()).join('\n')}`,
      file: path.relative(root, file),
      replay: `npm run fuzz -- --target addon --seed ${seed} --seconds ${seconds}`,
    },
  };
}
