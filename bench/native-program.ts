/** Builds the C++ benchmarks in native/bench with cmake, where they are stale, and runs them. */

import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** The program's path. Throws where it cannot be built, with what the compiler says. */
export function buildNative(name: 'limit' | 'media_bench'): string {
  const folder = path.join(root, 'build', 'native-bench');
  const steps = [
    ['-S', root, '-B', folder, '-DCMAKE_BUILD_TYPE=Release'],
    ['--build', folder, '--target', name],
  ];
  for (const step of steps) {
    const { status, stdout, stderr, error } = spawnSync('cmake', step, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`cmake ${step.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  }
  return path.join(folder, name);
}

/** Resolves with what it printed; rejects where it fails. Its progress goes to standard error. */
export function runNative(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${path.basename(file)} ended with ${code ?? signal}`));
    });
  });
}
