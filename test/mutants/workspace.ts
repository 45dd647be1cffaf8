/**
 * A copy of the project in a temporary directory, in which files of src/ are replaced and its commands are run. What is
 * not changed there is linked.
 */

import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Check } from './mutant.js';
import type { Ending } from './verdict.js';

/** Scripts and configuration find the project by where they are themselves, so links would lead out of the copy. */
const COPIED = ['src', 'test', 'scripts', 'out', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const LEFT_OUT = ['.git', 'dist', 'coverage', 'data'];
const OUTPUT_CHARACTERS_MAX = 4_000_000;

export class Workspace {
  readonly root: string;
  readonly #original: string;
  readonly #changed: Set<string> = new Set();

  private constructor(root: string, original: string) {
    this.root = root;
    this.#original = original;
  }

  static async make(original: string): Promise<Workspace> {
    const root = await mkdtemp(path.join(tmpdir(), 'synod-mutant-'));
    for (const name of await readdir(original)) {
      const from = path.join(original, name);
      const to = path.join(root, name);
      // With their times: what is transpiled already is not transpiled again.
      if (COPIED.includes(name)) await cp(from, to, { recursive: true, preserveTimestamps: true });
      else if (!LEFT_OUT.includes(name)) await symlink(from, to);
    }
    return new Workspace(root, original);
  }

  /** Puts `texts`, by file under src/, in the place of the real ones, and everything else back. */
  async change(texts: ReadonlyMap<string, string>): Promise<void> {
    for (const file of this.#changed) {
      if (!texts.has(file)) await cp(this.#pathIn(this.#original, file), this.#pathIn(this.root, file));
    }
    for (const [file, text] of texts) await writeFile(this.#pathIn(this.root, file), text);
    // By name, not by time: that may be the time of the change before.
    for (const file of [...this.#changed, ...texts.keys()])
      await rm(path.join(this.root, 'out/src', file.replace(/\.ts$/, '.js')), { force: true });
    this.#changed.clear();
    for (const file of texts.keys()) this.#changed.add(file);
    await this.#transpile();
  }

  async #transpile(): Promise<void> {
    const script = pathToFileURL(path.join(this.#original, 'scripts/transpile.mjs')).href;
    const { transpileTree } = (await import(script)) as {
      transpileTree: (root: string, target: string, folders: readonly string[]) => Promise<void>;
    };
    await transpileTree(this.root, path.join(this.root, 'out'), ['src', 'test']);
  }

  /** Runs the check on the present content. */
  run(check: Check, timeoutMs: number): Promise<Ending> {
    return new Promise((resolve, reject) => {
      // A group of its own, so that what it starts ends with it.
      const child = spawn(process.execPath, commandOf(check), {
        cwd: this.root,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, NO_COLOR: '1', CI: '1', SYNOD_SHRINK: '0' },
      });
      let stdout = '';
      let stderr = '';
      let timedOut = false;
      const timer = setTimeout(() => {
        timedOut = true;
        process.kill(-child.pid!, 'SIGKILL');
      }, timeoutMs);
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout = (stdout + text).slice(-OUTPUT_CHARACTERS_MAX);
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr = (stderr + text).slice(-OUTPUT_CHARACTERS_MAX);
      });
      child.on('error', reject);
      child.on('close', (exitCode) => {
        clearTimeout(timer);
        resolve({ exitCode, timedOut, stdout, stderr });
      });
    });
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  #pathIn(root: string, file: string): string {
    return path.join(root, 'src', file);
  }
}

/** The arguments of Node.js that run the check. */
export function commandOf(check: Check): string[] {
  switch (check.check) {
    case 'properties':
      return [
        'out/test/properties/main.js',
        ...['--json', '--seeds', `${check.seeds}`],
        ...(check.agreementOnly ? ['--agreement-only'] : []),
      ];
    case 'turmoil':
      return ['out/test/turmoil/main.js', '--json', '--seeds', `${check.seeds}`];
    case 'simulation':
      return [
        'out/test/mutants/simulate.js',
        `${check.seeds}`,
        check.mode ?? 'recoverable',
        `${check.reads ?? 0}`,
      ];
    case 'explorer':
      return [
        'out/test/explorer/main.js',
        ...['--json', '--scope', check.scope, '--states-max', `${check.statesMax}`],
      ];
    case 'crash-states':
      return ['out/test/crash-states/main.js', '--json', ...check.options];
    case 'unit':
      return [
        'node_modules/vitest/vitest.mjs',
        ...['run', '--project', 'unit', '--reporter', 'json', '--bail', '1', '--retry', '0', check.file],
        ...(check.name === undefined ? [] : ['--testNamePattern', check.name]),
      ];
  }
}

/** One line for people. */
export function describeCheck(check: Check): string {
  switch (check.check) {
    case 'properties':
      return `properties${check.agreementOnly ? ', agreement only' : ''}${check.withContracts ? ', with contracts' : ''}`;
    case 'turmoil':
      return 'turmoil';
    case 'simulation':
      return `simulation${check.mode === undefined ? '' : `, ${check.mode}`}${check.reads === undefined ? '' : ', readers'}`;
    case 'explorer':
      return `explorer, ${check.scope}`;
    case 'crash-states':
      return `crash-states ${check.options.join(' ')}`;
    case 'unit':
      return `unit, ${check.file.replace(/^test\//, '')}${check.name === undefined ? '' : `: ${check.name}`}`;
  }
}
