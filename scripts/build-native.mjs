/**
 * Builds the addon with node-gyp: build/Release/synod_native.node.
 *
 *   node scripts/build-native.mjs [--debug] [--clean]
 *
 * Exits with node-gyp's code; 1 where node-gyp or the headers of node-addon-api cannot be found.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const packageRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The script of a node-gyp: this package's, the one that npm runs with, or the one inside npm; or null. */
export function findNodeGyp() {
  const inNpm = 'node_modules/node-gyp/bin/node-gyp.js';
  const candidates = [];
  try {
    candidates.push(
      createRequire(path.join(packageRoot, 'package.json')).resolve('node-gyp/bin/node-gyp.js'),
    );
  } catch {
    // Not a dependency of the one who installs this package.
  }
  if (process.env.npm_config_node_gyp) candidates.push(process.env.npm_config_node_gyp);
  if (process.env.npm_execpath)
    candidates.push(path.resolve(path.dirname(process.env.npm_execpath), '..', inNpm));
  const prefix = path.resolve(process.execPath, '..', '..');
  candidates.push(path.join(prefix, 'lib/node_modules/npm', inNpm));
  candidates.push(path.join(path.dirname(process.execPath), 'node_modules/npm', inNpm));
  return candidates.find((candidate) => candidate.endsWith('.js') && existsSync(candidate)) ?? null;
}

/** The folder with include/node of the running Node, so that nothing is downloaded; or null. */
export function findNodeDirectory() {
  const prefix = path.resolve(realpathSync(process.execPath), '..', '..');
  return existsSync(path.join(prefix, 'include/node/node_api.h')) ? prefix : null;
}

export function hasAddonApi() {
  try {
    createRequire(path.join(packageRoot, 'package.json')).resolve('node-addon-api');
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs node-gyp. `output` is 'inherit' or 'capture'. Returns its exit code, and what it printed if captured.
 * Bounded in time: an install must not hang on a header download that never ends.
 */
export function buildNative({ debug = false, output = 'inherit', timeoutMs = 600_000 } = {}) {
  const nodeGyp = findNodeGyp();
  if (nodeGyp === null) return { code: 1, output: 'node-gyp was not found' };
  if (!hasAddonApi()) return { code: 1, output: 'node-addon-api was not found' };
  const nodeDirectory = findNodeDirectory();
  const result = spawnSync(
    process.execPath,
    [
      nodeGyp,
      'configure',
      'build',
      '--jobs=max',
      debug ? '--debug' : '--release',
      ...(nodeDirectory === null ? [] : [`--nodedir=${nodeDirectory}`]),
    ],
    {
      cwd: packageRoot,
      stdio: output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
      // binding.gyp runs `node`: it must be this one, also where no node is on the path.
      env: {
        ...process.env,
        PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`,
      },
    },
  );
  const printed = output === 'inherit' ? '' : `${result.stdout ?? ''}\n${result.stderr ?? ''}`;
  if (result.error !== undefined) return { code: 1, output: `${printed}\n${result.error.message}` };
  return { code: result.status ?? 1, output: printed };
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--clean'))
    rmSync(path.join(packageRoot, 'build'), { recursive: true, force: true });
  const { code, output } = buildNative({ debug: process.argv.includes('--debug') });
  if (output !== '') console.error(output);
  process.exitCode = code;
}
