/**
 * Aim: the tools see of a stored log just what the replica itself would, whole, torn or damaged; change nothing; and are
 * not misled by a replica that is writing to it.
 */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { parseCommandLine, UsageError } from '../../src/cli/arguments.js';
import { run } from '../../src/cli/run.js';
import { reportLog } from '../../src/tools/log-report.js';
import { type SurveyedRecord, surveyLog, visitRecords } from '../../src/tools/log-survey.js';
import { bytesOf, closeAll, openCluster } from '../application/support.js';

const fixtures = fileURLToPath(new URL('../format/fixtures/v1', import.meta.url));
const roots: string[] = [];

afterEach(async () => {
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

it('prints for people: a line for each record, then what they add up to', async () => {
  const { lines } = await command('log', 'dump', '--dir', dataDirectory('torn'));
  expect(lines[0]).toMatch(/^1:4096 +1 +start +chosen 0 start 1$/);
  expect(lines.join('\n')).toMatch(/verdict +torn\ndetail +segment 1, byte \d+: an interrupted write/);
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
