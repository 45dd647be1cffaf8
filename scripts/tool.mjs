/**
 * Runs one of the tools under test/: `node scripts/tool.mjs NAME ARGUMENT...` runs `test/NAME/main.ts`.
 *
 * Node.js 20 does not run TypeScript. So src/ and test/ are transpiled to out/, each file on its own and only where it is
 * newer than what was made of it; `npm run check` checks the types. The tool then is this process: its exit code, its
 * signals and its memory are its own.
 */

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transpileTree } from './transpile.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const [name] = process.argv.slice(2);
const tools = readdirSync(path.join(root, 'test')).filter((folder) =>
  existsSync(path.join(root, 'test', folder, 'main.ts')),
);

if (name === undefined || !tools.includes(name)) {
  process.stderr.write(`usage: node scripts/tool.mjs ${tools.join('|')} [ARGUMENT...]\n`);
  process.exitCode = 2;
} else {
  await transpileTree(root, path.join(root, 'out'), ['src', 'test']);
  process.setSourceMapsEnabled(true);
  const main = path.join(root, 'out/test', name, 'main.js');
  // As if it had been started by itself: arguments begin behind the name of the file.
  process.argv.splice(1, 2, main);
  await import(pathToFileURL(main).href);
}
