/** What replicas say of themselves when they meet is told as it is, and is not read where anything is wrong with it. */

import { describe, expect, it } from 'vitest';
import { decodeHello, decodeRefusal, encodeHello, encodeRefusal } from '../../src/engine/hello.js';
import { helloOf } from './hellos.js';

const hello = helloOf('a');

describe('hello and refusal', () => {
  it('come back as they were', () => {
    expect(decodeHello(encodeHello(hello))).toEqual(hello);
    for (const isFinal of [true, false]) {
      for (const refusal of [
        { reason: 'r', isFinal },
        { reason: 'r', isFinal, isTooOld: true },
      ])
        expect(decodeRefusal(encodeRefusal(refusal))).toEqual(refusal);
    }
  });

  it('of a build that does not tell its versions are those of the first one', () => {
    const { versionMin: _, versionMax: __, version: ___, ...first } = hello;
    const bytes = new TextEncoder().encode(JSON.stringify(first));
    expect(decodeHello(bytes)).toEqual({ ...first, versionMin: 1, versionMax: 1, version: 0 });
    for (const wrong of [
      { versionMin: 3, versionMax: 2 },
      { versionMin: -1 },
      { versionMax: '1' },
      { versionMax: null },
      { version: 2 },
      { version: -1 },
    ])
      expect(decodeHello(new TextEncoder().encode(JSON.stringify({ ...first, ...wrong })))).toBe(null);
  });

  it('are not read where anything is wrong with them', () => {
    const wrong: Record<string, unknown[]> = {
      cluster: [1, null, 'x'.repeat(64)],
      id: [1, null, 'x'.repeat(64)],
      incarnation: ['', 'g'.repeat(32), 'a'.repeat(31), 5],
      life: ['', 'A'.repeat(16), null],
      start: [-1, 0.5, '1', null, 2 ** 53],
      sequence: [-1, null],
      promised: [-1, 'x'],
      accepted: [-1, {}],
      hasGenesis: [0, null],
      durable: ['true', null],
    };
    for (const [key, values] of Object.entries(wrong)) {
      for (const value of [...values, undefined]) {
        const bytes = new TextEncoder().encode(JSON.stringify({ ...hello, [key]: value }));
        expect(decodeHello(bytes), `${key}: ${value}`).toBe(null);
      }
    }
    for (const text of ['', '{', '[]', 'null', '5', '"x"']) expect(decodeHello(Buffer.from(text))).toBe(null);
    expect(decodeHello(Uint8Array.of(0xff, 0xfe))).toBe(null);
    for (const text of ['', '{}', '{"reason":5}', '[]'])
      expect(decodeRefusal(Buffer.from(text))).toEqual({ reason: 'refused', isFinal: false });
  });
});
