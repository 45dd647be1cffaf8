/** Aim: one line per event whatever is logged, in the order of the fields, and never an exception. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SynodError } from '../../src/errors.js';
import {
  createLogger,
  type Logger,
  type LoggerOptions,
  logLevels,
  silentLogger,
  unthrowing,
} from '../../src/logger.js';

function capture(options: LoggerOptions = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    replica: 'a',
    level: 'trace',
    form: 'json',
    now: () => new Date(0),
    write: (line) => void lines.push(line),
    ...options,
  });
  return { logger, lines };
}

describe('JSON lines', () => {
  it('carry time, level, replica, event, then the fields', () => {
    const { logger, lines } = capture();
    logger.info({ peer: 'b', count: 3 }, 'peer connected');
    expect(lines).toEqual([
      '{"time":"1970-01-01T00:00:00.000Z","level":"info","replica":"a","event":"peer connected","peer":"b","count":3}\n',
    ]);
  });

  it('leave the replica out where there is none', () => {
    const lines: string[] = [];
    createLogger({ form: 'json', now: () => new Date(0), write: (line) => void lines.push(line) }).warn(
      {},
      'x',
    );
    expect(JSON.parse(lines[0]!)).toEqual({ time: '1970-01-01T00:00:00.000Z', level: 'warn', event: 'x' });
  });

  it('move fields aside that bear a reserved name', () => {
    const { logger, lines } = capture();
    logger.info({ level: 9, event: 'other' }, 'x');
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'info', event: 'x', _level: 9, _event: 'other' });
  });

  it('show errors as data, with code, path and causes', () => {
    const { logger, lines } = capture();
    const cause = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    logger.error(
      { error: new SynodError('ERR_SYNOD_STORAGE_FULL', 'full', { cause, path: '/d', offset: 7 }) },
      'x',
    );
    expect(JSON.parse(lines[0]!).error).toMatchObject({
      name: 'SynodError',
      code: 'ERR_SYNOD_STORAGE_FULL',
      message: 'full',
      path: '/d',
      offset: 7,
      cause: { message: 'no space', code: 'ENOSPC' },
    });
    logger.error(new Error('plain'), 'y');
    expect(JSON.parse(lines[1]!).error.message).toBe('plain');
  });

  it('end at a bounded depth where causes form a ring', () => {
    const { logger, lines } = capture();
    const ring = new Error('ring');
    ring.cause = ring;
    logger.error({ error: ring }, 'x');
    expect(lines[0]!.length).toBeLessThan(20_000);
    JSON.parse(lines[0]!);
  });

  it('name what cannot be written, and keep the other fields', () => {
    const { logger, lines } = capture();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const throwing = Object.defineProperty({ kept: 1 }, 'bad', {
      enumerable: true,
      get() {
        throw new Error('no');
      },
    });
    logger.info(
      {
        cycle,
        big: 7n,
        bytes: new Uint8Array(5),
        buffers: [Buffer.from('key')],
        map: new Map([['k', 1]]),
        set: new Set([1]),
        kept: 2,
      },
      'x',
    );
    logger.info(throwing, 'y');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      cycle: expect.stringContaining('not loggable'),
      big: '7',
      bytes: '<5 bytes>',
      buffers: ['<3 bytes>'],
      map: { k: 1 },
      set: [1],
      kept: 2,
    });
    expect(JSON.parse(lines[1]!)).toMatchObject({ kept: 1, bad: '<not readable>' });
  });

  it('are one line each, whatever is logged', () => {
    fc.assert(
      fc.property(
        fc.object({ withBigInt: true, withMap: true, withSet: true, withDate: true, withTypedArray: true }),
        fc.string(),
        (fields, event) => {
          const { logger, lines } = capture();
          logger.info(fields, event);
          expect(lines).toHaveLength(1);
          expect(lines[0]!.indexOf('\n')).toBe(lines[0]!.length - 1);
          expect(JSON.parse(lines[0]!).event).toBe(event);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('levels', () => {
  it.each(logLevels)('from %s on', (level) => {
    const { logger, lines } = capture({ level });
    for (const each of logLevels) logger[each]({}, each);
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(logLevels.slice(logLevels.indexOf(level)));
  });

  it.each([
    ['level', 'warning'],
    ['level', ''],
    ['level', null],
    ['level', 'toString'],
    ['form', 'text'],
  ])('%s = %s is refused', (path, value) => {
    expect(() => createLogger({ [path]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_OPTION', path }),
    );
  });

  it('silent drops everything', () => {
    for (const each of logLevels) silentLogger[each]({}, 'x');
    const { logger, lines } = capture({ level: 'silent' });
    logger.fatal({}, 'x');
    expect(lines).toEqual([]);
  });
});

it('a logger of the host that throws, or rejects, ends nothing', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const calls: string[] = [];
  const each = (fail: (level: string) => unknown) =>
    Object.fromEntries(logLevels.map((level) => [level, () => fail(level)]));
  const throwing = (level: string): never => {
    calls.push(level);
    throw new Error(level);
  };
  const loggers = [each(throwing), each(async (level) => throwing(level))] as unknown as Logger[];
  for (const logger of loggers.map(unthrowing)) for (const level of logLevels) logger[level]({}, 'x');
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off('unhandledRejection', unhandled);
  expect(calls).toEqual([...logLevels, ...logLevels]);
  expect(unhandled).not.toHaveBeenCalled();
});

describe('the form for people', () => {
  it('is one line with the event first', () => {
    const { logger, lines } = capture({ form: 'pretty' });
    logger.warn({ peer: 'b', text: 'two words\nand a line' }, 'peer lost');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escapes that colour the line.
    const plain = lines[0]!.replaceAll(/\u001b\[[0-9;]*m/g, '');
    expect(plain).toBe('00:00:00.000 warn  [a] peer lost peer=b text="two words\\nand a line"\n');
  });
});

describe('standard error', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'synod-logger-'));
    for (const name of ['logger', 'errors']) {
      const source = readFileSync(new URL(`../../src/${name}.ts`, import.meta.url), 'utf8');
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      writeFileSync(path.join(folder, `${name}.js`), outputText);
    }
    writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('that nobody reads any more takes no process with it, and still ends one that writes there itself', async () => {
    const script = `
      import { createLogger } from ${JSON.stringify(path.join(folder, 'logger.js'))};
      const logger = createLogger({ form: 'json' });
      const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
      process.stdin.once('data', async () => {
        for (let line = 0; line < 20; line += 1) {
          logger.warn({ line }, 'x'.repeat(100));
          await turn();
        }
        const listeners = process.stderr.listenerCount('error');
        process.stdout.write('logged, listeners ' + listeners + ' ', () => {
          process.once('uncaughtException', ({ code }) => process.stdout.write(code, () => process.exit(0)));
          process.stderr.write('own');
        });
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let told = '';
    child.stdout.on('data', (text) => {
      told += text;
    });
    child.stderr.destroy();
    await once(child.stderr, 'close');
    child.stdin.write('go');
    const [code] = await once(child, 'exit');
    expect([told, code]).toEqual(['logged, listeners 0 EPIPE', 0]);
  });
});
