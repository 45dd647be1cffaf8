/**
 * Aim: a link is up once both sides know and accept each other, and only then; whoever does not belong, says nothing, talks
 * garbage or does not read is refused or cut off, with a reason. Method: real links over the memory network, delivered by
 * hand, with a clock of their own.
 */

import { describe, expect, it, vi } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { encodeHello, encodeRefusal, type Hello } from '../../src/engine/hello.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { FrameKind } from '../../src/wire/frame.js';
import { encode } from '../wire/arbitraries.js';
import { helloOf } from './hellos.js';
import {
  clock,
  HANDSHAKE_TIMEOUT_MS,
  ids,
  Node,
  network,
  node,
  pass,
  portOf,
  SEND_QUEUE_BYTES_MAX,
  Stranger,
  settle,
} from './links-rig.js';

describe('links', () => {
  it('come up between all of them, dialled by whose id is greater', () => {
    const all = ids.map((id) => node(id));
    pass(100, all);
    expect(all.map(({ up }) => up)).toEqual([
      ['b', 'c'],
      ['a', 'c'],
      ['a', 'b'],
    ]);
    for (const { links, hello } of all)
      for (const [id, { connection }] of links.up) expect(connection.inbound).toBe(id > hello.id);
    expect(all[0]!.events.sort()).toEqual(['up b', 'up c']);
  });

  it('come up again after the connection broke, and tell both sides', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    network.reset('a', 'b');
    settle([a, b]);
    expect([a.up, b.up]).toEqual([[], []]);
    expect(a.events).toEqual(['up b', 'down b']);
    pass(1000, [a, b]);
    expect([a.up, b.up]).toEqual([['b'], ['a']]);
    expect(b.events).toEqual(['up a', 'down a', 'up a']);
  });

  it('are replaced where only the peer noticed that the connection broke', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    const before = a.links.up.get('b');
    // Another process of the same disk.
    const again = node('b', { start: 2, life: '2'.repeat(16) }, 'b2', 8002);
    pass(100, [a, again]);
    expect(a.links.up.get('b')).not.toBe(before);
    expect(a.links.up.get('b')?.peer?.start).toBe(2);
    expect(a.events).toEqual(['up b', 'down a', 'up b']);
    expect(again.up).toEqual(['a']);
  });

  it('that were replaced bring nothing more, and are not blamed for what they had brought', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    const before = a.links.up.get('b')!;
    const writer = new FrameWriter(crc32c);
    const bytes = writer.bytes.slice(0, writer.plain(FrameKind.statusQuery, 0, 0, 0));
    before.reader.push(bytes, 0, bytes.length, 0);
    before.connection.release = () => {};
    // Its end is heard of only after this turn.
    before.connection.close = () => {};
    const again = node('b', { start: 2, life: '2'.repeat(16) }, 'b2', 8002);
    pass(100, [a, again]);
    expect(again.up).toEqual(['a']);
    expect(a.links.nextFrame(before)).toBe(null);
    expect(a.said(/cut off/)).toBe(false);
  });

  it('that are missing for ten seconds are told of as a warning, once until they are there, and again when they are gone for as long', () => {
    const b = node('b');
    const warnings = (): unknown[] =>
      b.logged.filter(({ level }) => level === 'warn').map(({ event, fields }) => ({ event, ...fields }));
    const missing = (id: string): unknown => ({
      event: 'no link to peer',
      peer: id,
      address: `h:${portOf(id)}`,
      reason: expect.stringContaining('nothing listens there'),
    });
    pass(9900, [b]);
    expect(warnings()).toEqual([]);
    pass(300, [b]);
    expect(warnings()).toEqual([missing('a'), missing('c')]);
    pass(60_000, [b]);
    expect(warnings()).toHaveLength(2);

    const a = node('a');
    pass(3000, [a, b]);
    expect(b.up).toEqual(['a']);
    a.close();
    pass(9000, [b]);
    expect(warnings()).toHaveLength(2);
    pass(2000, [b]);
    expect(warnings().slice(2)).toEqual([missing('a')]);
    expect(warnings()).toHaveLength(3);
  });

  it('are dialled again ever less often while nobody is there', () => {
    const b = node('b');
    let dials = 0;
    const { connect } = b.transport;
    b.transport.connect = (...args) => {
      dials += 1;
      connect.apply(b.transport, args);
    };
    pass(10_000, [b]);
    expect(dials).toBeGreaterThan(15);
    expect(dials).toBeLessThan(40);
    const a = node('a');
    pass(600, [a, b]);
    expect(b.up).toEqual(['a']);
  });
});

