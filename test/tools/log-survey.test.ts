/**
 * Aim: the tools see of a stored log just what the replica itself would, whole, torn or damaged; change nothing; and are
 * not misled by a replica that is writing to it.
 */

import fs, { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseCommandLine, UsageError } from '../../src/cli/arguments.js';
import { run } from '../../src/cli/run.js';
import { RecordKind } from '../../src/log/format.js';
import { reportLog } from '../../src/tools/log-report.js';
import { type SurveyedRecord, surveyLog, visitRecords } from '../../src/tools/log-survey.js';
import { bytesOf, closeAll, openCluster } from '../application/support.js';
import { BALLOT, commands as decreeOf, writeLog } from './stored-log.js';

const fixtures = fileURLToPath(new URL('../format/fixtures/v1', import.meta.url));
const roots: string[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await closeAll();
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

function makeRoot(): string {
  const root = mkdtempSync(path.join(tmpdir(), 'synod-tools-'));
  roots.push(root);
  return root;
}

/** A data directory with the log of a fixture. */
function dataDirectory(name: string): string {
  const root = makeRoot();
  mkdirSync(path.join(root, 'log'));
  cpSync(path.join(fixtures, name), path.join(root, 'log'), { recursive: true });
  return root;
}

function expectedOf(name: string): { verdict: string; records: readonly object[] } {
  return JSON.parse(readFileSync(path.join(fixtures, name, 'expected.json'), 'utf8'));
}

function recordsOf(dir: string): readonly object[] {
  const records: object[] = [];
  visitRecords(surveyLog(dir), ({ commands, payload, payloadBytes: _, ...record }: SurveyedRecord) => {
    records.push({ ...record, commandCount: commands, payload: Buffer.from(payload).toString('hex') });
  });
  return records;
}

async function command(...args: string[]): Promise<{ code: number; lines: string[]; errors: string[] }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await run(args, {
    line: (text) => void lines.push(...text.split('\n')),
    error: (text) => void errors.push(text),
    progress: () => {},
  });
  return { code, lines, errors };
}

describe.each(['clean', 'torn', 'corrupt'])('a %s log', (name) => {
  it('has the verdict and the records that recovery finds', () => {
    const dir = dataDirectory(name);
    const { verdict, records } = expectedOf(name);
    expect(surveyLog(dir).verdict.kind).toBe(verdict);
    expect(recordsOf(dir).map((record) => ({ ...record, payload: '' }))).toEqual(
      // The content of a pad has no meaning.
      records.map((record) => ({ ...record, payload: '' })),
    );
    expect(surveyLog(dir).records).toBe(records.length);
  });

  it('is dumped and verified by the command, and stays as it was', async () => {
    const dir = dataDirectory(name);
    const { verdict, records } = expectedOf(name);
    const before = readdirSync(path.join(dir, 'log')).map((file) =>
      readFileSync(path.join(dir, 'log', file)),
    );
    const verified = await command('log', 'verify', '--dir', dir, '--json');
    expect(verified.lines.length).toBe(1);
    expect(JSON.parse(verified.lines[0]!)).toMatchObject({ verdict, records: records.length });
    const dumped = await command('log', 'dump', '--dir', dir, '--json');
    expect(dumped.lines.length).toBe(records.length + 1);
    expect(JSON.parse(dumped.lines.at(-1)!)).toEqual(JSON.parse(verified.lines[0]!));
    for (const { code } of [verified, dumped]) expect(code).toBe(verdict === 'corrupt' ? 1 : 0);
    const after = readdirSync(path.join(dir, 'log')).map((file) => readFileSync(path.join(dir, 'log', file)));
    expect(after).toEqual(before);
  });
});

it('dumps the records of some slots only', async () => {
  const dir = dataDirectory('clean');
  const { lines } = await command('log', 'dump', '--dir', dir, '--from', '2', '--to', '3', '--json');
  const slots = lines.slice(0, -1).map((line) => JSON.parse(line).slot as number);
  expect(slots.length).toBeGreaterThan(0);
  expect(slots.every((slot) => slot === 2 || slot === 3)).toBe(true);
});

it('dumps with a jump the slot that it reaches', async () => {
  const dir = makeRoot();
  await writeLog(dir, 64 * 1024, (log) => log.appendJump(1, 7));
  const { lines } = await command('log', 'dump', '--dir', dir, '--from', '7', '--json');
  expect(JSON.parse(lines[0]!)).toMatchObject({ kind: 'jump', slot: 7 });
});

it('prints for people: a line for each record, then what they add up to', async () => {
  const { lines } = await command('log', 'dump', '--dir', dataDirectory('torn'));
  expect(lines[0]).toMatch(/^1:4096 +1 +start +chosen 0 start 1$/);
  expect(lines.join('\n')).toMatch(/verdict +torn\ndetail +segment 1, byte \d+: an interrupted write/);
});

