/**
 * Compiles src/ to dist/.
 *
 *   node scripts/build.mjs [--if-stale] [--without-contracts] [--out DIRECTORY]
 *
 * With --if-stale it does nothing where the target is newer than everything that it is made of, and made in the same way. The new
 * one takes the old one's place in one step, so that processes which run from it never meet half of it, and it holds nothing
 * of files that are no longer there. Where the sources do not compile, the old one stays and the exit code is 1.
 *
 * With --without-contracts the contracts of src/contracts.ts are not in what is made: docs/contracts.md.
 */

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { leaveOutContracts } from './leave-out-contracts.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const inputs = [
  'src',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
  'scripts/leave-out-contracts.mjs',
];

/** The newest change at or below a path; folders count, since deleting a file changes only them. */
function newest(file) {
  const stat = statSync(file);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(file).map((name) => newest(path.join(file, name))));
}

function isStale({ target, withoutContracts }) {
  if (!existsSync(path.join(target, 'cli', 'main.js'))) return true;
  const contracts = readFileSync(path.join(target, 'contracts.js'), 'utf8');
  if (contracts.includes('hasContracts = false') !== withoutContracts) return true;
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

/** The same, without contracts: the compiler's command line takes no transformers. */
async function compileWithoutContracts(outDir) {
  const { default: ts } = await import('typescript');
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: report };
  function report(diagnostic) {
    process.stderr.write(
      ts.formatDiagnostic(diagnostic, {
        getCurrentDirectory: () => root,
        getCanonicalFileName: (name) => name,
        getNewLine: () => '\n',
      }),
    );
  }
  const { options, fileNames } = ts.getParsedCommandLineOfConfigFile(
    path.join(root, 'tsconfig.build.json'),
    { outDir },
    host,
  );
  const program = ts.createProgram(fileNames, options);
  const { diagnostics } = program.emit(undefined, undefined, undefined, false, {
    before: [leaveOutContracts(ts)],
  });
  const all = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  for (const diagnostic of all) report(diagnostic);
  return all.length === 0 ? 0 : 1;
}

/** Other builds may run at the same time; each has its own folders, and the last one to finish wins. */
function replace(outDir, target) {
  const old = `${target}.old-${process.pid}`;
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

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        'if-stale': { type: 'boolean', default: false },
        'without-contracts': { type: 'boolean', default: false },
        out: { type: 'string', default: 'dist' },
      },
    });
    return {
      ifStale: values['if-stale'],
      withoutContracts: values['without-contracts'],
      target: path.resolve(root, values.out),
    };
  } catch (error) {
    process.stderr.write(
      `${error.message}\nusage: build [--if-stale] [--without-contracts] [--out DIRECTORY]\n`,
    );
    return null;
  }
}

async function main() {
  const chosen = readArguments();
  if (chosen === null) return 2;
  const { ifStale, withoutContracts, target } = chosen;
  if (ifStale && !isStale(chosen)) return 0;
  const outDir = `${target}.new-${process.pid}`;
  const began = new Date();
  const code = withoutContracts ? await compileWithoutContracts(outDir) : compile(outDir);
  if (code === 0) {
    // Its age is that of what was read, not of what was written: a file saved meanwhile is newer.
    utimesSync(outDir, began, began);
    chmodSync(path.join(outDir, 'cli', 'main.js'), 0o755);
    replace(outDir, target);
  }
  rmSync(outDir, { recursive: true, force: true });
  return code;
}

process.exitCode = await main();