describe('a peer is refused', () => {
  it.each([
    [{ cluster: 'other' }, /cluster "other", this is "test"/],
    [{ id: 'a' }, /replica id "a" is this replica's own/],
    [{ versionMin: 1, versionMax: 1 }, /protocol versions 1 to 1, this build speaks 2 to 3/],
    [{ versionMin: 4, versionMax: 5 }, /protocol versions 4 to 5, this build speaks 2 to 3/],
  ] as const)('as a stranger: %o', (change, reason) => {
    const a = node('a');
    const stranger = new Stranger('s', portOf('a'));
    stranger.say(FrameKind.hello, encodeHello({ ...node('c').hello, ...change }));
    settle([a]);
    expect(stranger.text).toMatch(new RegExp(reason.source.replaceAll('"', '\\\\*"')));
    expect(a.up).toEqual([]);
    expect(a.said(/peer refused/)).toBe(true);
    // The refusal gets out; then the connection ends, by the peer or by time.
    pass(HANDSHAKE_TIMEOUT_MS + 50, [a]);
    expect(stranger.closed).not.toBe(null);
  });

  it.each([
    [1, 2],
    [3, 9],
  ])('not where its versions %i to %i have one in common with those here', (versionMin, versionMax) => {
    const [a, b] = [node('a'), node('b', { versionMin, versionMax })];
    pass(100, [a, b]);
    expect([a.up, b.up]).toEqual([['b'], ['a']]);
  });

  it('for good where its build does not speak the version in force', () => {
    const [a, b] = [node('a', { version: 3 }), node('b', { versionMin: 1, versionMax: 2 })];
    pass(100, [a, b]);
    expect([a.up, b.up]).toEqual([[], []]);
    expect(b.events).toEqual([
      'refused: version 3 of the protocol is in force, the build of "b" speaks 1 to 2',
    ]);
  });

  it('for good by nobody but a peer: not by an outsider, nor by who may not speak for whom was dialled', () => {
    const a = node('a', { version: 3 });
    const b = node('b', { versionMin: 1, versionMax: 2 });
    b.impostor = 'a';
    const outsider = new Stranger('z', portOf('a'));
    outsider.say(FrameKind.hello, encodeHello(helloOf('z')));
    outsider.say(FrameKind.refusal, encodeRefusal({ reason: 'because', isFinal: true }));
    pass(100, [a, b]);
    expect(outsider.closed).not.toBe(null);
    expect(a.events).toEqual(['up z', 'down z']);
    expect(b.said(/refused by peer.*version 3/)).toBe(true);
    expect(b.events).toEqual([]);
  });

  it('for good by whoever it is linked with, where it knows of nobody yet', () => {
    for (const [id, hasGenesis] of [
      ['a', false],
      ['b', true],
    ] as const) {
      const one = node(id, { hasGenesis });
      one.links.setPeers([]);
      const linked = new Stranger(`z${id}`, portOf(id));
      linked.say(FrameKind.hello, encodeHello(helloOf('z')));
      linked.say(FrameKind.refusal, encodeRefusal({ reason: 'because', isFinal: true }));
      pass(100, [one]);
      // The only member of a cluster has no peers either, and is stopped by nobody.
      expect(one.events).toEqual(['up z', ...(hasGenesis ? [] : ['refused: because']), 'down z']);
    }
  });

  it('once a version comes into force that it does not speak', () => {
    const [a, b, c] = [node('a'), node('b', { versionMax: 2 }), node('c')];
    pass(100, [a, b, c]);
    expect(a.up).toEqual(['b', 'c']);
    a.hello = { ...a.hello, version: 3 };
    a.links.cutOlder(3);
    pass(3000, [a, b, c]);
    expect(a.up).toEqual(['c']);
    expect(b.events.at(-1)).toMatch(/^refused: version 3/);
    expect(a.said(/cut off/)).toBe(false);
  });

  it.each(['a', 'b'])('while the certificate of %s is not its own, whoever dialled', (impostor) => {
    const [a, b] = [node('a'), node('b')];
    for (const one of [a, b]) one.impostor = impostor;
    pass(100, [a, b]);
    expect([a.up, b.up].filter((up) => up.length > 0).length).toBeLessThan(2);
    expect(a.said(/not the certificate/) || b.said(/not the certificate/)).toBe(true);
    for (const one of [a, b]) one.impostor = '';
    pass(6000, [a, b]);
    expect([a.up, b.up]).toEqual([['b'], ['a']]);
  });

  it('while another disk uses its id, and tries again later', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    const twin = node('b', { incarnation: 'e'.repeat(32) }, 'twin', 8002);
    for (let ms = 0; ms < 3000; ms += 100, b.report()) pass(100, [a, b, twin]);
    expect(a.links.up.get('b')?.peer?.incarnation).toBe(b.hello.incarnation);
    expect(twin.up).toEqual([]);
    expect(twin.said(/refused by peer.*in use by another disk/)).toBe(true);
    expect(twin.events, 'not for good').toEqual([]);
    const refusals = a.logged.filter(({ event }) => event === 'peer refused').length;
    expect(refusals).toBeGreaterThan(0);
    expect(refusals).toBeLessThan(5);
    b.close();
    pass(5000, [a, twin]);
    expect(twin.up).toEqual(['a']);
  });

  it('only as long as the other disk with its id is heard: a machine that is gone leaves its connection behind', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    const before = a.links.up.get('b')!;
    network.cut('a', 'b');
    const twin = node('b', { incarnation: 'e'.repeat(32) }, 'twin', 8002);
    pass(HANDSHAKE_TIMEOUT_MS - 200, [a, twin]);
    expect(twin.said(/in use by another disk/)).toBe(true);
    expect(a.links.up.get('b')).toBe(before);
    pass(3000, [a, twin]);
    expect(a.links.up.get('b')?.peer?.incarnation).toBe(twin.hello.incarnation);
    expect(twin.up).toEqual(['a']);
    expect(a.events).toEqual(['up b', 'down a', 'up b']);
    expect(a.said(/peer is silent, another disk asks/)).toBe(true);
  });

  it('while the other disk may have been heard of, had this replica not stood still itself', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    b.report();
    clock.now += 10 * HANDSHAKE_TIMEOUT_MS;
    a.links.tick(clock.now);
    const twin = new Stranger('twin', portOf('a'));
    twin.say(FrameKind.hello, encodeHello({ ...b.hello, incarnation: 'e'.repeat(32) }));
    settle([a]);
    expect(twin.text).toMatch(/in use by another disk/);
    expect(a.links.up.get('b')?.peer?.incarnation).toBe(b.hello.incarnation);
  });

  const seen = { start: 5, life: '5'.repeat(16), sequence: 100, promised: 50, accepted: 30 };
  const next = { start: 6, life: '6'.repeat(16), sequence: 100, promised: 50, accepted: 30 };
  it.each([
    ['a lower count of openings', { ...seen, start: 4, life: '4'.repeat(16), sequence: 200, accepted: 99 }],
    ['another opening of the same count', { ...seen, life: '7'.repeat(16) }],
    ['fewer records', { ...next, sequence: 99 }],
    ['a promise forgotten', { ...next, promised: 49 }],
    ['an acceptance forgotten', { ...next, accepted: 29 }],
  ])('for good where its disk was set back: %s', (_, change) => {
    const a = node('a');
    const b = node('b', seen);
    pass(100, [a, b]);
    expect(a.up).toEqual(['b']);
    b.close();
    const old = node('b', change, 'old', 8002);
    pass(100, [a, old]);
    expect(a.up).toEqual([]);
    expect(a.said(/peer refused.*was set back/)).toBe(true);
    expect(old.events).toEqual([expect.stringMatching(/^refused: the disk of "b" was set back/)]);
  });

  it('for good where it forgot what it acknowledged in this life', () => {
    const a = node('a');
    const b = node('b', seen);
    pass(100, [a, b]);
    a.links.onAcknowledged(a.links.up.get('b')!, 51, 0);
    a.links.onAcknowledged(a.links.up.get('b')!, 0, 31);
    a.links.onAcknowledged(a.links.up.get('b')!, 0, 12);
    // The same process again has not to prove it.
    network.reset('a', 'b');
    pass(1000, [a, b]);
    expect(a.up).toEqual(['b']);
    b.close();
    for (const [name, change] of [
      ['old', next],
      ['older', { ...next, promised: 51 }],
    ] as const) {
      const old = node('b', change, name, name === 'old' ? 8002 : 8003);
      pass(100, [a, old]);
      expect(old.events).toEqual([expect.stringMatching(/^refused/)]);
    }
    const right = node('b', { ...next, promised: 51, accepted: 31 }, 'right', 8004);
    pass(2500, [a, right]);
    expect(a.up).toEqual(['b']);
  });

  it('for good where it was taken out meanwhile', () => {
    const a = node('a');
    const b = node('b', seen);
    pass(100, [a, b]);
    a.links.setPeers([]);
    b.close();
    const old = node('b', { ...next, promised: 49 }, 'old', 8002);
    pass(100, [a, old]);
    expect(a.events).toEqual(['up b', 'down b']);
    expect(a.said(/peer refused.*was set back/)).toBe(true);
  });

  it('for good also where it is the one that was dialled', () => {
    const a = node('a', seen);
    const b = node('b');
    pass(100, [a, b]);
    a.close();
    const old = node('a', { ...seen, life: '7'.repeat(16) }, 'old');
    pass(1000, [b, old]);
    expect(b.up).toEqual([]);
    expect(old.events.at(-1)).not.toBe('up b');
    expect(old.events).toContainEqual(expect.stringMatching(/^refused: the disk of "a" was set back/));
  });

  it('for good: what it says while it takes itself for let in is passed over, and no fault of its', () => {
    const a = node('a', seen);
    const b = node('b');
    pass(100, [a, b]);
    a.close();
    const old = node('a', { ...seen, life: '7'.repeat(16) }, 'old');
    while (!b.said(/peer refused/)) {
      clock.now += 10;
      b.links.tick(clock.now);
      for (const { transport } of [b, old]) transport.flush();
      network.deliver();
    }
    const link = b.newest!;
    link.connection.release = () => {};
    const writer = new FrameWriter(crc32c);
    const fetch = { slot: 1, nonceLow: 1, nonceHigh: 1, offset: 0, bytesMax: 1 };
    const bytes = writer.bytes.slice(0, writer.checkpointFetch(fetch));
    link.reader.push(bytes, 0, bytes.length, 0);
    expect(b.links.nextFrame(link)).toBe(null);
    expect(b.said(/cut off/)).toBe(false);
  });

  it('not by what somebody else says of its disk, nor where it is no member and its link is closed: it is forgotten', () => {
    const a = node('a');
    const z = { ...helloOf('z'), ...seen };
    const b = node('b');
    const { incarnation } = b.hello;
    const come = (name: string, hello: Hello): Stranger => {
      const stranger = new Stranger(name, portOf('a'));
      stranger.say(FrameKind.hello, encodeHello(hello));
      settle([a]);
      return stranger;
    };
    come('liar', { ...z, id: 'y', incarnation });
    come('z', z).connection!.close('');
    settle([a]);
    come('older', { ...z, ...seen, start: 4, life: '4'.repeat(16) });
    pass(100, [a, b]);
    expect(a.up).toEqual(['b', 'y', 'z']);
    expect(a.said(/was set back/)).toBe(false);
  });

  it('is not suspected when it is only started again', () => {
    const a = node('a');
    for (let start = 5; start < 12; start += 1) {
      const b = node(
        'b',
        { ...seen, start, life: String(start).padStart(16, '0') },
        `b${start}`,
        8000 + start,
      );
      pass(1000, [a, b]);
      expect(a.up).toEqual(['b']);
      b.close();
      settle([a]);
    }
  });
});

