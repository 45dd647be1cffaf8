/**
 * Aim: a recovery that comes to nothing half-way, wherever that is, leaves no replica that takes what was invented for chosen, and another run
 * comes to what the first one would have. Method: the disk has no space from one call on.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { RecordKind } from '../../src/log/format.js';
import { surveyLog, visitRecords } from '../../src/tools/log-survey.js';
import { openRecovery } from '../../src/tools/recover.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { BALLOT, commands, KIBIBYTE, one, writeLog } from './stored-log.js';
import { cleanUp, command, makeRoot, openStored } from './support.js';

const SEGMENT_BYTES = 96 * KIBIBYTE;

afterEach(async () => {
  haveSpace();
  await cleanUp();
});

function haveSpace(): void {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
}

/** From the call `count` on that writes to the audit or begins a segment, there is no space. */
function fillUpAtCall(count: number): void {
  let calls = 0;
  const isFull = (): boolean => {
    calls += 1;
    return calls > count;
  };
  const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  const { open, writeSync } = fs;
  vi.spyOn(fs, 'open').mockImplementation(((file: string, flags: string, done: (error: Error) => void) => {
    if (file.endsWith('.segment.new') && isFull()) setImmediate(done, full());
    else open(file, flags, done as never);
  }) as never);
  vi.spyOn(fs, 'writeSync').mockImplementation(((...args: Parameters<typeof writeSync>) => {
    if (fs.readlinkSync(`/proc/self/fd/${args[0]}`).endsWith('.jsonl') && isFull()) throw full();
    return writeSync(...args);
  }) as never);
  syncBuiltinESMExports();
}

/** Slot 1 never came here: the others chose it. Slots 2 and 3 were accepted here; a segment has room for one of them. */
async function holedLog(): Promise<string> {
  const dir = makeRoot();
  await writeLog(dir, SEGMENT_BYTES, (log) =>
    log.append(RecordKind.genesis, 1, 0, 0, encodeConfiguration(one)),
  );
  for (const slot of [2, 3])
    await writeLog(dir, SEGMENT_BYTES, (log) => {
      log.appendDecree(RecordKind.accept, slot, BALLOT, slot, commands(50 * KIBIBYTE));
      log.promised = BALLOT;
    });
  return dir;
}

async function recover(dir: string): Promise<{ holes: number; kept: number; isContinued: boolean }> {
  const recovery = await openRecovery(dir);
  try {
    await recovery.carryOut();
    const { holes, kept } = recovery.plan;
    return { holes, kept, isContinued: recovery.isContinued };
  } finally {
    await recovery.close();
  }
}

/** What the log says of each slot in the end: kind, ballot and bytes of what was learned last. */
function learned(dir: string): string[] {
  const survey = surveyLog(dir);
  const last = new Map<number, string>();
  visitRecords(survey, ({ kind, slot, decreeKind, ballot, payload }) => {
    if (kind === RecordKind.learn)
      last.set(slot, `${slot} ${decreeKind} ${ballot} ${Buffer.from(payload).toString('base64')}`);
  });
  return [...last.values(), `chosen ${survey.state.chosenThrough}`];
}

