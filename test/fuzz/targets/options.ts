/** Options as a program gives them: any value at any place, also such as JSON does not have. */

import { Membership } from '../../../src/application/membership.js';
import { checkClientOptions } from '../../../src/client/client-options.js';
import { checkServiceOptions } from '../../../src/client/service-options.js';
import { type ErrorCode, SynodError } from '../../../src/errors.js';
import { checkServerOptions } from '../../../src/kv/server-options.js';
import { limitBounds } from '../../../src/limits.js';
import { validateOptions } from '../../../src/options.js';
import { reconfigure } from '../../../src/protocol/configuration.js';
import type { MemberChange } from '../../../src/protocol/reconfiguration.js';
import { decodeConfiguration, encodeConfiguration } from '../../../src/wire/configuration-codec.js';
import { silentLogger } from '../../application/support.js';
import { Choices, type FuzzTarget, must } from '../target.js';

const names: readonly string[] = [
  'cluster',
  'replica',
  'members',
  'id',
  'address',
  'dataDir',
  'listen',
  'storage',
  'kind',
  'allowVolatile',
  'segmentBytes',
  'transport',
  'engine',
  'electionTimeoutMs',
  'heartbeatMs',
  'limits',
  'logger',
  ...Object.keys(limitBounds),
  'commandBytesMax',
  'batchBytes',
  'nowMs',
  'onEvent',
  '__proto__',
  'constructor',
  'toString',
  '',
  'Cluster',
  'x',
];
const strings: readonly string[] = [
  'a',
  'b',
  'demo',
  '127.0.0.1:7101',
  '127.0.0.1:7102',
  '[::1]:9',
  'auto',
  'memory',
  'file',
  'uring',
  'pmem',
  'tcp',
  'inline',
  'worker',
  '',
  '\0',
  'x'.repeat(5000),
  'data',
  '\ud800',
];
const numbers: readonly number[] = [
  0,
  -0,
  1,
  -1,
  2,
  50,
  300,
  4096,
  65_536,
  1_048_576,
  67_108_864,
  2 ** 31,
  2 ** 53,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  0.5,
  1e300,
];

function strange(choices: Choices): unknown {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  return choices.pick<() => unknown>([
    () => 10n ** 400n,
    () => Symbol('s'),
    () => () => 1,
    () => new Date(Number.NaN),
    () => new Proxy({}, {}),
    () => cycle,
    () => new Array(1e6),
    () => Object.create(null),
    () => new Map([[1, 2]]),
    () => Buffer.alloc(1000),
    () => /x/,
    () => Object.assign(Object.create({ cluster: 'inherited' }), { replica: 'a' }),
    () => new Number(5),
    () => new String('a'),
    () => silentLogger,
    () => ({ [Symbol.toStringTag]: 'x', toString: () => 'y', inspect: () => 'z' }),
  ])();
}

function valueFrom(choices: Choices, depth: number): unknown {
  switch (choices.below(depth > 4 ? 6 : 9)) {
    case 0:
      return undefined;
    case 1:
      return choices.pick([null, true, false]);
    case 2:
      return choices.pick(numbers);
    case 3:
      return choices.pick(strings);
    case 4:
      return Buffer.from(choices.take(choices.below(20))).toString('latin1');
    case 5:
      return strange(choices);
    case 6:
      return Array.from({ length: choices.below(9) }, () => valueFrom(choices, depth + 1));
    default:
      return objectFrom(choices, depth);
  }
}

function objectFrom(choices: Choices, depth: number): object {
  const object: Record<string, unknown> = {};
  for (let count = choices.below(12); count > 0; count--) {
    const name = choices.pick(names);
    Object.defineProperty(object, name, {
      value: valueFrom(choices, depth + 1),
      enumerable: true,
      configurable: true,
    });
  }
  return object;
}

/** Right options, of which some are exchanged. */
function nearlyRight(choices: Choices): Record<string, unknown> {
  const options: Record<string, unknown> = {
    cluster: 'demo',
    replica: 'a',
    members: [
      { id: 'a', address: '127.0.0.1:7101' },
      { id: 'b', address: '127.0.0.1:7102' },
    ],
    dataDir: 'data',
    storage: { kind: 'memory' },
    limits: {},
    logger: silentLogger,
  };
  for (let count = choices.below(4); count > 0; count--) {
    const place = choices.pick<object>([
      options,
      options.storage as object,
      options.limits as object,
      (options.members as object[] | undefined)?.[0] ?? options,
    ]);
    if (typeof place !== 'object' || place === null) continue;
    Object.defineProperty(place, choices.pick(names), {
      value: valueFrom(choices, 2),
      enumerable: true,
      configurable: true,
    });
  }
  return options;
}

