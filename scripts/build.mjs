/**
 * Compiles src/ to dist/.
 *
 *   node scripts/build.mjs [--if-stale]
 *
 * With --if-stale it does nothing where dist/ is newer than everything that it is made of. The new dist/ takes the
 * old one's place in one step, so that processes which run from it never meet half of it, and it holds nothing
 * of files that are no longer there. Where the sources do not compile, the old one stays and the exit code is 1.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const target = path.join(root, 'dist');
const inputs = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json'];

/** The newest change at or below a path; folders count, since deleting a file changes only them. */
function newest(file) {
  const stat = statSync(file);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(file).map((name) => newest(path.join(file, name))));
}

function isStale() {
  if (!existsSync(path.join(target, 'cli', 'main.js'))) return true;
  const built = statSync(target).mtimeMs;
  return inputs.some((input) => newest(path.join(root, input)) > built);
}

function compile(outDir) {
  let compiler;
  try {
    compiler = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  } catch {
    process.stderr.write('typescript is not installed: run "npm install" first\n');
    return 1;
  }
  const result = spawnSync(
    process.execPath,
    [compiler, '-p', path.join(root, 'tsconfig.build.json'), '--outDir', outDir],
    { cwd: root, stdio: 'inherit' },
  );
  return result.status ?? 1;
}

/** Other builds may run at the same time; each has its own folders, and the last one to finish wins. */
function replace(outDir) {
  const old = path.join(root, `dist.old-${process.pid}`);
  for (let attempt = 0; attempt < 10; attempt += 1) {
    try {
      if (existsSync(target)) renameSync(target, old);
      renameSync(outDir, target);
      break;
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    }
  }
  rmSync(old, { recursive: true, force: true });
}

function main() {
  if (process.argv.includes('--if-stale') && !isStale()) return 0;
  const outDir = path.join(root, `dist.new-${process.pid}`);
  const began = new Date();
  const code = compile(outDir);
  if (code === 0) {
    // Its age is that of what was read, not of what was written: a file saved meanwhile is newer.
    utimesSync(outDir, began, began);
    chmodSync(path.join(outDir, 'cli', 'main.js'), 0o755);
    replace(outDir);
  }
  rmSync(outDir, { recursive: true, force: true });
  return code;
}

process.exitCode = main();
