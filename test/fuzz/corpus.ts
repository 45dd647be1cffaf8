/** Inputs as files. What is kept for good lies beside the source; what a run finds lies in out/. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Of this target, for good: `test/fuzz/corpus`. */
export function keptFolder(root: string, target: string): string {
  return path.join(root, 'test/fuzz/corpus', target);
}

export function crashFolder(root: string): string {
  return path.join(root, 'out/fuzz');
}

export function readCorpus(folder: string): Uint8Array[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((file) => new Uint8Array(readFileSync(path.join(folder, file))));
}

function nameOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}

/** The folder then has these inputs and no others. */
export function writeCorpus(folder: string, inputs: readonly Uint8Array[]): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const input of inputs) writeFileSync(path.join(folder, nameOf(input)), input);
}

/** Yields the file's path. */
export function writeInput(folder: string, target: string, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${target.replaceAll(/[^a-z-]/g, '-')}-${nameOf(input)}`);
  writeFileSync(file, input);
  return file;
}
