/** Configurations to bytes and back: what is no configuration is null, whatever it is. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONFIGURATION_BYTES_MAX } from '../../src/limits.js';
import {
  decodeConfiguration,
  decodeJoin,
  decodeMemberList,
  encodeConfiguration,
  encodeJoin,
  encodeMemberList,
  splitCookie,
  withCookie,
} from '../../src/wire/configuration-codec.js';
import { configuration } from './arbitraries.js';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const zeros = '0'.repeat(32);
const member = { number: 1, id: 'a', incarnation: zeros };
const valid = { number: 1, members: [member], nextMember: 2 };

describe('configurations', () => {
  it('survive the way', () => {
    fc.assert(
      fc.property(configuration, (one) => {
        const bytes = encodeConfiguration(one);
        expect(bytes.length).toBeLessThanOrEqual(CONFIGURATION_BYTES_MAX);
        expect(decodeConfiguration(bytes)).toEqual(one);
      }),
    );
  });

  it('are the same bytes for the same configuration: their checksum names the decree', () => {
    fc.assert(
      fc.property(configuration, (one) => {
        const decoded = decodeConfiguration(encodeConfiguration(one))!;
        expect(encodeConfiguration(decoded)).toEqual(encodeConfiguration(one));
      }),
    );
  });

  it('carry nothing that is not theirs', () => {
    const extra = { ...valid, more: 1, members: [{ ...member, more: 1 }] };
    expect(decodeConfiguration(bytesOf(JSON.stringify(extra)))).toEqual(valid);
  });

  const wrong: [string, unknown][] = [
    ['nothing', null],
    [
      'more members than a header has room for',
      { ...valid, members: [{ ...member, address: 'h'.repeat(CONFIGURATION_BYTES_MAX) }] },
    ],
    [
      'addresses that together are more than that',
      {
        ...valid,
        members: Array.from({ length: 7 }, (_, at) => ({
          ...member,
          number: at + 1,
          id: `m${at}`,
          address: 'h'.repeat(261),
        })),
        nextMember: 8,
      },
    ],
    ['a number', 1],
    ['a list', []],
    ['no number', { ...valid, number: undefined }],
    ['number 0', { ...valid, number: 0 }],
    ['half a number', { ...valid, number: 1.5 }],
    ['a number as text', { ...valid, number: '1' }],
    ['a number beyond 53 bits', { ...valid, number: 2 ** 53 }],
    ['no members', { ...valid, members: [] }],
    ['members that are no list', { ...valid, members: {} }],
    ['a member that is none', { ...valid, members: [1] }],
    ['a member without a number', { ...valid, members: [{ ...member, number: undefined }] }],
    ['a member number that is yet to be given out', { ...valid, members: [{ ...member, number: 2 }] }],
    [
      'a member number out of bounds',
      { ...valid, members: [{ ...member, number: 65_536 }], nextMember: 70_000 },
    ],
    ['a bad id', { ...valid, members: [{ ...member, id: 'a b' }] }],
    ['an empty id', { ...valid, members: [{ ...member, id: '' }] }],
    ['a long id', { ...valid, members: [{ ...member, id: 'a'.repeat(64) }] }],
    ['a short incarnation', { ...valid, members: [{ ...member, incarnation: '0' }] }],
    ['an incarnation in capitals', { ...valid, members: [{ ...member, incarnation: 'A'.repeat(32) }] }],
    ['one number twice', { ...valid, members: [member, { ...member, id: 'b' }] }],
    [
      'more members than a cluster may have',
      {
        ...valid,
        members: Array.from({ length: 8 }, (_, index) => ({ ...member, number: index + 1, id: `m${index}` })),
        nextMember: 9,
      },
    ],
    ['version 0', { ...valid, version: 0 }],
    ['the first version, told though it need not be', { ...valid, version: 1 }],
    ['half a version', { ...valid, version: 2.5 }],
    ['a version as text', { ...valid, version: '2' }],
    ['a version out of bounds', { ...valid, version: 65_536 }],
    ['one id twice', { ...valid, members: [member, { ...member, number: 2 }], nextMember: 3 }],
  ];
  for (const [what, value] of wrong) {
    it(`refuse ${what}`, () => {
      expect(decodeConfiguration(bytesOf(JSON.stringify(value)))).toBeNull();
    });
  }

  it('refuse what is no JSON and no UTF-8', () => {
    expect(decodeConfiguration(new Uint8Array(0))).toBeNull();
    expect(decodeConfiguration(bytesOf('{'))).toBeNull();
    expect(decodeConfiguration(new Uint8Array([0x22, 0xff, 0x22]))).toBeNull();
  });

  it('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytesOf)), (bytes) => {
        decodeConfiguration(bytes);
      }),
      { numRuns: 500 },
    );
  });
});

describe('addresses and cookies of a configuration', () => {
  const full = { ...valid, members: [{ ...member, address: '[::1]:7101' }], cookie: 'AAEC' };
  const read = (value: unknown): unknown => decodeConfiguration(bytesOf(JSON.stringify(value)));

  it('survive the way', () => {
    expect(decodeConfiguration(encodeConfiguration(full))).toEqual(full);
  });

  it.each([
    ['an address that is no text', { ...full, members: [{ ...member, address: 1 }] }],
    ['an address with a space', { ...full, members: [{ ...member, address: 'a b' }] }],
    ['a long address', { ...full, members: [{ ...member, address: 'a'.repeat(262) }] }],
    ['a cookie that is no text', { ...full, cookie: 1 }],
    ['a cookie that is no Base64', { ...full, cookie: 'A' }],
    ['a cookie of too many bytes', { ...full, cookie: 'AAAA'.repeat(10_000) }],
  ])('%s is refused', (_, value) => {
    expect(read(value)).toBeNull();
  });
});

describe('a request to be let in', () => {
  it.each([0, 1, 65_535])('survives the way, with the former number %d', (former) => {
    const join = { id: 'a', incarnation: zeros, former };
    expect(decodeJoin(encodeJoin({ kind: 'join', chosen: 5, ...join }))).toEqual(join);
  });

  it.each([
    '',
    'a',
    `a ${zeros} 0`,
    `a ${zeros} 65536`,
    `a ${zeros} x`,
    `a ${zeros} 1 2`,
    `a b`,
    `? ${zeros}`,
  ])('"%s" is none', (text) => {
    expect(decodeJoin(bytesOf(text))).toBeNull();
  });
});

describe('a cookie', () => {
  const cookie = Uint8Array.from({ length: 8192 }, (_, at) => (at * 7) & 0xff);
  const long = { ...valid, cookie: Buffer.from(cookie).toString('base64') };

  it('goes apart where it is too long for a place, and comes back', () => {
    const encoded = encodeConfiguration(long);
    expect(decodeConfiguration(encoded)).toEqual(long);
    const { configuration, cookie: apart } = splitCookie(encoded, CONFIGURATION_BYTES_MAX);
    expect(apart).toEqual(cookie);
    expect(configuration.length).toBeLessThanOrEqual(CONFIGURATION_BYTES_MAX);
    expect(withCookie(decodeConfiguration(configuration)!, apart!)).toEqual(long);
  });

  it('stays where there is room', () => {
    const short = encodeConfiguration({ ...valid, cookie: 'Y29va2ll' });
    expect(splitCookie(short, CONFIGURATION_BYTES_MAX)).toEqual({ configuration: short, cookie: null });
  });

  it('has a bound', () => {
    const text = JSON.stringify({ ...valid, cookie: 'A'.repeat(10_928) });
    expect(decodeConfiguration(bytesOf(text))).toBe(null);
  });
});

describe('a list of members', () => {
  const list = [
    { id: 'a', address: '127.0.0.1:1' },
    { id: 'b.c-D_1', address: '[::1]:65535' },
  ];

  it('comes back as it was', () => {
    expect(decodeMemberList(encodeMemberList(list))).toEqual(list);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '[{'],
    ['no list', '{}'],
    ['nobody', '[]'],
    ['no objects', '[1]'],
    ['no id', '[{"address":"h:1"}]'],
    ['a bad id', '[{"id":"a b","address":"h:1"}]'],
    ['no address', '[{"id":"a"}]'],
    ['a bad address', '[{"id":"a","address":"\\u0001"}]'],
    ['an id twice', '[{"id":"a","address":"h:1"},{"id":"a","address":"h:2"}]'],
    [
      'too many',
      JSON.stringify(Array.from({ length: 8 }, (_, index) => ({ id: `m${index}`, address: 'h:1' }))),
    ],
    [
      'more than a configuration has room for',
      JSON.stringify(Array.from({ length: 7 }, (_, at) => ({ id: `m${at}`, address: 'h'.repeat(255) }))),
    ],
  ])('is none with %s', (_, text) => {
    expect(decodeMemberList(new TextEncoder().encode(text))).toBe(null);
  });
});
