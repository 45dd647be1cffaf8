/**
 * Aim: what only reads is answered without the log, in the order of its connection: it sees what the commands before it did, and nothing of
 * what those behind it do. Method: replicas of one whose reads and commands the test lets through when it likes.
 */

import { afterEach, describe, expect, it } from 'vitest';
import type { ReadOptionsLike } from '../../src/kv/replica-like.js';
import type { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import { BatchingReplica } from './fake-replica.js';
import { request } from './raw-client.js';
import { error, OK } from './reply-reader.js';
import { closeAll, connect, serve } from './serve.js';

afterEach(closeAll);

class ReadingReplica extends BatchingReplica {
  readonly reads: (() => void)[] = [];
  /** Of each read. */
  readonly consistencies: unknown[] = [];
  readCount = 0;
  holdsReads = false;

  token(): string {
    return `s${this.log.length}`;
  }

  read(query: Uint8Array, options?: ReadOptionsLike): Promise<{ value: Uint8Array | null }> {
    this.readCount += 1;
    this.consistencies.push(options?.consistency);
    const failure = this.nextFailure();
    return new Promise((resolve, reject) => {
      const answer = (): void => {
        if (failure !== undefined) reject(failure);
        else resolve({ value: (this.stateMachine as KeyValueStateMachine).read(query) });
      };
      if (this.holdsReads) this.reads.push(answer);
      else setImmediate(answer);
    });
  }
}

const reading = (machine: KeyValueStateMachine): ReadingReplica => new ReadingReplica(machine);
const turns = async (count = 5): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('what only reads', () => {
  it('is answered without the log, many requests by one read', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    client.send(request('MSET', 'a', '1', 'b', '2'));
    expect(await client.replies(1)).toEqual([OK]);
    client.send(
      request('GET', 'a') + request('MGET', 'a', 'b', 'c') + request('EXISTS', 'b') + request('DBSIZE'),
    );
    expect(await client.replies(4)).toEqual(['1', ['1', '2', null], 1, 2]);
    client.send(request('KEYS', '*') + request('SCAN', '0') + request('TYPE', 'a') + request('STRLEN', 'a'));
    expect(await client.replies(4)).toHaveLength(4);
    expect(replica.log.length).toBe(1);
    expect(replica.readCount).toBe(2);
  });

  it('goes through the log behind a command that is under way, and sees it', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    client.send(request('SET', 'a', '1'));
    await client.replies(1);
    replica.hold();
    client.send(request('SET', 'a', '2'));
    await turns();
    client.send(request('GET', 'a'));
    await turns();
    expect(replica.readCount).toBe(0);
    replica.release();
    expect(await client.replies(2)).toEqual([OK, '2']);
    client.send(request('GET', 'a'));
    expect(await client.replies(1)).toEqual(['2']);
    expect(replica.readCount).toBe(1);
  });

  it('is made before the commands behind it are given to the log', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    client.send(request('SET', 'a', '1'));
    await client.replies(1);
    replica.holdsReads = true;
    client.send(request('GET', 'a'));
    await turns();
    client.send(request('GET', 'a') + request('SET', 'a', '2') + request('GET', 'a') + request('PING'));
    await turns();
    expect(replica.log.length).toBe(1);
    replica.holdsReads = false;
    for (const answer of replica.reads) answer();
    expect(await client.replies(5)).toEqual(['1', '1', OK, '2', { simple: 'PONG' }]);
  });

  it('holds back EXEC too, and is logged inside MULTI', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    replica.holdsReads = true;
    client.send(request('GET', 'a'));
    await turns();
    client.send(request('MULTI') + request('SET', 'a', '2') + request('GET', 'a') + request('EXEC'));
    await turns();
    expect(replica.log.length).toBe(0);
    for (const answer of replica.reads) answer();
    const queued = { simple: 'QUEUED' };
    expect(await client.replies(5)).toEqual([null, OK, queued, queued, [OK, '2']]);
    expect(replica.log.length).toBe(1);
  });

  it('goes through the log where time decides: a key has expired by now, or is asked how long it stays', async () => {
    let now = 1_000_000;
    const { port, replica } = await serve(reading, { nowMs: () => now });
    const client = await connect(port);
    client.send(request('SET', 'a', '1', 'PX', '100') + request('SET', 'b', '2'));
    await client.replies(2);
    client.send(request('GET', 'a'));
    expect(await client.replies(1)).toEqual(['1']);
    client.send(request('PTTL', 'a'));
    expect(await client.replies(1)).toEqual([100]);
    expect([replica.readCount, replica.log.length]).toEqual([1, 2]);
    now += 100;
    client.send(request('GET', 'a') + request('GET', 'b'));
    expect(await client.replies(2)).toEqual([null, '2']);
    expect([replica.readCount, replica.log.length]).toEqual([2, 3]);
    client.send(request('GET', 'a'));
    expect(await client.replies(1)).toEqual([null]);
    expect([replica.readCount, replica.log.length]).toEqual([3, 3]);
  });

  it('goes through the log behind one that does, asked before or after that is known: no key comes back', async () => {
    let now = 1_000_000;
    const { port, replica } = await serve(reading, { nowMs: () => now });
    const client = await connect(port);
    client.send(request('SET', 'a', '1', 'PX', '100'));
    await client.replies(1);
    replica.hold();
    replica.holdsReads = true;
    now += 100;
    client.send(request('GET', 'a'));
    await turns();
    // A clock may be set back.
    now -= 50;
    client.send(request('GET', 'a'));
    await turns();
    replica.holdsReads = false;
    for (const answer of replica.reads) answer();
    await turns();
    client.send(request('GET', 'a'));
    await turns();
    replica.release();
    expect(await client.replies(3)).toEqual([null, null, null]);
    client.send(request('GET', 'a'));
    expect(await client.replies(1)).toEqual([null]);
    expect([replica.readCount, replica.log.length]).toEqual([3, 4]);
  });

  it('is refused with a reply for each request', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    replica.failures.push(new Error('no'));
    client.send(request('GET', 'a').repeat(2) + request('PING'));
    const refused = error('UNKNOWN the command may or may not have been executed: no');
    expect(await client.replies(3)).toEqual([refused, refused, { simple: 'PONG' }]);
  });

  it('changes nothing: the state machine answers no command that does', async () => {
    const { machine } = await serve(reading);
    const before = machine.digest();
    expect(machine.read(new Uint8Array(0))).toBe(null);
    expect(machine.digest()).toBe(before);
  });
});