function check(call: () => unknown, code: ErrorCode = 'ERR_SYNOD_OPTION'): string {
  try {
    call();
    return 'valid';
  } catch (error) {
    must(SynodError.is(error) && error.code === code, 'another error', () => String((error as Error).stack));
    if (code === 'ERR_SYNOD_ARGUMENT') return error.message.replace(/[^a-z ]+/g, 'N').slice(0, 30);
    must(typeof error.path === 'string', 'an error without a path');
    must(error.message.length < 100_000, 'an endless message', () => String(error.message.length));
    return error.path.replace(/[^a-zA-Z.]+/g, 'N').slice(0, 20);
  }
}

/** Members that are wanted, and what goes with them: right, nearly so, or anything. */
function checkChange(choices: Choices): string {
  const member = (id: string): object => ({ id, address: `127.0.0.1:${7000 + choices.byte()}` });
  const members = choices.pick<() => unknown>([
    () => ['a', 'b', 'c'].slice(0, 1 + choices.below(3)).map(member),
    () => [member('a'), valueFrom(choices, 2), member('c')],
    () => [{ ...member('a'), [choices.pick(names)]: valueFrom(choices, 2) }],
    () => valueFrom(choices, 0),
  ])();
  const options = choices.pick<() => unknown>([
    () => ({}),
    () => ({ cookie: choices.take(choices.byte()), force: choices.pick([true, false, undefined]) }),
    () => ({ [choices.pick(['cookie', 'force', 'ifNumber', 'x'])]: valueFrom(choices, 2) }),
    () => valueFrom(choices, 0),
  ])();
  const sent: MemberChange[] = [];
  const nothing = (): void => {};
  const membership = new Membership({
    ...{ replica: 'a', onChange: nothing, onRemoved: nothing },
    send: (change) => void sent.push(change as MemberChange),
  });
  const asked = { resolve: nothing, reject: nothing };
  const told = check(
    () => membership.change(members as never, options as never, asked),
    'ERR_SYNOD_ARGUMENT',
  );
  must(
    sent.length === (told === 'valid' ? 1 : 0),
    'sent although it was refused, or not although it was taken',
  );
  for (const change of sent) {
    const ids = change.members.map(({ id }) => id);
    must(new Set(ids).size === ids.length && ids.length >= 1, 'an id twice, or none at all', () =>
      ids.join(),
    );
    const wanted = change.members.map((one) => ({ ...one, incarnation: '0'.repeat(32), former: 0 }));
    const first = { number: 1, members: [], nextMember: 1 };
    const bytes = encodeConfiguration(reconfigure(first, wanted, change.cookie));
    must(decodeConfiguration(bytes) !== null, 'a configuration that nobody can read', () =>
      Buffer.from(bytes).toString(),
    );
  }
  return told;
}

export const options: FuzzTarget = {
  name: 'options',
  about:
    'any value as options, or as members that are wanted, is taken or refused with a typed error that says where',
  inputBytesMax: 512,
  guides: [
    '/src/options',
    '/src/option-checker',
    '/src/limits',
    '/src/kv/server-options',
    '/src/transport/address',
    '/src/client/client-options',
    '/src/client/service-options',
    '/src/application/membership',
  ],
  // A sparse array of a million places is made as an argument, not by the code.
  memoryBytesMax: 64 * 1024 * 1024,
  seeds: () => [
    new Uint8Array([0]),
    new Uint8Array([1, 2, 0, 7, 4, 5]),
    new Uint8Array([2, 8, 3, 1]),
    new Uint8Array([0, 0, 0, 2, 1, 2, 0]),
    new Uint8Array([0, 0, 1, 5, 9, 1]),
  ],
  run(input, trace) {
    const choices = new Choices(input);
    const form = choices.below(3);
    const value =
      form === 0 ? nearlyRight(choices) : form === 1 ? objectFrom(choices, 0) : valueFrom(choices, 0);
    trace(`replica ${check(() => validateOptions(value as never))}`);
    if (typeof value === 'object' && value !== null)
      trace(`kv ${check(() => checkServerOptions(value as never))}`);
    trace(`client ${check(() => checkClientOptions(value as never))}`);
    trace(`service ${check(() => checkServiceOptions(value as never))}`);
    trace(`change ${checkChange(choices)}`);
  },
};
