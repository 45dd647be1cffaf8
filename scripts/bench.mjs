/**
 * Runs one of the benchmarks under bench/: `node scripts/bench.mjs NAME ARGUMENT...`. Compiles src/ to dist/ where that is stale: what is
 * measured is what is shipped; and transpiles src/, bench/ and what they share with test/ to out/ for those that look inside.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transpileTree } from './transpile.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const names = [
  'micro',
  'native',
  'limit',
  'cluster',
  'sweep',
  'kv',
  'recovery',
  'memory',
  'report',
  'compare',
];
const [name] = process.argv.slice(2);

if (name === undefined || !names.includes(name)) {
  process.stderr.write(`usage: node scripts/bench.mjs ${names.join('|')} [ARGUMENT...]\n`);
  process.exitCode = 2;
} else {
  const built = spawnSync(process.execPath, [path.join(root, 'scripts/build.mjs'), '--if-stale'], {
    stdio: ['ignore', 2, 2],
  });
  if (built.status !== 0) process.exit(built.status ?? 1);
  await transpileTree(root, path.join(root, 'out'), ['src', 'bench', 'test']);
  // What is in out/ finds no addon beside it.
  const addon = path.join(root, 'build/Release/synod_native.node');
  if (existsSync(addon)) process.env.SYNOD_NATIVE ??= addon;
  process.setSourceMapsEnabled(true);
  const main = path.join(root, 'out/bench', `${name}.js`);
  process.argv.splice(1, 2, main);
  await import(pathToFileURL(main).href);
}
