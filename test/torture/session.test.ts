/** Aim: of weaker reads exactly what they may not yield is found. Method: a client of the test's own, told old and new values. */

import { beforeEach, describe, expect, it } from 'vitest';
import type { RespClient } from '../cluster/support/resp-client.js';
import { SerialOracle } from '../history/serial-oracle.js';
import { type ReadKind, Session } from './session.js';

let sent: string[] = [];
let fails = false;
let oracle: SerialOracle;
let session: Session;
const connection = {
  send: async (...words: string[]) => {
    if (fails) throw new Error('gone');
    sent.push(words.join(' '));
    return 's7';
  },
} as unknown as RespClient;
const open = (kind: ReadKind): Promise<void> => session.open(connection, kind, 100);

/** The session writes to `k`, from `calledAt` to `returnedAt`, and replaces `before`. */
function write(calledAt: number, returnedAt: number, before: number | null): number {
  const serial = oracle.write('k', 0, calledAt);
  oracle.acknowledge(serial, before, returnedAt);
  session.onWritten(calledAt);
  session.onReplaced('k', before);
  return serial;
}

/** The session reads `serial`: what is wrong with that. */
function read(serial: number | null, calledAt: number, returnedAt: number): string[] {
  const isReplaced = session.beginRead('k');
  oracle.read('k', 0, serial, session.floor(calledAt), returnedAt);
  return [...(isReplaced(serial) ? ['own'] : []), ...oracle.check().map(({ rule }) => rule)];
}

beforeEach(() => {
  [sent, fails] = [[], false];
  oracle = new SerialOracle();
  session = new Session();
});

describe('a session', () => {
  it('takes a token along, once a write of its own says what it stands for', async () => {
    await open('linearizable');
    await session.leave(connection);
    expect(session.hasToken).toBe(false);
    write(10, 12, null);
    await session.leave(connection);
    await open('after');
    expect(sent).toEqual(['SYNOD CONSISTENCY LINEARIZABLE', 'SYNOD TOKEN', 'SYNOD CONSISTENCY AFTER s7']);
    expect(session.isWeak).toBe(true);
  });

  it('may read behind a token what others have replaced since, not what it had replaced itself', async () => {
    await open('linearizable');
    const first = write(10, 12, null);
    await session.leave(connection);
    await open('after');
    const others = oracle.write('k', 1, 20);
    oracle.acknowledge(others, first, 22);
    expect(read(first, 90, 92)).toEqual([]);
    expect(read(null, 90, 92)).toEqual(['own']);
  });

  it('reads nothing from before the writes that its token stands for', async () => {
    const old = oracle.write('k', 1, 1);
    oracle.acknowledge(old, null, 2);
    const newer = oracle.write('k', 1, 3);
    oracle.acknowledge(newer, old, 4);
    await open('linearizable');
    oracle.acknowledge(oracle.write('other', 0, 10), null, 12);
    session.onWritten(10);
    await session.leave(connection);
    await open('after');
    expect(read(old, 90, 92)).toContain('stale-read');
  });

  it('is promised nothing of what it wrote on a connection that broke', async () => {
    await open('linearizable');
    const first = write(10, 12, null);
    await session.leave(connection);
    await open('linearizable');
    write(20, 22, first);
    fails = true;
    await expect(session.leave(connection)).rejects.toThrow('gone');
    fails = false;
    await open('after');
    expect(read(first, 90, 92)).toEqual([]);
    expect(read(null, 90, 92)).toEqual(['own']);
  });

  it('reads at most so far back as it asked for', async () => {
    await open('maxAge');
    const first = write(1000, 1001, null);
    write(1100, 1101, first);
    expect(read(first, 1190, 1191)).toEqual([]);
    expect(read(first, 1300, 1301)).not.toEqual([]);
  });

  it.each(['linearizable', 'lease'] as const)('reads by %s what is there, and nothing else', async (kind) => {
    await open(kind);
    const first = write(10, 12, null);
    const second = write(20, 22, first);
    expect(read(second, 30, 31)).toEqual([]);
    expect(session.isWeak).toBe(false);
    expect(read(first, 40, 41)).toContain('own');
  });
});
