/**
 * Aim: replies that are made without the log are bounded like all others, and each is there whole or is an error in its place. Method: a
 * socket without a network, whose client reads when the test says so.
 */

import { describe, expect, it } from 'vitest';
import { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import { FakeHost } from './fake-connection.js';
import { BatchingReplica, InstantReplica } from './fake-replica.js';
import { request } from './raw-client.js';
import { error, OK, type ReplyValue } from './reply-reader.js';

const PAUSE_BYTES = 65_536;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const instant = (): InstantReplica => new InstantReplica(new KeyValueStateMachine());

class TokenReplica extends BatchingReplica {
  read(): Promise<{ value: null }> {
    return Promise.resolve({ value: null });
  }
  token(): string {
    return 's1';
  }
}

const tooLarge = expect.objectContaining({ error: expect.stringMatching(/^ERR reply too large/) });

describe('replies that need no log', () => {
  it.each([
    ['in one chunk', 400],
    ['a request at a time', 1],
  ])('are made no faster than the client reads: %s', async (_, requestsEach) => {
    const count = 400;
    const host = new FakeHost(instant(), { outputPauseBytes: PAUSE_BYTES });
    const socket = host.connect();
    socket.stopReading();
    for (let sent = 0; sent < count; sent += requestsEach) socket.push('COMMAND\r\n'.repeat(requestsEach));
    await turn();
    // One takes some kilobytes.
    expect(host.statistics.commandsProcessed).toBeLessThan(50);
    expect(host.statistics.bytesSent).toBeLessThan(2 * PAUSE_BYTES);
    socket.startReading();
    await expect.poll(() => host.statistics.commandsProcessed).toBe(count);
    await turn();
    expect(socket.replies()).toHaveLength(count);
  });

  it('are made no further ahead of those before them than the client could read', async () => {
    const replica = new BatchingReplica(new KeyValueStateMachine());
    const host = new FakeHost(replica, { outputPauseBytes: PAUSE_BYTES });
    const socket = host.connect();
    socket.push('SET a 1\r\n');
    await expect.poll(() => host.statistics.bytesSent).toBeGreaterThan(0);
    expect(socket.replies()).toEqual([OK]);
    replica.hold();
    const text = 'x'.repeat(1000);
    const count = 1000;
    socket.push(`INCR a\r\n${request('ECHO', text).repeat(count)}`);
    await turn();
    expect(host.statistics.commandsProcessed).toBeLessThan(100);
    replica.release();
    await expect.poll(() => host.statistics.commandsProcessed).toBe(count + 2);
    await turn();
    expect(socket.replies()).toEqual([2, ...new Array<ReplyValue>(count).fill(text)]);
  });

  it('are under way until they are made: INFO is not asked for without end', async () => {
    const host = new FakeHost(instant(), { batchesPerConnectionMax: 3 });
    const socket = host.connect();
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    socket.push(names.map((name) => `INFO ${name}\r\n`).join(''));
    for (let answered = 0; answered < names.length; ) {
      await turn();
      expect(host.questions.length).toBeGreaterThan(0);
      expect(host.questions.length).toBeLessThanOrEqual(3);
      answered += host.questions.length;
      for (const { sections, answer } of host.questions.splice(0).reverse()) answer(sections.join());
    }
    await turn();
    expect(socket.replies()).toEqual(names);
  });

  it('are under way until they are made: SYNOD TOKEN behind a command that is', async () => {
    const replica = new TokenReplica(new KeyValueStateMachine());
    const host = new FakeHost(replica, { batchesPerConnectionMax: 3 });
    const socket = host.connect();
    socket.push('SET a 1\r\n');
    await expect.poll(() => host.statistics.bytesSent).toBeGreaterThan(0);
    socket.replies();
    replica.hold();
    const count = 100;
    socket.push(`INCR a\r\n${'SYNOD TOKEN\r\n'.repeat(count)}PING\r\n`);
    await turn();
    expect(host.statistics.commandsProcessed).toBe(1 + 3);
    replica.release();
    await expect.poll(() => host.statistics.commandsProcessed).toBe(count + 3);
    await turn();
    expect(socket.replies()).toEqual([2, ...new Array<ReplyValue>(count).fill('s1'), { simple: 'PONG' }]);
  });

  it('are an error where they do not fit, whole and in their place', async () => {
    const host = new FakeHost(instant(), { outputPauseBytes: PAUSE_BYTES }, 200_000);
    const socket = host.connect();
    const large = 'x'.repeat(100_000);
    socket.push(
      request('PING') +
        request('ECHO', large + large) +
        request('PING') +
        request('ECHO', large) +
        request('ECHO', large) +
        request('INFO') +
        request('INFO', 'more') +
        request('ECHO', 'after'),
    );
    await expect.poll(() => host.questions.length).toBe(2);
    host.questions[0]!.answer(large + large);
    host.questions[1]!.answer('little');
    await expect.poll(() => host.statistics.commandsProcessed).toBe(8);
    await turn();
    const pong = { simple: 'PONG' };
    expect(socket.replies()).toEqual([
      pong,
      tooLarge,
      pong,
      large,
      large,
      tooLarge,
      'little',
      'after',
    ] satisfies unknown[]);
  });

  it('come whole, the error of the protocol at their end too', async () => {
    // No room but for the framing of the two that come before it.
    const host = new FakeHost(instant(), {}, 65_000 + 24);
    const socket = host.connect();
    socket.push(`${request('ECHO', 'x'.repeat(60_000))}${request('ECHO', 'y'.repeat(5000))}*x\r\n`);
    await turn();
    const replies = socket.replies();
    expect(replies).toHaveLength(3);
    expect(replies.at(-1)).toEqual(tooLarge);
    expect(host.events).toHaveLength(1);
  });
});

describe('names of clients', () => {
  it('have bounds', async () => {
    const host = new FakeHost(instant());
    const socket = host.connect();
    const most = 'n'.repeat(256);
    const ask = async (...words: string[]): Promise<ReplyValue> => {
      socket.push(request(...words));
      await turn();
      return socket.replies()[0]!;
    };
    const refused = error('ERR Client names cannot be longer than 256 characters.');
    expect(await ask('CLIENT', 'SETNAME', `${most}n`)).toEqual(refused);
    expect(await ask('HELLO', '2', 'SETNAME', `${most}n`)).toEqual(refused);
    expect(await ask('CLIENT', 'GETNAME')).toBe(null);
    expect(await ask('CLIENT', 'SETNAME', most)).toEqual(OK);
    expect(await ask('CLIENT', 'GETNAME')).toBe(most);
    for (const option of ['lib-name', 'lib-ver']) {
      const tooLong = error(`ERR ${option} cannot be longer than 256 characters.`);
      expect(await ask('CLIENT', 'SETINFO', option, `${most}n`)).toEqual(tooLong);
      expect(await ask('CLIENT', 'SETINFO', option, most)).toEqual(OK);
    }
  });
});

describe('changes', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['::ffff:192.0.2.7', '192.0.2.7', true],
    ['192.0.2.8', '192.0.2.7', false],
  ])('from %s to %s are taken: %s', async (remoteAddress, localAddress, expected) => {
    const socket = new FakeHost(instant()).connect({ remoteAddress, localAddress });
    socket.push(request('SYNOD', 'PROMOTE'));
    await turn();
    // This replica takes none, but says so in other words.
    const { error: text } = socket.replies()[0] as { error: string };
    expect(text.startsWith('NOPERM')).toBe(!expected);
  });
});
