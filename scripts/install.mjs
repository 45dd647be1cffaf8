/**
 * npm's install script. Sees to the native addon where that can be done, and never fails: without it the package
 * works on its portable backends. Prints one line when it starts to build, and one if that came to nothing.
 *
 * SYNOD_NATIVE=0 leaves the addon out.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildNative, findNodeGyp, hasAddonApi, packageRoot } from './build-native.mjs';

const addonPath = path.join(packageRoot, 'build/Release/synod_native.node');
const logPath = path.join(packageRoot, 'build/install.log');

/** Loads a `.node` file in a process of its own, so that one which crashes does not take the install along. */
function loads(file) {
  return (
    spawnSync(process.execPath, ['-e', 'require(process.argv[1])', file], { timeout: 30_000 }).status === 0
  );
}

/** True where a build is there that is newer than all it was made from. */
function isUpToDate() {
  if (!existsSync(addonPath)) return false;
  const builtMs = statSync(addonPath).mtimeMs;
  const sources = ['binding.gyp', 'native'].map((name) => path.join(packageRoot, name));
  for (let source = sources.pop(); source !== undefined; source = sources.pop()) {
    const status = statSync(source);
    if (status.isDirectory()) sources.push(...readdirSync(source).map((name) => path.join(source, name)));
    else if (status.mtimeMs > builtMs) return false;
  }
  return loads(addonPath);
}

function hasPrebuilt() {
  const names = [`${process.platform}-${process.arch}`, `${process.platform}musl-${process.arch}`];
  return names.some((name) => {
    const file = path.join(packageRoot, 'prebuilds', name, 'synod_native.node');
    return existsSync(file) && loads(file);
  });
}

/** What a failed build's output says, in words: the usual causes by name, else the line that tells most. */
function findCause(output) {
  const lines = output.split('\n').map((line) => line.trim());
  const usual = [
    [/Could not find any Python|Python is not set/i, 'Python 3 was not found'],
    [/Could not find any Visual Studio/i, 'no Visual Studio with C++ was found'],
    [/not found: make|spawn make ENOENT|make: not found/i, 'make was not found'],
    [
      /(\+\+|clang|gcc|\bcc)['"]?: (command )?not found|(\+\+|clang|gcc|\bcc)['"]?: No such file|No such file or directory: .*(\+\+|clang|gcc|cc)/i,
      'no C++ compiler was found',
    ],
    [/unrecognized .*c\+\+20|error: invalid value 'c\+\+20'/i, 'the C++ compiler does not know C++20'],
    [/fetch failed|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN/, "Node's headers could not be downloaded"],
  ];
  for (const [pattern, words] of usual) if (lines.some((line) => pattern.test(line))) return words;
  const telling = [/\berror: /i, /gyp ERR! stack Error: /];
  for (const pattern of telling) {
    const line = lines.find((candidate) => pattern.test(candidate));
    if (line !== undefined) return line.replace(/^gyp ERR! (stack )?/, '').slice(0, 160);
  }
  return lines.findLast((line) => line !== '')?.slice(0, 160) ?? 'the build said nothing';
}

/** Null where the addon is there, else why not. */
function install() {
  if (process.env.SYNOD_NATIVE === '0') return 'turned off by SYNOD_NATIVE=0';
  if (hasPrebuilt() || isUpToDate()) return null;
  if (!existsSync(path.join(packageRoot, 'binding.gyp'))) return 'its sources are not here';
  if (findNodeGyp() === null) return 'node-gyp was not found';
  if (!hasAddonApi()) return 'node-addon-api was not found';
  console.log('synod: building the native addon (up to a minute; SYNOD_NATIVE=0 skips it)');
  const { code, output } = buildNative({ output: 'capture' });
  if (code === 0) return loads(addonPath) ? null : 'it was built, but does not load';
  let log = '';
  try {
    mkdirSync(path.dirname(logPath), { recursive: true });
    writeFileSync(logPath, output);
    log = `; all output: ${path.relative(process.cwd(), logPath)}`;
  } catch {
    // A read-only installation has no log.
  }
  return `${findCause(output)}${log}`;
}

let problem;
try {
  problem = install();
} catch (error) {
  problem = error instanceof Error ? error.message : String(error);
}
if (problem !== null) {
  console.log(
    `synod: no native addon (${problem}); the portable backends are used: storage file, transport tcp`,
  );
}
