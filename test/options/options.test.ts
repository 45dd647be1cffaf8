/**
 * Aim: every option is checked, every mistake is named by its path, and nothing of the result can be changed.
 * Method: start from valid options, change one thing, compare the path; then generated garbage.
 */

import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SynodError } from '../../src/errors.js';
import { type Limits, limitBounds } from '../../src/limits.js';
import { silentLogger } from '../../src/logger.js';
import { describeValue } from '../../src/option-checker.js';
import { optionKeys, type ReplicaOptions, validateOptions } from '../../src/options.js';

const member = (id: string, port: number) => ({ id, address: `127.0.0.1:${port}` });

const valid = (): ReplicaOptions => ({
  cluster: 'demo',
  replica: 'a',
  members: [member('a', 7101), member('b', 7102), member('c', 7103)],
  dataDir: 'data/a',
});

function refusal(input: unknown): SynodError {
  try {
    validateOptions(input);
  } catch (error) {
    expect(SynodError.is(error)).toBe(true);
    const refused = error as SynodError;
    expect(refused.code).toBe('ERR_SYNOD_OPTION');
    return refused;
  }
  throw new Error(`was accepted: ${describeValue(input)}`);
}

it('names some of the mistakes where there are very many, in bounded text and time', () => {
  const garbage = Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`key${index}`, index]));
  const { message, path } = refusal({ ...valid(), ...garbage });
  expect(path).toBe('key0');
  expect(message).toMatch(/key31: .*; and 199968 more$/s);
  expect(message.length).toBeLessThan(20_000);
  expect(refusal({ ...valid(), ['k'.repeat(1_000_000)]: 1 }).message.length).toBeLessThan(1000);
});

/** `valid()` with the value at a path replaced. */
function altered(path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(valid()) as unknown as Record<string | number, unknown>;
  let place = copy;
  for (const step of path.slice(0, -1)) {
    place[step] ??= {};
    place = place[step] as Record<string | number, unknown>;
  }
  place[path.at(-1)!] = value;
  return copy;
}

describe('valid options', () => {
  it('are completed with the defaults', () => {
    const options = validateOptions(valid());
    expect(options).toMatchObject({
      cluster: 'demo',
      replica: 'a',
      members: [
        { id: 'a', address: { host: '127.0.0.1', port: 7101 } },
        { id: 'b', address: { host: '127.0.0.1', port: 7102 } },
        { id: 'c', address: { host: '127.0.0.1', port: 7103 } },
      ],
      dataDir: resolve('data/a'),
      listen: { host: '127.0.0.1', port: 7101 },
      storage: { kind: 'auto', allowVolatile: false, segmentBytes: 64 * 1024 * 1024 },
      transport: { kind: 'auto' },
      engine: 'worker',
      electionTimeoutMs: 300,
      heartbeatMs: 50,
    });
    for (const name of Object.keys(limitBounds) as (keyof Limits)[]) {
      expect(options.limits[name]).toBe(limitBounds[name].default);
    }
  });

  it('keep what was chosen', () => {
    const options = validateOptions({
      ...valid(),
      listen: '0.0.0.0:7101',
      storage: { kind: 'pmem', allowVolatile: true, segmentBytes: 1024 * 1024 },
      transport: { kind: 'tcp' },
      engine: 'inline',
      electionTimeoutMs: 1000,
      heartbeatMs: 500,
      limits: { pipelineDecreesMax: 7 },
      logger: silentLogger,
    });
    expect(options.storage).toEqual({ kind: 'pmem', allowVolatile: true, segmentBytes: 1024 * 1024 });
    expect(options.listen).toEqual({ host: '0.0.0.0', port: 7101 });
    expect(options.transport.kind).toBe('tcp');
    expect(options.engine).toBe('inline');
    expect(options.heartbeatMs).toBe(500);
    expect(options.limits.pipelineDecreesMax).toBe(7);
    expect(options.logger).toBe(silentLogger);
  });

  it('need no members, but then an address to listen on', () => {
    const { members: _, ...rest } = valid();
    expect(validateOptions({ ...rest, listen: '127.0.0.1:7101' })).toMatchObject({
      members: [],
      listen: { host: '127.0.0.1', port: 7101 },
    });
    expect(refusal(rest).path).toBe('listen');
  });

  it('may carry undefined where a key is optional', () => {
    const input: ReplicaOptions = {
      ...valid(),
      storage: undefined,
      limits: { fetchBytesMax: undefined },
      logger: undefined,
    };
    expect(validateOptions(input).limits.fetchBytesMax).toBe(limitBounds.fetchBytesMax.default);
  });

  it.each([1, 2, 3, 4, 5, 6, 7])('may name %i members', (count) => {
    const members = Array.from({ length: count }, (_, index) => member(`m${index}`, 7101 + index));
    expect(validateOptions({ ...valid(), replica: 'm0', members }).members).toHaveLength(count);
  });

  it('need no data directory on memory, and keep it where there is one', () => {
    const { dataDir: _, ...rest } = valid();
    expect(validateOptions({ ...rest, storage: { kind: 'memory' } }).dataDir).toBeNull();
    expect(validateOptions({ ...valid(), storage: { kind: 'memory' } }).dataDir).toBe(resolve('data/a'));
  });

  it('are frozen at every level and independent of the input', () => {
    const input = valid();
    const options = validateOptions(input);
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || value === options.logger) return;
      expect(Object.isFrozen(value)).toBe(true);
      for (const inner of Object.values(value)) walk(inner);
    };
    walk(options);
    (input.members![0] as { address: string }).address = '127.0.0.1:1';
    expect(options.members[0]!.address.port).toBe(7101);
  });

  it('without the logger can be sent to a worker', () => {
    const { logger: _, ...rest } = validateOptions(valid());
    expect(structuredClone(rest)).toEqual(rest);
  });

  it('lists every key of the public type', () => {
    const every: Required<{ [Key in keyof ReplicaOptions]: true }> = {
      cluster: true,
      replica: true,
      members: true,
      dataDir: true,
      listen: true,
      resolve: true,
      storage: true,
      transport: true,
      engine: true,
      electionTimeoutMs: true,
      heartbeatMs: true,
      leadership: true,
      leases: true,
      checkpoints: true,
      alerts: true,
      limits: true,
      logger: true,
    };
    expect([...optionKeys].sort()).toEqual(Object.keys(every).sort());
  });
});

