/** A client's bytes on a connection: whole replies come back, as many as requests, however the bytes were cut. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { CommandEncoder } from '../../../src/kv/command-codec.js';
import { Connection, type ConnectionHost } from '../../../src/kv/connection.js';
import { RespParser, RespProtocolError } from '../../../src/kv/resp-parser.js';
import { RespWriter } from '../../../src/kv/resp-writer.js';
import { checkServerOptions } from '../../../src/kv/server-options.js';
import { KeyValueStateMachine } from '../../../src/kv/state-machine.js';
import { InstantReplica } from '../../kv/fake-replica.js';
import { readReplies, readSomeReplies } from '../../kv/reply-reader.js';
import { Random } from '../random.js';
import { type FuzzTarget, join, must, text, words } from '../target.js';
import { repairRequests, request } from './resp.js';

const COMMAND_BYTES_MAX = 2048;

/** A socket without a network. */
class FakeSocket extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 1;
  readonly sent: Uint8Array[] = [];

  constructor() {
    super({ allowHalfOpen: true });
  }

  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  override _read(): void {}
  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    this.sent.push(Uint8Array.from(chunk));
    callback();
  }
}

class FakeHost implements ConnectionHost {
  readonly replica = new InstantReplica(new KeyValueStateMachine({ replyBytesMax: 256 * 1024 }));
  readonly options = checkServerOptions({
    commandBytesMax: COMMAND_BYTES_MAX,
    batchOperationsMax: 8,
    nowMs: () => 1_700_000_000_000,
  });
  readonly replicateOptions = {};
  readonly encoder = new CommandEncoder();
  readonly localReplies = new RespWriter(256 * 1024);
  readonly statistics = {
    connectionsReceived: 0,
    connectionsRefused: 0,
    connectionsCut: 0,
    commandsProcessed: 0,
    batchesReplicated: 0,
    requestsRefused: 0,
    bytesReceived: 0,
    bytesSent: 0,
  };
  outstandingBytes = 0;
  readonly open: Set<Connection> = new Set();

  scheduleFlush(connection: Connection): void {
    process.nextTick(() => connection.onSettled());
  }
  waitForRoom(connection: Connection): void {
    process.nextTick(() => connection.pump());
  }
  connections(): Iterable<Connection> {
    return this.open;
  }
  information(sections: readonly string[]): Promise<string> {
    return Promise.resolve(`sections:${sections.length}\r\n`);
  }
  onClosed(connection: Connection): void {
    this.open.delete(connection);
  }
}

async function serve(stream: Uint8Array, cut: () => number): Promise<string> {
  const host = new FakeHost();
  host.replica.keepsLog = false;
  const socket = new FakeSocket();
  const connection = new Connection(host, socket as unknown as Socket, 1);
  host.open.add(connection);
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  for (let at = 0; at < stream.length && !socket.destroyed; ) {
    const chunk = Buffer.from(stream.subarray(at, at + cut()));
    at += chunk.length;
    socket.push(chunk);
    if (at % 3 === 0) await undefined;
  }
  if (!socket.destroyed) socket.push(null);
  await closed;
  must(host.outstandingBytes === 0, 'bytes are under way for ever', () => String(host.outstandingBytes));
  must(host.open.size === 0, 'the connection was not given up');
  return Buffer.from(join(socket.sent)).toString('latin1');
}

/** Requests up to the first error of the protocol, and whether there is one. */
function countRequests(stream: Uint8Array): { requests: number; end: 'open' | 'failed' | 'quits' | 'cut' } {
  const bytesMax = COMMAND_BYTES_MAX - 13;
  const parser = new RespParser({ bulkBytesMax: bytesMax, requestBytesMax: bytesMax });
  let requests = 0;
  try {
    parser.push(Buffer.from(stream));
    while (parser.next()) {
      requests += 1;
      const name = parser.bytes.toString('latin1', parser.starts[0], parser.ends[0]).toLowerCase();
      if (name === 'quit') return { requests, end: 'quits' };
      if (name === 'post' || name === 'host:') return { requests, end: 'cut' };
    }
  } catch (error) {
    if (!(error instanceof RespProtocolError)) throw error;
    return { requests: requests + 1, end: 'failed' };
  }
  return { requests, end: 'open' };
}

function kindsOf(replies: string): string {
  return readReplies(Buffer.from(replies, 'latin1'))
    .map((one) => (one === null || typeof one !== 'object' ? typeof one : Object.keys(one)[0]))
    .join();
}

export const kvConnection: FuzzTarget = {
  name: 'kv-connection',
  about: 'whole replies, one for each request, the same however the bytes come; nothing stays under way',
  inputBytesMax: 3000,
  guides: ['/src/kv/'],
  memoryBytesMax: 96 * 1024 * 1024,
  dictionary: [
    ...words(
      'MULTI\r\n',
      'EXEC\r\n',
      'DISCARD\r\n',
      'HELLO 3\r\n',
      'QUIT\r\n',
      'CLIENT LIST\r\n',
      'COMMAND\r\n',
      'INFO\r\n',
    ),
    ...words(
      'CONFIG GET *\r\n',
      'SYNOD STATUS\r\n',
      'SELECT 1\r\n',
      'WATCH a\r\n',
      'KEYS *\r\n',
      'SCAN 0\r\n',
      'POST / HTTP/1.1\r\n',
    ),
    request('CLIENT', 'SETNAME', 'x'),
    request('COMMAND', 'INFO', 'get'),
  ],
  seeds: () => [
    join([
      new Uint8Array([3]),
      request('SET', 'a', '1'),
      request('INCR', 'a'),
      request('MULTI'),
      request('GET', 'a'),
      request('EXEC'),
      request('HELLO', '3', 'SETNAME', 'me'),
      request('CLIENT', 'INFO'),
      request('COMMAND', 'COUNT'),
      request('ECHO', 'x'),
      request('QUIT'),
    ]),
    text('\x01PING\r\nMULTI\r\nSET a\r\nEXEC\r\nCONFIG GET maxmemory\r\nINFO\r\nSYNOD STATUS\r\nAUTH x\r\n'),
  ],
  repair: (input, random) => join([input.subarray(0, 1), repairRequests(input.subarray(1), random)]),
  async run(input, trace) {
    const stream = input.subarray(1);
    const source = Buffer.from(stream).toString('latin1');
    const whole = await serve(stream, () => stream.length);
    const { replies, rest } = readSomeReplies(Buffer.from(whole, 'latin1'));
    must(rest === 0, 'half a reply', () => whole.slice(-100));
    const { requests, end } = countRequests(stream);
    trace(`${end} ${Math.min(5, replies.length)}`);
    const detail = (): string => `${replies.length} for ${requests}`;
    if (end === 'cut') {
      // At once, whatever was under way.
      must(replies.length < requests, 'a reply to what is none', detail);
      return;
    }
    must(replies.length === requests, 'another number of replies', detail);
    const random = new Random(input[0] ?? 0);
    const most = random.pick([3, 20, 200]);
    const cut = await serve(stream, () => 1 + random.below(most));
    // What tells of the state of things may tell of another one each time.
    const told = (all: string): string => (/synod|client|info/i.test(source) ? kindsOf(all) : all);
    must(told(cut) === told(whole), 'the replies depend on the cuts', () => `${whole}\n\nagainst\n\n${cut}`);
  },
};
