/*
 * Prints the addon's sources for one platform, one path a line. binding.gyp and CMakeLists.txt both ask here, so
 * that the two builds cannot drift apart.
 *
 *   node native/sources.cjs OS CPU [--core]     OS as gyp names it (linux, mac, win); CPU x64, arm64, ...
 *
 * What a file name's ending says about where the file belongs: `_linux`, `_posix` one kind of system; `_x86_64`,
 * `_aarch64` one kind of CPU; `_none` everywhere that no other file of the same stem was taken. The folder uring/ is
 * for Linux, but for its `_none` files. `--core` leaves out what needs Node (addon.cc and binding/): the native
 * tests link the rest.
 */
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const [system, cpu] = process.argv.slice(2);
const coreOnly = process.argv.includes('--core');
const endings = [
  ['_linux', system === 'linux'],
  ['_posix', system !== 'win'],
  ['_x86_64', cpu === 'x64' || cpu === 'x86_64' || cpu === 'AMD64'],
  ['_aarch64', cpu === 'arm64' || cpu === 'aarch64'],
];

function stemOf(name) {
  for (const [ending, here] of endings) {
    if (name.endsWith(ending)) return { stem: name.slice(0, -ending.length), here };
  }
  return { stem: name, here: true };
}

const folders = coreOnly ? ['base', 'log', 'media', 'uring'] : ['base', 'log', 'media', 'uring', 'binding'];
const taken = coreOnly ? [] : ['native/addon.cc'];
for (const folder of folders) {
  const directory = path.join(__dirname, folder);
  if (!fs.existsSync(directory)) continue;
  const names = fs
    .readdirSync(directory)
    .filter((file) => file.endsWith('.cc'))
    .map((file) => file.slice(0, -'.cc'.length))
    .sort();
  const stems = new Set();
  for (const name of names) {
    if (name.endsWith('_none')) continue;
    const { stem, here } = stemOf(name);
    const elsewhere = (folder === 'uring' || name.startsWith('uring_')) && system !== 'linux';
    if (!here || elsewhere) continue;
    stems.add(stem);
    taken.push(`native/${folder}/${name}.cc`);
  }
  for (const name of names) {
    if (!name.endsWith('_none')) continue;
    const covered = folder === 'uring' ? system === 'linux' : stems.has(name.slice(0, -'_none'.length));
    if (!covered) taken.push(`native/${folder}/${name}.cc`);
  }
}
process.stdout.write(`${taken.join('\n')}\n`);
