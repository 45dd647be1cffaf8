/** The fuzzer as people start it. It must find the bug that is planted for it, say how to see it again, and fail. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
/** Found in less than three seconds on a quiet machine. */
const SECONDS = 60;

function fuzz(...values: string[]): { status: number | null; stdout: string; stderr: string } {
  const all = ['scripts/tool.mjs', 'fuzz', ...values];
  return spawnSync(process.execPath, all, { cwd: root, encoding: 'utf8', timeout: 150_000 });
}

it('finds the bug of the canary, and the input that it gives shows it again', () => {
  const { status, stdout } = fuzz(
    '--target',
    'canary',
    '--seconds',
    String(SECONDS),
    '--seed',
    '1',
    '--json',
  );
  expect(status).toBe(1);
  const result = JSON.parse(stdout) as {
    findings: number;
    targets: { finding: { kind: string; message: string; file: string } }[];
  };
  const { kind, message, file } = result.targets[0]!.finding;
  expect(result.findings).toBe(1);
  expect(kind).toBe('exception');
  expect(message).toMatch(/RangeError.*parseToy/s);
  expect(existsSync(path.join(root, file))).toBe(true);
  const again = fuzz('--target', 'canary', '--replay', file);
  expect(again.status).toBe(1);
  expect(again.stdout).toMatch(/FOUND exception: RangeError/);
});

it('is content with a target that is right, and tells what it did', () => {
  const { status, stdout } = fuzz('--target', 'resp', '--seconds', '1', '--seed', '1', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ seed: 1, findings: 0, targets: [{ target: 'resp' }] });
});

it('says what is wrong with its arguments', () => {
  const { status, stdout, stderr } = fuzz('--target', 'nothing');
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/no target 'nothing'.*usage:/s);
});

it('the addon returns or throws a typed error, whatever it is called with', () => {
  const { status, stdout } = fuzz('--target', 'addon', '--seconds', '3', '--seed', '11');
  expect(stdout).toMatch(/^addon: (\d+ runs .*nothing found|skipped, .*)$/m);
  expect(status).toBe(0);
});