describe('a mistake is named by its path and shows the value', () => {
  const idValues: unknown[] = ['', 'a b', 'ä', 'a'.repeat(64), 'a/b', '../a', 'a\n', 7, null, undefined, {}];
  const addressValues: unknown[] = [
    '',
    'nowhere',
    ':7101',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    'h:7x',
    7101,
    null,
    undefined,
  ];
  const notObjects: unknown[] = [
    null,
    7,
    'text',
    true,
    [],
    new Map([['kind', 'auto']]),
    new Date(0),
    Object(8192),
    Promise.resolve({ kind: 'auto' }),
  ];
  const cases: [(string | number)[], unknown[], string?][] = [
    [['cluster'], idValues],
    [['replica'], [...idValues, 'd']],
    [
      ['members'],
      [null, {}, [], 'a', Array.from({ length: 8 }, (_, index) => member(`${index}`, index + 1))],
    ],
    [['members', 1], [undefined, ...notObjects], 'members[1]'],
    [['members', 2, 'address'], [...addressValues, '127.0.0.1:7101'], 'members[2].address'],
    [['members', 1, 'id'], [...idValues, 'a'], 'members[1].id'],
    [['members', 1, 'port'], [1], 'members[1].port'],
    [['dataDir'], [undefined, null, '', 7, 'a\0b']],
    [['listen'], addressValues.filter((value) => value !== undefined)],
    [['storage'], notObjects],
    [['storage', 'kind'], ['disk', 'FILE', null, 7], 'storage.kind'],
    [['storage', 'allowVolatile'], ['yes', 1, null], 'storage.allowVolatile'],
    [
      ['storage', 'segmentBytes'],
      [0, 1024, 1_048_577, 3 * 1024 * 1024, 2 ** 29, 1.5, '1048576', Number.NaN, null],
      'storage.segmentBytes',
    ],
    [['storage', 'path'], ['/x'], 'storage.path'],
    [['transport'], notObjects],
    [['transport', 'kind'], ['memory', 'rdma', null], 'transport.kind'],
    [['transport', 'tls'], [null, 7, true, []], 'transport.tls'],
    [['engine'], ['thread', null, 1]],
    [['electionTimeoutMs'], [49, 60_001, 1.5, '300', null, Number.NaN, Number.POSITIVE_INFINITY]],
    [['heartbeatMs'], [0, 151, -1, '50', null]],
    [['alerts'], notObjects],
    [['alerts', 'everyMs'], [99, 3_600_001, '1000', null], 'alerts.everyMs'],
    [['alerts', 'freeCheckpointsMin'], [-1, 17, 1.5], 'alerts.freeCheckpointsMin'],
    [['alerts', 'logBytesMax'], [0, -1, 2 ** 53], 'alerts.logBytesMax'],
    [['alerts', 'logBytes'], [1], 'alerts.logBytes'],
    [['limits'], notObjects],
    [['limits', 'pipelineDecreesMax'], [0, 4097, '8', null], 'limits.pipelineDecreesMax'],
    [['limits', 'pipelineDecreeMax'], [8], 'limits.pipelineDecreeMax'],
    [['resolve'], [null, 'dns', {}]],
    [['logger'], [null, {}, console.log, { info() {}, warn() {} }]],
    [['electionTimeoutMS'], [300]],
    [['kv'], [{ listen: '127.0.0.1:6401' }]],
  ];
  for (const [path, values, expected] of cases) {
    for (const value of values) {
      it(`${expected ?? path.join('.')} = ${describeValue(value)}`, () => {
        const error = refusal(altered(path, value));
        expect(error.path).toBe(expected ?? path.join('.'));
        expect(error.message).toContain(describeValue(value));
      });
    }
  }

  it('TLS, without showing what may be a key', () => {
    const key = '-----BEGIN PRIVATE KEY-----';
    const path = (tls: unknown): string | undefined => {
      const error = refusal(altered(['transport', 'tls'], tls));
      expect(error.message).not.toContain('BEGIN');
      return error.path;
    };
    expect(path({})).toBe('transport.tls.certificate');
    expect(path({ certificate: 'x', ca: 'y' })).toBe('transport.tls.key');
    expect(path({ certificate: 'x', ca: 'y', key, kez: key })).toBe('transport.tls.kez');
    expect(path(key)).toBe('transport.tls');
    expect(path([key])).toBe('transport.tls');
    const both = altered(['transport'], { kind: 'uring', tls: { certificate: 'x', ca: 'y', key } });
    expect(refusal(both).path).toBe('transport.kind');
  });

  it('a key in the wrong place, without showing it', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nsecret';
    const places: readonly (readonly [readonly string[], unknown])[] = [
      [['tls'], { certificate: 'x', key }],
      [['transport', 'key'], key],
      [['transport'], key],
      [['members'], [key]],
    ];
    for (const [path, value] of places) {
      const error = refusal(altered(path, value));
      expect(error.message, path.join('.')).not.toContain('secret');
    }
  });

  it('a value that cannot be shown', () => {
    const value = {
      get [Symbol.toStringTag](): string {
        throw new Error('not for you');
      },
    };
    expect(refusal(altered(['cluster'], value))).toMatchObject({ code: 'ERR_SYNOD_OPTION', path: 'cluster' });
  });

  it.each([undefined, null, 7, 'x', [], () => {}])('the options themselves: %s', (input) => {
    expect(refusal(input).message).toContain('expected an object');
  });

  it('every bound of every limit is kept on both sides', () => {
    for (const [name, { min, max }] of Object.entries(limitBounds)) {
      for (const value of [min - 1, max + 1, min + 0.5]) {
        expect(refusal(altered(['limits', name], value)).path).toBe(`limits.${name}`);
      }
    }
  });

  it('relations between limits are kept', () => {
    const mebibyte = 1024 * 1024;
    const conflicts: [Partial<Limits>, number, keyof Limits][] = [
      [{ commandBytesMax: mebibyte, decreeBytesMax: mebibyte }, 64, 'decreeBytesMax'],
      [{ decreeBytesMax: mebibyte }, 1, 'decreeBytesMax'],
      [{ pipelineBytesMax: mebibyte }, 64, 'pipelineBytesMax'],
      [{ outstandingBytesMax: mebibyte - 1 }, 64, 'outstandingBytesMax'],
      [{ sendQueueBytesMax: 16 * mebibyte }, 64, 'sendQueueBytesMax'],
      [{ fetchBytesMax: mebibyte }, 64, 'fetchBytesMax'],
    ];
    for (const [limits, segmentMebibytes, name] of conflicts) {
      const error = refusal({ ...valid(), limits, storage: { segmentBytes: segmentMebibytes * mebibyte } });
      expect(error.path).toBe(`limits.${name}`);
    }
  });

  it('suggests the key that was meant', () => {
    expect(refusal(altered(['electionTimeoutMS'], 1)).message).toContain('"electionTimeoutMs"');
    expect(refusal(altered(['storage', 'knd'], 'file')).message).toContain('"kind"');
    expect(refusal(altered(['zzzzzzzz'], 1)).message).toContain('one of cluster, replica');
  });

  it('finds a misspelt key among those that are inherited, whose values count', () => {
    const inheriting = (defaults: object): object => Object.assign(Object.create(defaults), valid());
    expect(validateOptions(inheriting({ electionTimeoutMs: 500 })).electionTimeoutMs).toBe(500);
    expect(refusal(inheriting({ electionTimeoutMS: 500 })).path).toBe('electionTimeoutMS');
  });

  it('reports all mistakes at once, the first one as the path', () => {
    const error = refusal({ ...valid(), cluster: '', engine: 'x', limits: { fetchBytesMax: 0 }, more: 1 });
    expect(error.path).toBe('more');
    for (const path of ['cluster', 'engine', 'limits.fetchBytesMax', 'more'])
      expect(error.message).toContain(`${path}: `);
    expect(error.message).not.toContain('\n');
  });

  it('takes no members for whose ids and addresses a segment header has no room', () => {
    const host = (letter: string): string => `${letter.repeat(60)}.`.repeat(4).slice(0, 230);
    const members = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => ({ id, address: `${host(id)}:7101` }));
    expect(refusal({ ...valid(), members }).path).toBe('members');
    expect(validateOptions({ ...valid(), members: members.slice(0, 3) }).members).toHaveLength(3);
  });

  it('does not report a replica as missing where the members are wrong', () => {
    const error = refusal({ ...valid(), members: [{ id: 'a', address: 'x' }] });
    expect(error.path).toBe('members[0].address');
    expect(error.message).not.toContain('replica: ');
  });

  it('finds holes in the list of members', () => {
    const members = new Array(3);
    members[0] = member('a', 7101);
    expect(refusal({ ...valid(), members }).path).toBe('members[1]');
  });

  it('refuses keys that JSON can smuggle in', () => {
    expect(refusal(JSON.parse('{"__proto__": {"cluster": "x"}}')).message).toContain('__proto__');
  });

  it('shows long values cut to one line', () => {
    const error = refusal({ ...valid(), cluster: 'x\n'.repeat(100_000) });
    expect(error.message.length).toBeLessThan(1000);
    expect(error.message).not.toContain('\n');
  });
});

