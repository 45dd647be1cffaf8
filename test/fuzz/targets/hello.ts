/** What replicas say of themselves and agree on, as JSON: hand-shakes, refusals, configurations. */

import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  type Hello,
} from '../../../src/engine/hello.js';
import { CONFIGURATION_BYTES_MAX } from '../../../src/limits.js';
import {
  decodeConfiguration,
  decodeJoin,
  encodeConfiguration,
  encodeJoin,
  splitCookie,
} from '../../../src/wire/configuration-codec.js';
import { mutateJson } from '../json-mutator.js';
import { mutateBytes } from '../mutators.js';
import { type FuzzTarget, must, words } from '../target.js';

const hello: Hello = {
  cluster: 'test',
  id: 'a',
  incarnation: '0123456789abcdef0123456789abcdef',
  start: 1,
  life: '0123456789abcdef',
  sequence: 10,
  promised: 5,
  accepted: 3,
  hasGenesis: true,
  durable: true,
  versionMin: 1,
  versionMax: 1,
  version: 0,
};

const configuration = {
  number: 3,
  members: ['a', 'b', 'c'].map((id, index) => ({
    number: index + 1,
    id,
    incarnation: String(index).repeat(32),
  })),
  nextMember: 5,
};

const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right);

export const hellos: FuzzTarget = {
  name: 'hello',
  about:
    'hand-shakes, refusals, configurations and requests to be let in are decoded to what they say, bounded, or refused',
  inputBytesMax: 4096,
  guides: ['/src/engine/hello', '/src/wire/configuration-codec'],
  dictionary: words('__proto__', 'constructor', '1e999', '9007199254740993', '-0', '\\u0000', '[[[[', 'null'),
  seeds: () => [
    encodeHello(hello),
    encodeRefusal({ reason: 'no', isFinal: true }),
    encodeConfiguration(configuration),
    encodeConfiguration({ ...configuration, version: 2 }),
    encodeRefusal({ reason: 'no', isFinal: true, isTooOld: true }),
    encodeConfiguration({
      ...configuration,
      members: configuration.members.map((member) => ({ ...member, address: `[::1]:${member.number}` })),
      cookie: 'c29tZXRoaW5n',
    }),
    encodeJoin({ kind: 'join', id: 'a', incarnation: '1'.repeat(32), chosen: 1, former: 0 }),
    encodeJoin({ kind: 'join', id: 'a.b-c_d', incarnation: '1'.repeat(32), chosen: 1, former: 9 }),
  ],
  // What a replica that asks to be let in says is no JSON.
  mutate: (input, random) => (input[0] === 0x7b ? mutateJson(input, random) : mutateBytes(input, random, [])),
  run(input, trace) {
    const said = decodeHello(input);
    if (said !== null) {
      trace('hello');
      must(same(decodeHello(encodeHello(said)), said), 'a hello does not round-trip');
      must(Object.keys(said).length === 13, 'a hello has other keys');
      for (const count of [
        said.start,
        said.sequence,
        said.promised,
        said.accepted,
        said.versionMin,
        said.versionMax,
        said.version,
      ])
        must(Number.isSafeInteger(count) && count >= 0, 'a count that is none', () => String(count));
      must(said.id.length <= 63 && said.cluster.length <= 63, 'a name without a bound');
    }
    const refusal = decodeRefusal(input);
    must(typeof refusal.reason === 'string' && refusal.reason.length <= 500, 'a reason without a bound');
    must(same(decodeRefusal(encodeRefusal(refusal)), refusal), 'a refusal does not round-trip');
    const join = decodeJoin(input);
    if (join !== null) {
      trace(`join ${join.former === 0 ? 'anew' : 'again'}`);
      const again = decodeJoin(encodeJoin({ ...join, kind: 'join', chosen: 0 }));
      must(same(again, join), 'a request to be let in does not round-trip');
      must(join.id.length <= 63 && join.incarnation.length === 32, 'a name without a bound');
    }
    const decoded = decodeConfiguration(input);
    if (decoded === null) return;
    for (const { number, id, incarnation } of decoded.members) {
      must(/^[A-Za-z0-9._-]{1,63}$/.test(id), 'an id that is none', () => id);
      must(/^[0-9a-f]{32}$/.test(incarnation), 'an incarnation that is none');
      must(
        Number.isSafeInteger(number) && number >= 1 && number < decoded.nextMember,
        'a number that is none',
      );
    }
    trace(`configuration of ${decoded.members.length}`);
    const encoded = encodeConfiguration(decoded);
    must(same(decodeConfiguration(encoded), decoded), 'a configuration does not round-trip');
    if (decoded.cookie !== undefined)
      must(
        Buffer.from(decoded.cookie, 'base64').toString('base64') === decoded.cookie,
        'a cookie that is none',
      );
    // Else the next checkpoint's header has no room for it, and a contract stops the replica.
    const { configuration, cookie } = splitCookie(encoded, CONFIGURATION_BYTES_MAX);
    must(configuration.length <= CONFIGURATION_BYTES_MAX, 'a configuration is too long for a header');
    must((cookie?.length ?? 1) >= 1 && (cookie?.length ?? 1) <= 8192, 'a cookie has no room in a block');
  },
};