describe('a log whose beginning is gone', () => {
  /** Two segments; the replica made no checkpoint. */
  async function twoSegments(): Promise<{ dir: string; first: string }> {
    const dir = makeRoot();
    for (const slot of [1, 2])
      await writeLog(dir, 64 * 1024, (log) => {
        log.appendDecree(RecordKind.learn, slot, BALLOT, slot, decreeOf(10));
        log.chosen = slot;
      });
    const segments = readdirSync(path.join(dir, 'log'))
      .filter((name) => name.endsWith('.segment'))
      .map((name) => path.join(dir, 'log', name))
      .sort();
    // A replica removes those that were made ahead before it drops any.
    const [first, second, ...more] = segments.filter((file) => {
      const isUsed = readFileSync(file).subarray(0, 8).toString() === 'SYNODSEG';
      if (!isUsed) rmSync(file);
      return isUsed;
    });
    expect([second === undefined, more]).toEqual([false, []]);
    return { dir, first: first! };
  }

  function makeCheckpoint(dir: string, slot: number): void {
    mkdirSync(path.join(dir, 'checkpoints'), { recursive: true });
    fs.writeFileSync(path.join(dir, 'checkpoints', `${String(slot).padStart(16, '0')}.checkpoint`), '');
  }

  it('is corrupt, as it is to the replica, and dumped as far as it goes', async () => {
    const { dir, first } = await twoSegments();
    expect(surveyLog(dir).verdict.kind).toBe('clean');
    rmSync(first);
    const { code, lines } = await command('log', 'dump', '--dir', dir, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({
      verdict: 'corrupt',
      detail: expect.stringContaining('beginning-lost'),
    });
    expect(lines.map((line) => JSON.parse(line).slot)).toContain(2);
  });

  it('is clean where a checkpoint has it, and not where that reaches less far', async () => {
    const { dir, first } = await twoSegments();
    rmSync(first);
    makeCheckpoint(dir, 0);
    expect(reportLog(surveyLog(dir))).toMatchObject({
      verdict: 'corrupt',
      detail: expect.stringContaining('slot 1 is chosen'),
    });
    makeCheckpoint(dir, 1);
    expect(surveyLog(dir).verdict.kind).toBe('clean');
  });

  /** The replica drops the segment when it is opened for the time of that number: for its header, then for its records, and again. */
  function dropAtOpen(dir: string, first: string, time: number): void {
    const { openSync } = fs;
    let opened = 0;
    vi.spyOn(fs, 'openSync').mockImplementation((...args: Parameters<typeof openSync>) => {
      if (args[0] === first) opened += 1;
      if (opened === time) {
        makeCheckpoint(dir, 1);
        rmSync(first, { force: true });
      }
      return openSync(...args);
    });
    syncBuiltinESMExports();
  }

  it.each([1, 2])(
    'is looked at once more where the replica drops it meanwhile, opened %i times',
    async (time) => {
      const { dir, first } = await twoSegments();
      dropAtOpen(dir, first, time);
      expect(reportLog(surveyLog(dir))).toMatchObject({ verdict: 'clean', segments: 1, lastSlot: 2 });
      expect(fs.existsSync(first)).toBe(false);
    },
  );

  it.each([3, 4])(
    'is not dumped where the replica drops it meanwhile, opened %i times, which is told',
    async (time) => {
      const { dir, first } = await twoSegments();
      const { records } = surveyLog(dir);
      dropAtOpen(dir, first, time);
      const { code, lines, errors } = await command('log', 'dump', '--dir', dir, '--json');
      expect(fs.existsSync(first)).toBe(false);
      expect(code).toBe(0);
      const dumped = lines.length - 1;
      expect(dumped).toBeLessThan(records);
      expect(errors).toEqual([`synod: the replica dropped ${records - dumped} of the records meanwhile`]);
    },
  );
});

describe('where there is no log', () => {
  it('says so, by the code', async () => {
    const root = makeRoot();
    expect(() => surveyLog(root)).toThrow(expect.objectContaining({ code: 'ERR_SYNOD_DATA_DIRECTORY' }));
    mkdirSync(path.join(root, 'log'));
    const { code, errors } = await command('log', 'verify', '--dir', root);
    expect(code).toBe(1);
    expect(errors.join()).toContain('no log segments');
  });
});

describe('the command line', () => {
  it.each([
    ['log'],
    ['log', 'cut'],
    ['log', 'verify'],
    ['log', 'verify', '--dir', 'a', '--config', 'b'],
    ['log', 'verify', '--dir', ''],
    ['log', 'verify', '--dir', 'a', '--from', '1'],
    ['log', 'dump', '--dir', 'a', '--from', 'x'],
  ])('refuses %s %s %s %s', (...args) => {
    expect(() => parseCommandLine(args.filter((each) => each !== undefined))).toThrow(UsageError);
  });
});

it('is not misled by replicas that are writing', async () => {
  const root = makeRoot();
  const ids = ['a', 'b', 'c'];
  const members = await openCluster(3, { storage: { kind: 'file', segmentBytes: 1024 * 1024 } }, (id) => ({
    dataDir: path.join(root, id),
  }));
  const { replica } = members[0]!;
  let done = 0;
  let lastSlot = 0;
  for (let round = 0; round < 40; round += 1) {
    const results = Array.from({ length: 200 }, (_, index) =>
      replica.replicate(bytesOf(`${round}/${index}/${'x'.repeat(200)}`)),
    );
    // In the middle of the burst, the log grows between one read and the next.
    await results[0];
    const report = reportLog(surveyLog(path.join(root, ids[round % 3]!)));
    expect(report.detail === null || report.verdict === 'torn', `${report.detail}`).toBe(true);
    if (round % 3 === 0) {
      expect(report.lastSlot).toBeGreaterThanOrEqual(lastSlot);
      lastSlot = report.lastSlot;
    }
    await Promise.all(results);
    done += results.length;
  }
  expect(statSync(path.join(root, 'a/log')).isDirectory()).toBe(true);
  await closeAll();
  let commands = 0;
  const survey = surveyLog(path.join(root, 'a'));
  visitRecords(survey, (record) => {
    commands += record.commands;
  });
  expect(survey.verdict.kind).toBe('clean');
  expect(commands).toBeGreaterThanOrEqual(done);
}, 60_000);
