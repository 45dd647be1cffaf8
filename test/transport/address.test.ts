import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../src/transport/address.js';

describe('addresses', () => {
  test.each([
    ['127.0.0.1:7101', { host: '127.0.0.1', port: 7101 }],
    ['[::1]:7101', { host: '::1', port: 7101 }],
    ['[fe80::1%eth0]:1', { host: 'fe80::1%eth0', port: 1 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['replica-1.example.com:65535', { host: 'replica-1.example.com', port: 65535 }],
    ['a.:1', { host: 'a.', port: 1 }],
    ['my_service:80', { host: 'my_service', port: 80 }],
  ])('%s', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  test.each([
    '',
    ':1',
    'host',
    'host:',
    'host:-1',
    'host:65536',
    'host:1e3',
    'host:0x1',
    'host: 1',
    ' host:1',
    'host:1 ',
    'host:123456',
    '::1:7101',
    '[::1]',
    '[::1]7101',
    '[127.0.0.1]:1',
    '[]:1',
    '[::1:1',
    '256.0.0.1:1',
    '1.2.3:1',
    '1:1',
    '-a:1',
    'a-:1',
    'a..b:1',
    '.:1',
    'ho st:1',
    'h\u00f6st:1',
    `${'a'.repeat(64)}:1`,
    `${'a.'.repeat(127)}a:1`,
    'host:1\n',
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test('format and parse are each other’s reverse', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(host, fc.nat(65_535), (name, port) => {
        expect(parseAddress(formatAddress({ host: name, port }))).toEqual({ host: name, port });
      }),
    );
  });

  test('any text is parsed or refused, never an exception', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const address = parseAddress(text);
        if (address !== null) expect(parseAddress(formatAddress(address))).toEqual(address);
      }),
    );
  });
});