function auditOf(dir: string): Record<string, unknown>[] {
  const text = fs.readFileSync(path.join(dir, 'recoveries.jsonl'), 'utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

it('a recovery that fails does not say that it was done', async () => {
  const dir = await holedLog();
  fillUpAtCall(2);
  const failed = await command('recover', '--dir', dir, '--accept-data-loss', '--json');
  haveSpace();
  expect(failed).toMatchObject({ code: 1, lines: [] });
  const done = await command('recover', '--dir', dir, '--accept-data-loss', '--json');
  expect(done.lines.length).toBe(1);
  expect(done.json()).toMatchObject({ continued: true, done: true });
});

it('a recovery goes on, wherever space ran out, and comes to the same with the same account of what is lost', async () => {
  const whole = await holedLog();
  expect(await recover(whole)).toEqual({ holes: 1, kept: 2, isContinued: false });
  const expected = learned(whole);
  expect(expected.at(-1)).toBe('chosen 4');
  let halfWritten = 0;
  for (let count = 0; ; count += 1) {
    const dir = await holedLog();
    fillUpAtCall(count);
    const failure = await recover(dir).then(
      () => null,
      (error: { code: string }) => error.code,
    );
    haveSpace();
    if (failure === null) break;
    expect(failure, `call ${count}`).toBe('ERR_SYNOD_STORAGE_FULL');
    const isBegun = count > 0;
    const { chosenThrough } = surveyLog(dir).state;
    if (chosenThrough > 0 && chosenThrough < 4) halfWritten += 1;
    const refused = await openStored(path.dirname(dir), [path.basename(dir)]).catch((error) => error);
    if (isBegun)
      expect(refused, `call ${count}`).toMatchObject({
        code: 'ERR_SYNOD_DATA_DIRECTORY',
        message: expect.stringContaining('run synod recover again'),
      });
    // Asked what it would do, it tells of the first plan, and changes nothing.
    const planned = await command('recover', '--dir', dir, '--json');
    expect(planned.json(), `call ${count}`).toMatchObject({ holes: 1, kept: 2, continued: isBegun });
    expect(await recover(dir), `call ${count}`).toEqual({ holes: 1, kept: 2, isContinued: isBegun });
    expect(learned(dir), `call ${count}`).toEqual(expected);
    expect(auditOf(dir).map(({ state, holes }) => [state, holes])).toEqual(
      [...(isBegun ? ['begun'] : []), 'begun', 'done'].map((state) => [state, 1]),
    );
  }
  expect(halfWritten).toBeGreaterThan(0);
});

it('a plan is not gone on with in a log that is not the one it was made for', async () => {
  const dir = await holedLog();
  fillUpAtCall(1);
  await expect(recover(dir)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FULL' });
  haveSpace();
  const audit = path.join(dir, 'recoveries.jsonl');
  const [begun] = auditOf(dir);
  for (const change of [
    { incarnation: '66'.repeat(16) },
    { cluster: 'other' },
    { chosen: 1 },
    { next: {} },
  ]) {
    fs.writeFileSync(audit, `${JSON.stringify({ ...begun, ...change })}\n`);
    await expect(openRecovery(dir), JSON.stringify(change)).rejects.toMatchObject({
      code: 'ERR_SYNOD_DATA_DIRECTORY',
    });
  }
});

it('a replica opens behind recoveries that are done, also those of builds that wrote one line, and one that was cut short', async () => {
  const root = makeRoot();
  const [stored] = await openStored(root, ['a']);
  await stored!.replica.close();
  const audit = path.join(stored!.dir, 'recoveries.jsonl');
  const line = (state?: string): string => `${JSON.stringify({ state, replica: 'a' })}\n`;
  const opening = async (text: string): Promise<string> => {
    fs.writeFileSync(audit, text);
    try {
      const [again] = await openStored(root, ['a']);
      await again!.replica.close();
      return 'opened';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  for (const done of [
    line(),
    `${line('begun')}${line('done')}`,
    `${line('begun')}${line()}`,
    // Nothing was written into the log before the line was whole.
    line('begun').slice(0, -1),
    `${line()}${line('begun').slice(0, 9)}`,
  ])
    expect(await opening(done), done).toBe('opened');
  for (const begun of [
    line('begun'),
    `${line('done')}${line('begun')}`,
    `${line('begun')}${line('done').slice(0, -5)}`,
    `${line('begun').slice(0, 9)}\n${line('begun')}`,
  ])
    expect(await opening(begun), begun).toBe('ERR_SYNOD_DATA_DIRECTORY');
  // And the folder was given back each time.
  expect(await opening(line())).toBe('opened');
});

it('a line that was cut short does not swallow the next one', async () => {
  const dir = await holedLog();
  const audit = path.join(dir, 'recoveries.jsonl');
  fs.writeFileSync(audit, '{"at":"2026');
  await recover(dir);
  const lines = fs.readFileSync(audit, 'utf8').trim().split('\n');
  expect(lines.slice(1).map((text) => JSON.parse(text).state)).toEqual(['begun', 'done']);
});
