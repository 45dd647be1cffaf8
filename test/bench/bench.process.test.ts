/**
 * Aim: the benchmarks run, say what they measured, and fail where they should. Method: short runs; nothing is said of times.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const scratch = mkdtempSync(path.join(tmpdir(), 'synod-bench-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const hasCmake = spawnSync('cmake', ['--version']).status === 0;
const hasRedisBenchmark = spawnSync('redis-benchmark', ['--version']).status === 0;
if (!hasRedisBenchmark) console.log('no redis-benchmark here: bench:kv is left out');
if (!hasCmake) console.log('no cmake here: what needs the C++ benchmarks is left out');

function bench(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['scripts/bench.mjs', ...args], { encoding: 'utf8', timeout: 120_000 });
}

const brief = ['--storage', 'file', '--outstanding', '200', '--seconds', '0.5', '--json'];

describe('bench:cluster', () => {
  it.each([
    ['embedded', '0'],
    ['embedded', '50'],
    ['network', '0'],
    ['network', '50'],
  ])('has every figure with its label, load %s, batches of %s', (load, batch) => {
    const { status, stdout, stderr } = bench(
      'cluster',
      '--load',
      load,
      '--batch',
      batch,
      ...brief,
      '--warmup',
      '0.1',
    );
    expect(stderr).not.toMatch(/Error/);
    expect(status).toBe(0);
    const figures = JSON.parse(stdout);
    expect(figures.opsPerSecond).toBeGreaterThan(0);
    expect(figures.failed).toBe(0);
    expect(figures.bytesLogged).toBeGreaterThan(0);
    expect(figures.cpuSecondsPerMillion.length).toBe(3);
    const { p50, p90, p99, p999, max } = figures.latencyUs;
    expect([p50, p90, p99, p999, max]).toEqual([p50, p90, p99, p999, max].sort((a, b) => a - b));
    for (const key of ['payload', 'durability', 'topology', 'engine', 'machine', 'kernel', 'version'])
      expect(figures.label[key], key).toBeTruthy();
  });

  it('gives commands at a rate', () => {
    for (const batch of ['0', '10']) {
      const { status, stdout } = bench(
        'cluster',
        '--rate',
        '2000',
        '--batch',
        batch,
        ...brief,
        '--warmup',
        '0',
      );
      expect(status).toBe(0);
      const { opsPerSecond, failed, label } = JSON.parse(stdout);
      expect(failed).toBe(0);
      expect(opsPerSecond).toBeLessThan(2200);
      expect(label.rate).toContain('2000');
    }
  });

  it.skipIf(!hasCmake)('has a ratio to the limit', () => {
    const { status, stdout } = bench('cluster', '--batch', '50', '--limit', ...brief, '--warmup', '0');
    expect(status).toBe(0);
    expect(JSON.parse(stdout).limitRatio).toBeGreaterThan(0);
  });

  it.each([
    ['--size', '0'],
    ['--storage', 'paper'],
    ['--unknown'],
    ['--seconds', 'x'],
    ['--paused', '--replicas', '1'],
  ])('refuses %s %s', (...wrong) => {
    const { status, stderr } = bench('cluster', ...wrong.filter((one) => one !== undefined));
    expect(status).toBe(2);
    expect(stderr).toMatch(new RegExp(wrong[0]!.slice(2)));
  });
});

describe('bench:sweep', () => {
  const short = ['--storage', 'memory', '--rounds', '1', '--seconds', '0.3', '--warmup', '0'];

  it('fixes what it is told to, each beside the default', () => {
    const { status, stdout, stderr } = bench(
      'sweep',
      ...short,
      '--pipelines',
      '2',
      '--commands',
      '16',
      '--json',
    );
    expect(stderr).toContain('round 1 of 1, 2 in flight, 16 commands at most');
    expect(status).toBe(0);
    const { rows, label } = JSON.parse(stdout);
    const [asItIs, fixed] = rows;
    expect(asItIs.fixed).toBeNull();
    expect(asItIs.commandsPerDecree).toBeGreaterThan(16);
    expect(fixed.fixed).toEqual({ pipelineDecreesMax: 2, decreeCommandsMax: 16 });
    expect(fixed.commandsPerDecree).toBeLessThanOrEqual(16);
    expect(fixed.opsRatio).toBeGreaterThan(0);
    for (const key of ['payload', 'durability', 'topology', 'machine', 'kernel', 'version'])
      expect(label[key], key).toBeTruthy();
  });

  it.each([
    ['--pipelines', '0'],
    ['--pipelines', '1,'],
    ['--commands', '1,70000'],
  ])('refuses %s %s', (name, list) => {
    const { status, stderr } = bench('sweep', name, list);
    expect(status).toBe(2);
    expect(stderr).toContain(name);
  });
});

describe('bench:kv', () => {
  it.skipIf(!hasRedisBenchmark)('measures SET and GET of states of several sizes', () => {
    const args = ['--storage', 'file', '--keys', '10,1200', '--requests', '5000', '--runs', '1', '--json'];
    const { status, stdout, stderr } = bench('kv', ...args);
    expect(stderr).toContain('1,200 keys, run 1 of 1');
    expect(status).toBe(0);
    const { rows, label } = JSON.parse(stdout);
    expect(rows.map(({ keys }: { keys: number }) => keys)).toEqual([10, 1200]);
    for (const { set, get, residentBytes } of rows) {
      for (const { opsPerSecond, p50Ms, p99Ms } of [set, get]) {
        expect(opsPerSecond).toBeGreaterThan(0);
        expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
      }
      expect(residentBytes.length).toBe(3);
    }
    for (const key of ['payload', 'storage', 'topology', 'machine', 'kernel', 'version'])
      expect(label[key], key).toBeTruthy();
  });

  it.each(['0', '10,x', '30000000'])('refuses %s keys', (keys) => {
    const { status, stderr } = bench('kv', '--keys', keys);
    expect(status).toBe(2);
    expect(stderr).toContain('--keys');
  });
});

describe('bench:recovery', () => {
  it('kills a replica, and says how long it takes until it serves again', () => {
    const args = ['--storage', 'file', '--gigabytes', '0.005', '--runs', '1', '--json'];
    const { status, stdout, stderr } = bench('recovery', ...args);
    expect(stderr).toContain('GB logged');
    expect(status).toBe(0);
    const { secondsToServing, secondsToOpen, bytesLogged, commands, label } = JSON.parse(stdout);
    expect(secondsToServing).toBeGreaterThan(secondsToOpen);
    expect(bytesLogged).toBeGreaterThan(5e6);
    expect(commands).toBeGreaterThan(0);
    for (const key of ['payload', 'storage', 'machine', 'kernel', 'version'])
      expect(label[key], key).toBeTruthy();
  });

  it('refuses a log of no size', () => {
    const { status, stderr } = bench('recovery', '--gigabytes', '0');
    expect(status).toBe(2);
    expect(stderr).toContain('gigabytes');
  });
});

describe('bench:memory', () => {
  it('looks at the processes under load, and counts what a command costs of their heaps', () => {
    const { status, stdout, stderr } = bench('memory', '--storage', 'file', '--minutes', '0.1', '--json');
    expect(stderr).toContain('resident MiB');
    expect(status).toBe(0);
    const { looks, heapBytesPerCommand, growthBytes, anonymousGrowthBytes, label } = JSON.parse(stdout);
    expect(looks.length).toBeGreaterThan(3);
    for (const { residentBytes, anonymousBytes } of looks) {
      expect(residentBytes.length).toBe(3);
      for (const [index, bytes] of residentBytes.entries()) {
        expect(bytes).toBeGreaterThan(30e6);
        expect(anonymousBytes[index]).toBeGreaterThan(10e6);
        expect(anonymousBytes[index]).toBeLessThan(1.1 * bytes);
      }
    }
    expect(heapBytesPerCommand.length).toBe(3);
    // The primary has a promise for each command.
    expect(heapBytesPerCommand[0]).toBeGreaterThan(50);
    expect(growthBytes.length).toBe(3);
    expect(anonymousGrowthBytes.length).toBe(3);
    expect(label.machine).toBeTruthy();
  });
});

describe('bench', () => {
  it('measures cases and checks itself', () => {
    const { status, stdout, stderr } = bench('micro', '--seconds', '0.05', '--only', '1024 B', '--json');
    expect(stderr).toContain('cross-check');
    expect(status).toBe(0);
    const { results } = JSON.parse(stdout);
    expect(results.length).toBeGreaterThan(0);
    for (const { nsPerOperation } of results) expect(nsPerOperation).toBeGreaterThan(0);
  });

  it('refuses a name that no case has', () => {
    expect(bench('micro', '--only', 'no such case').status).toBe(2);
  });
});

describe.skipIf(!hasCmake)('bench:native', () => {
  it('prints every case', () => {
    const { status, stdout } = bench('native', '--quick', '--json');
    expect(status).toBe(0);
    const names = JSON.parse(stdout).map(({ name }: { name: string }) => name);
    expect(names).toContain('write and fdatasync');
    expect(names).toContain('thread wakes thread and is woken');
  });
});

describe('bench:report and bench:compare', () => {
  it('make a page that needs nothing else, and compare two reports', () => {
    const out = path.join(scratch, 'report');
    const { status, stderr } = bench('report', '--quick', '--seconds', '0.3', '--runs', '1', '--out', out);
    expect(stderr).toContain('4 of 4');
    // Without the addon there is no pmem to measure: the report says so, and has the rest.
    if (hasCmake && process.env.SYNOD_NATIVE !== '0') expect(status).toBe(0);
    const page = readFileSync(`${out}.html`, 'utf8');
    expect(page).toContain('<svg');
    expect(page).not.toMatch(/(src|href)=/);
    expect(page).toContain('log 0.01 file');
    // Where there is no redis-benchmark, or no pmem, the page says so.
    expect(page).toMatch(/keys 100( SET|: )/);
    const compared = bench('compare', `${out}.json`, `${out}.json`);
    expect(compared.stdout).toContain('too few runs');
    expect(compared.status).toBe(0);
    expect(bench('report', '--only', 'no such case').status).toBe(2);
    writeFileSync(path.join(scratch, 'none.json'), '{}');
    expect(bench('compare', `${out}.json`, path.join(scratch, 'none.json')).status).toBe(2);
  });
});
