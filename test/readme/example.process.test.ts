/**
 * Aim: the README's example works as it stands. Method: it is run against the compiled package, in a process and a folder of
 * its own; only its ports are others, as somebody may run a cluster on the usual ones.
 */

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

it('prints both totals and ends by itself', async () => {
  const source = readFileSync(new URL('./example.ts', import.meta.url), 'utf8');
  const compiled = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  }).outputText;
  const port = 20_000 + (process.pid % 20_000);
  // Inside the package its own name resolves to what is compiled.
  const folder = path.join(root, 'out', 'readme');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `example-${process.pid}.mjs`);
  writeFileSync(file, compiled.replace("'../../src/index.js'", "'synod'").replace('7101', String(port)));
  const directory = mkdtempSync(path.join(os.tmpdir(), 'synod-example-'));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file], {
      cwd: directory,
      timeout: 60_000,
    });
    expect(stdout).toBe('40\n42\n');
  } finally {
    rmSync(file, { force: true });
    rmSync(directory, { recursive: true, force: true });
  }
});