describe('a connection is cut off', () => {
  const cases: readonly (readonly [string, (stranger: Stranger) => void, RegExp])[] = [
    [
      'that talks garbage',
      (stranger) => stranger.sayBytes(new Uint8Array(100).fill(0x55)),
      /frame (version|header)/,
    ],
    [
      'whose first frame is too long',
      (stranger) => stranger.say(1, new Uint8Array(5000)),
      /the bound is 4096/,
    ],
    [
      'that refuses whom it dialled',
      (stranger) => stranger.say(3, encodeRefusal({ reason: 'because', isFinal: true })),
      /out of turn/,
    ],
    [
      'that welcomes whom it dialled',
      (stranger) => stranger.say(2, encodeHello(new Node('c').hello)),
      /out of turn/,
    ],
    ['whose hello cannot be read', (stranger) => stranger.say(1, new Uint8Array(8)), /cannot be read/],
  ];
  it.each(cases)('%s', (_, say, reason) => {
    const a = node('a');
    const stranger = new Stranger('s', portOf('a'));
    say(stranger);
    settle([a]);
    expect(stranger.closed).not.toBe(null);
    expect(a.said(new RegExp(`connection cut off.*${reason.source}`))).toBe(true);
    expect(a.up).toEqual([]);
    expect(a.events).toEqual([]);
  });

  it('that says something else first, or shakes hands twice', () => {
    const a = node('a');
    const writer = new FrameWriter(crc32c);
    const query = writer.message({ kind: 'status-query', round: 1 }, 0, 0, 0);
    const early = new Stranger('early', portOf('a'));
    early.sayBytes(writer.bytes.slice(0, query));
    const twice = new Stranger('twice', portOf('a'));
    const hello = encodeHello({ ...a.hello, id: 'c', incarnation: 'c'.repeat(32) });
    twice.say(1, hello);
    twice.say(1, hello);
    settle([a]);
    expect(early.closed).not.toBe(null);
    expect(twice.closed).not.toBe(null);
    expect(a.said(/a frame before the handshake/)).toBe(true);
    expect(a.said(/a second handshake/)).toBe(true);
    expect(a.events).toEqual(['up c', 'down c']);
  });

  it('that has not said who it is in time, with half a frame or none', () => {
    const a = node('a');
    const strangers = [new Stranger('s', portOf('a')), new Stranger('t', portOf('a'))];
    strangers[0]!.sayBytes(new FrameWriter(crc32c).bytes.slice(0, 3));
    pass(HANDSHAKE_TIMEOUT_MS - 50, [a]);
    expect(strangers.map(({ closed }) => closed)).toEqual([null, null]);
    pass(150, [a]);
    for (const { closed } of strangers) expect(closed).not.toBe(null);
    expect(a.said(/no handshake in time/)).toBe(true);
  });

  it('whose hello comes byte by byte keeps no receive buffer meanwhile, nor once it is refused', () => {
    const a = node('a');
    const stranger = new Stranger('s', portOf('a'));
    const { reader, connection } = a.newest!;
    const [lent, released] = [vi.spyOn(reader, 'push'), vi.spyOn(connection, 'release')];
    const payload = encodeHello({ ...a.hello, id: 'c', cluster: 'other' });
    const checksum = crc32c(payload, 0, payload.length, 0);
    const writer = new FrameWriter(crc32c);
    const header = writer.bytes.subarray(0, writer.plain(FrameKind.hello, 0, payload.length, checksum));
    for (const byte of Buffer.concat([header, payload, new Uint8Array(100)])) {
      stranger.sayBytes(Uint8Array.of(byte));
      settle([a]);
      expect(released.mock.calls.length).toBe(lent.mock.calls.length);
    }
    expect(stranger.text).toMatch(/cluster/);
  });

  it('beyond the number of strangers that are heard at once', () => {
    const a = node('a');
    const strangers = Array.from({ length: 80 }, (_, index) => new Stranger(`s${index}`, portOf('a')));
    settle([a]);
    expect(strangers.filter(({ closed }) => closed === null).length).toBe(64);
    pass(HANDSHAKE_TIMEOUT_MS + 50, [a]);
    expect(strangers.filter(({ closed }) => closed === null).length).toBe(0);
    const b = node('b');
    pass(600, [a, b]);
    expect(a.up).toEqual(['b']);
  });

  it('that does not read: first it gets no more, then it ends', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    const link = a.links.up.get('b')!;
    b.links.up.get('a')!.connection.setReceiving(false);
    const queued = { bytes: 0 };
    Object.defineProperty(link.connection, 'queuedBytes', { get: () => queued.bytes });
    const check = (ms: number): void => {
      clock.now += ms;
      a.links.checkCongestion(clock.now);
      settle([a, b]);
    };
    queued.bytes = SEND_QUEUE_BYTES_MAX;
    check(10);
    expect(a.events).toEqual(['up b']);
    queued.bytes += 1;
    check(10);
    queued.bytes = SEND_QUEUE_BYTES_MAX / 2 + 1;
    check(9000);
    expect(a.events).toEqual(['up b', 'b congested']);
    queued.bytes -= 1;
    check(10);
    expect(a.events).toEqual(['up b', 'b congested', 'b free']);
    queued.bytes = SEND_QUEUE_BYTES_MAX + 1;
    check(10);
    check(9000);
    expect(a.up).toEqual(['b']);
    check(1100);
    expect(a.up).toEqual([]);
    expect(a.said(/reads too slowly/)).toBe(true);
  });

  it('that does not read and goes on asking: at once', () => {
    const [a, b] = [node('a'), node('b')];
    pass(100, [a, b]);
    const queued = { bytes: 5 * SEND_QUEUE_BYTES_MAX };
    Object.defineProperty(a.links.up.get('b')!.connection, 'queuedBytes', { get: () => queued.bytes });
    const check = (): void => {
      clock.now += 10;
      a.links.checkCongestion(clock.now);
      settle([a, b]);
    };
    check();
    // What was proposed before it was found to be congested is not its fault.
    queued.bytes += SEND_QUEUE_BYTES_MAX;
    check();
    expect(a.up).toEqual(['b']);
    queued.bytes += 1;
    check();
    expect(a.up).toEqual([]);
  });

  it('not for half a frame, but keeps no receive buffer by it unless it is a peer’s', () => {
    const a = node('a');
    const stranger = new Stranger('s', portOf('a'));
    stranger.say(FrameKind.hello, encodeHello(helloOf('z')));
    settle([a]);
    const { reader, connection } = a.newest!;
    const [lent, released] = [vi.spyOn(reader, 'push'), vi.spyOn(connection, 'release')];
    const payload = new Uint8Array(50_000);
    const checksum = crc32c(payload, 0, payload.length, 0);
    const decree = {
      kind: 1,
      bytes: payload.length,
      checksum,
      commands: 1,
      configuration: null,
      source: null,
    } as const;
    const whole = encode({ message: { kind: 'learn', slot: 1, ballot: 1, decree }, payload }, 1);
    const outAfter = (from: number, to: number): number => {
      stranger.sayBytes(whole.subarray(from, to));
      settle([a]);
      return lent.mock.calls.length - released.mock.calls.length;
    };
    expect(outAfter(0, 10)).toBe(0);
    expect(outAfter(10, 30)).toBe(0);
    expect(outAfter(30, 20_000)).toBe(0);
    expect(outAfter(20_000, whole.length)).toBe(0);
    expect(a.frames).toEqual([FrameKind.learn]);
    // From here on it is one.
    a.links.setPeers([{ id: 'z', address: { host: 'h', port: 1 } }]);
    expect(outAfter(0, 20_000)).toBe(1);
    expect(outAfter(20_000, whole.length)).toBe(0);
  });
});