describe('SYNOD CONSISTENCY', () => {
  const get = request('GET', 'a');
  const consistency = (...words: string[]): string => request('SYNOD', 'CONSISTENCY', ...words);

  it('is of one connection, from the request on: what was asked before it is read as it was asked', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    const other = await connect(port);
    const wanted = [
      [consistency('LEASE'), 'lease'],
      [consistency('after', 's12'), { after: 's12' }],
      [consistency('MaxAge', '250'), { maxAgeMs: 250 }],
      [consistency('linearizable'), 'linearizable'],
    ] as const;
    client.send(get + wanted.map(([words]) => words + get).join(''));
    expect(await client.replies(9)).toEqual([null, ...wanted.flatMap(() => [OK, null])]);
    expect(replica.consistencies).toEqual(['linearizable', ...wanted.map(([, each]) => each)]);
    client.send(consistency('LEASE'));
    other.send(get + consistency());
    expect(await other.replies(2)).toEqual([null, 'linearizable']);
    expect(replica.consistencies.at(-1)).toBe('linearizable');
  });

  it('is told where no word follows, in the words that set it', async () => {
    const { port } = await serve(reading);
    const client = await connect(port);
    client.send(consistency('AFTER', 's3') + consistency() + consistency('MAXAGE', '0') + consistency());
    expect(await client.replies(4)).toEqual([OK, 'after s3', OK, 'maxage 0']);
  });

  it('refuses what it does not know, and stays what it was', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    const wrong = [
      ['none'],
      ['lease', '1'],
      ['after'],
      ['maxage', '-1'],
      ['maxage', '1.5'],
      ['maxage', '1', '2'],
      ['maxage'],
    ];
    client.send(consistency('LEASE') + wrong.map((words) => consistency(...words)).join(''));
    expect(await client.replies(wrong.length + 1)).toEqual([
      OK,
      ...wrong.map(() => error('ERR syntax error')),
    ]);
    client.send(consistency('AFTER', 'yesterday') + get);
    expect(await client.replies(2)).toEqual([error('ERR not a token: "yesterday" (ERR_SYNOD_TOKEN)'), null]);
    expect(replica.consistencies).toEqual(['lease']);
  });

  it('is not LEASE where the replica has no leases: that is said at once, and reads go on as they were', async () => {
    const { port, replica } = await serve(reading, { leases: false });
    const client = await connect(port);
    client.send(consistency('LEASE') + consistency() + get);
    expect(await client.replies(3)).toEqual([
      error('ERR the replica has no leases: they are an option of it'),
      'linearizable',
      null,
    ]);
    expect(replica.consistencies).toEqual(['linearizable']);
  });

  it('is refused by a service whose replica does not read', async () => {
    const { port } = await serve((machine) => new BatchingReplica(machine));
    const client = await connect(port);
    client.send(consistency('LEASE') + request('SYNOD', 'TOKEN'));
    const refused = error('ERR this service reads through the log alone');
    expect(await client.replies(2)).toEqual([refused, refused]);
  });
});

describe('SYNOD TOKEN', () => {
  it('stands for all that the replies before it say, however far behind they are', async () => {
    const { port, replica } = await serve(reading);
    const client = await connect(port);
    replica.hold();
    client.send(request('SET', 'a', '1') + request('SYNOD', 'TOKEN') + request('SYNOD', 'TOKEN', 'x'));
    await turns();
    replica.release();
    expect(await client.replies(3)).toEqual([OK, 's1', error('ERR syntax error')]);
  });
});