describe('generated', () => {
  it('anything at all is accepted or refused with the typed error', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withNullPrototype: true,
          withTypedArray: true,
        }),
        (input) => {
          expect(refusal(input).path).toBeDefined();
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('anything at any one place is accepted or refused with a path that begins there', () => {
    const places: (string | number)[][] = [
      ...optionKeys.map((key) => [key]),
      ['members', 0],
      ['members', 2, 'id'],
      ['members', 2, 'address'],
      ['storage', 'kind'],
      ['storage', 'segmentBytes'],
      ...Object.keys(limitBounds).map((name) => ['limits', name]),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.anything(), (place, value) => {
        let options: unknown;
        try {
          options = validateOptions(altered(place, value));
        } catch (error) {
          expect(SynodError.is(error) && error.path !== undefined).toBe(true);
          return;
        }
        expect(Object.isFrozen(options)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it('whatever is accepted obeys the relations', () => {
    const bytes = (name: keyof Limits) =>
      fc.option(fc.integer({ min: limitBounds[name].min, max: Math.min(limitBounds[name].max, 2 ** 28) }), {
        nil: undefined,
      });
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 28 }),
        fc.record({
          commandBytesMax: bytes('commandBytesMax'),
          decreeBytesMax: bytes('decreeBytesMax'),
          pipelineBytesMax: bytes('pipelineBytesMax'),
          fetchBytesMax: bytes('fetchBytesMax'),
        }),
        (exponent, limits) => {
          let result: Limits;
          try {
            result = validateOptions({ ...valid(), storage: { segmentBytes: 2 ** exponent }, limits }).limits;
          } catch (error) {
            expect((error as SynodError).code).toBe('ERR_SYNOD_OPTION');
            return;
          }
          accepted += 1;
          expect(result.commandBytesMax).toBeLessThan(result.decreeBytesMax);
          expect(result.decreeBytesMax).toBeLessThan(2 ** exponent);
          expect(result.decreeBytesMax).toBeLessThanOrEqual(result.pipelineBytesMax);
          expect(result.decreeBytesMax).toBeLessThanOrEqual(result.fetchBytesMax);
          expect(result.sendQueueBytesMax).toBeGreaterThan(result.pipelineBytesMax);
        },
      ),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });
});
