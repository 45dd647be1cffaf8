/** Aim: whom this replica votes for is what its application said last, and what it does not say holds up nothing. */

import { beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import type { Link } from '../../src/engine/links.js';
import { Votes } from '../../src/engine/votes.js';
import { FrameWriter, joinPayload } from '../../src/wire/codec.js';
import { type Frame, FrameError, FrameKind } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';

const PATIENCE_MS = 50;

/** Peers 2 and 3, called b and c; what is sent to them is read back. */
class Table {
  readonly links: Map<number, Link> = new Map();
  readonly asked: string[] = [];
  readonly closed: number[] = [];
  readonly sent: string[] = [];
  withheld: number[] = [];
  now = 0;
  /** Of these an accept was passed over. */
  readonly lost: Set<number> = new Set();
  readonly votes: Votes;

  constructor(asks: boolean) {
    this.votes = new Votes({
      asks,
      writer: new FrameWriter(crc32c),
      crc32c,
      peers: { link: (number) => this.links.get(number) },
      hasLost: (peer) => this.lost.has(peer),
      ask: (request, id, cookie) => this.asked.push(`${request} ${id} ${text(cookie)}`),
      withhold: (from) => {
        this.withheld = [...from].sort();
      },
      now: () => this.now,
      patienceMs: () => PATIENCE_MS,
    });
  }

  up(number: number): Link {
    const connection = {
      send: (header: Uint8Array, headerBytes: number, payload = new Uint8Array(0)) => {
        const frame = frameOf(Buffer.concat([header.subarray(0, headerBytes), payload]));
        this.sent.push(`${number}: ${text(joinPayload(frame))}`);
      },
      close: () => this.closed.push(number),
    };
    const peer = { id: number === 2 ? 'b' : 'c' };
    const link = { number, peer, sending: [], connection } as unknown as Link;
    this.links.set(number, link);
    this.votes.onPeer('peer-up', number);
    return link;
  }

  down(number: number): void {
    this.links.delete(number);
    this.votes.onPeer('peer-down', number);
  }
}

const text = (bytes: Uint8Array): string => `"${Buffer.from(bytes).toString('latin1')}"`;
const bytesOf = (what: string): Uint8Array => new Uint8Array(Buffer.from(what, 'latin1'));

function frameOf(bytes: Uint8Array): Frame {
  const reader = new FrameReader(crc32c, 1 << 16, () => {});
  reader.push(bytes, 0, bytes.length, 0);
  return reader.next()!;
}

function cookieFrame(what: string): Frame {
  const payload = bytesOf(what);
  const writer = new FrameWriter(crc32c);
  const checksum = crc32c(payload, 0, payload.length, 0);
  const headerBytes = writer.plain(FrameKind.cookie, 0, payload.length, checksum);
  return frameOf(Buffer.concat([writer.bytes.subarray(0, headerBytes), payload]));
}

describe('without a hook', () => {
  it('everybody gets a vote, until the flag is taken down', () => {
    const table = new Table(false);
    table.up(2);
    table.up(3);
    expect(table.withheld).toEqual([]);
    table.votes.onFlag(false);
    expect(table.withheld).toEqual([2, 3]);
    table.down(3);
    expect(table.withheld).toEqual([2]);
    expect(table.closed).toEqual([]);
    table.lost.add(2);
    table.votes.onFlag(true);
    expect(table.withheld).toEqual([]);
    expect(table.closed, 'what was passed over comes again').toEqual([2]);
    expect(table.asked).toEqual([]);
  });
});

describe('with a hook', () => {
  let table: Table;
  beforeEach(() => {
    table = new Table(true);
  });

  it('asks about each peer that links up, and withholds until it is answered', () => {
    table.up(2);
    table.up(3);
    expect(table.asked).toEqual(['1 b ""', '2 c ""']);
    expect(table.withheld).toEqual([2, 3]);
    table.votes.onAnswer(1, true);
    expect(table.withheld).toEqual([3]);
    table.votes.onAnswer(2, false);
    expect(table.withheld).toEqual([3]);
    expect(table.closed, 'nothing was passed over').toEqual([]);
  });

  it('asks again where the cookie is another one, and remembers the answers', () => {
    const link = table.up(2);
    table.votes.onAnswer(1, true);
    table.votes.onCookie(link, cookieFrame('red'));
    expect(table.asked).toEqual(['1 b ""', '2 b "red"']);
    expect(table.withheld).toEqual([2]);
    table.votes.onAnswer(2, false);
    table.votes.onCookie(link, cookieFrame(''));
    expect(table.withheld).toEqual([]);
    table.votes.onCookie(link, cookieFrame('red'));
    expect(table.withheld).toEqual([2]);
    table.down(2);
    table.up(2);
    expect(table.withheld, 'it has not told its cookie yet').toEqual([]);
    expect(table.asked.length).toBe(2);
  });

  it('does not wait for an application that stands still, and hears its answer all the same', () => {
    table.up(2);
    table.now = PATIENCE_MS - 1;
    table.votes.tick(table.now);
    expect(table.withheld).toEqual([2]);
    table.now = PATIENCE_MS;
    table.votes.tick(table.now);
    expect(table.withheld).toEqual([]);
    table.votes.onAnswer(1, false);
    expect(table.withheld).toEqual([2]);
  });

  it('goes by the last answer while it asks again, and cuts the link where that was a no and an accept was lost by it', () => {
    table.up(2);
    table.up(3);
    table.lost.add(3);
    table.votes.onAnswer(1, true);
    table.votes.onAnswer(2, false);
    table.votes.onFlag(true);
    expect(table.asked.slice(2)).toEqual(['3 b ""', '4 c ""']);
    expect(table.withheld).toEqual([3]);
    table.votes.onAnswer(3, true);
    table.votes.onAnswer(4, true);
    expect(table.withheld).toEqual([]);
    expect(table.closed).toEqual([3]);
  });

  it('cuts the link of a primary whose accepts were lost while it was asked about, whether it is answered or not', () => {
    const link = table.up(2);
    table.votes.onAnswer(1, true);
    table.votes.onCookie(link, cookieFrame('red'));
    table.lost.add(2);
    table.votes.onAnswer(2, true);
    expect(table.closed).toEqual([2]);
    table.down(2);
    table.lost.delete(2);
    const next = table.up(2);
    table.votes.onCookie(next, cookieFrame('blue'));
    table.lost.add(2);
    table.now += PATIENCE_MS;
    table.votes.tick(table.now);
    expect(table.closed).toEqual([2, 2]);
  });

  it('takes no cookie that is longer than the bound', () => {
    const link = table.up(2);
    expect(() => table.votes.onCookie(link, cookieFrame('x'.repeat(257)))).toThrow(FrameError);
    table.votes.onCookie(link, cookieFrame('x'.repeat(256)));
  });
});

it('tells the own cookie to all that are linked, once, and to who links up later', () => {
  const table = new Table(false);
  table.up(2);
  table.votes.tellCookie(bytesOf('red'));
  table.votes.tellCookie(bytesOf('red'));
  table.up(3);
  table.votes.tellCookie(bytesOf(''));
  expect(table.sent).toEqual(['2: "red"', '3: "red"', '2: ""', '3: ""']);
});

describe('a cookie', () => {
  it('that is told again before the answer about another one has come is judged by its own', () => {
    const table = new Table(true);
    const link = table.up(2);
    table.votes.onCookie(link, cookieFrame('good'));
    table.votes.onAnswer(2, true);
    // Another candidacy, which the application refuses; but before it does, b stands as it did.
    table.votes.onCookie(link, cookieFrame('bad'));
    table.votes.onCookie(link, cookieFrame('good'));
    expect(table.asked).toEqual(['1 b ""', '2 b "good"', '3 b "bad"']);
    table.votes.onAnswer(3, false);
    expect(table.withheld).toEqual([]);
  });

  it('stays that of a peer whose number changes on the link: it was told once', () => {
    const table = new Table(true);
    const link = table.up(2);
    table.votes.onAnswer(1, false);
    // A newcomer knows before this replica does that it is a member.
    table.votes.onCookie(link, cookieFrame('warm'));
    table.votes.onAnswer(2, true);
    table.down(2);
    link.number = 4;
    table.links.set(4, link);
    table.votes.onPeer('peer-up', 4);
    expect(table.withheld).toEqual([]);
    expect(table.asked).toHaveLength(2);
  });
});
