/** Clients and the service for them: their frames, and both ends of a real connection with a peer that sends anything. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { crc32c } from '../../../src/checksum.js';
import {
  CLIENT_PROTOCOL_VERSION,
  type ClientFrame,
  ClientFrameError,
  ClientFrameKind,
  ClientFrameReader,
  HEADER_BYTES,
  LOST_RESULT,
  makeFrame,
} from '../../../src/client/format.js';
import { type CommandBatch, serveClients } from '../../../src/client/index.js';
import { Link } from '../../../src/client/link.js';
import {
  decodeFailure,
  decodeHello,
  decodeId,
  decodeWelcome,
  encodeFailure,
  encodeHello,
  encodePrimary,
  encodeWelcome,
} from '../../../src/client/messages.js';
import { Request } from '../../../src/client/request.js';
import { SynodError } from '../../../src/errors.js';
import { FakeReplica } from '../../client/support.js';
import { Random } from '../random.js';
import { type FuzzTarget, join, must, text, viewOf } from '../target.js';

const FRAME_BYTES_MAX = 64 * 1024;
const SESSION = '0123456789abcdef0123456789abcdef';
const LIFE = 'fedcba9876543210fedcba9876543210';

/** Commands or results, each behind its length; null is a result that is lost. */
function lengths(...values: readonly (string | null)[]): Uint8Array {
  return join(
    values.flatMap((value) => [
      new Uint8Array(new Uint32Array([value === null ? LOST_RESULT : value.length]).buffer),
      text(value ?? ''),
    ]),
  );
}

const frame = (
  kind: number,
  count: number,
  first: number,
  acknowledged: number,
  body: Uint8Array,
): Uint8Array => makeFrame(kind, count, first, acknowledged, body, crc32c);

const hello = (life: string | null, cluster = 'here'): Uint8Array =>
  frame(ClientFrameKind.hello, 0, 0, 0, encodeHello({ session: SESSION, life, received: 0, cluster }));
const welcome = (count = 0): Uint8Array =>
  frame(
    ClientFrameKind.welcome,
    count,
    0,
    0,
    encodeWelcome({ life: LIFE, received: 0, commandBytesMax: 1000, frameBytesMax: 2000, primary: 'a' }),
  );
const commands = (first: number, acknowledged: number, ...values: readonly string[]): Uint8Array =>
  frame(ClientFrameKind.commands, values.length, first, acknowledged, lengths(...values));
const results = (first: number, ...values: readonly (string | null)[]): Uint8Array =>
  frame(ClientFrameKind.results, values.length, first, 0, lengths(...values));
const failure = (first: number): Uint8Array =>
  frame(ClientFrameKind.failure, 1, first, 0, encodeFailure('ERR_SYNOD_OVERLOADED', 'not-applied', 'full'));
const refusal = (): Uint8Array =>
  frame(ClientFrameKind.refusal, 0, 0, 0, encodeFailure('ERR_SYNOD_REFUSED', 'not-applied', 'no'));
const goodbye = (): Uint8Array => frame(ClientFrameKind.goodbye, 0, 0, 0, new Uint8Array(0));
const primary = (): Uint8Array => frame(ClientFrameKind.primary, 0, 0, 0, encodePrimary('b'));

/** Lengths, checksums and numbers of what lies at each frame's place, most of the time. Behind the first byte. */
function repairFrames(input: Uint8Array, random: Random): Uint8Array {
  const stream = input.subarray(1);
  const view = viewOf(stream);
  let next = 1;
  for (let at = 0; at + HEADER_BYTES <= stream.length; ) {
    const left = stream.length - at;
    let total = view.getUint32(at, true);
    if ((total < HEADER_BYTES || total > left) && random.chance(0.95)) total = left;
    if (random.chance(0.01)) total = random.pick([0, 31, 2049, FRAME_BYTES_MAX + 1, 2 ** 32 - 1]);
    view.setUint32(at, total, true);
    if (total < HEADER_BYTES || total > left) return input;
    if (random.chance(0.97)) view.setUint8(at + 8, CLIENT_PROTOCOL_VERSION);
    if (view.getUint8(at + 9) > 8 && random.chance(0.9)) view.setUint8(at + 9, 1 + random.below(8));
    // In order, or anything.
    const count = view.getUint32(at + 12, true);
    if (random.chance(0.6)) view.setBigUint64(at + 16, BigInt(next), true);
    if (random.chance(0.7)) view.setBigUint64(at + 24, BigInt(random.below(next)), true);
    if (view.getUint8(at + 9) === ClientFrameKind.commands && count < 1000) next += count;
    if (random.chance(0.98)) view.setUint32(at + 4, crc32c(stream, at + 8, at + total, total), true);
    at += total;
  }
  return input;
}

/** What the reader makes of it, given in pieces of the lengths that `cut` yields. */
function readAll(
  stream: Uint8Array,
  cut: () => number,
): { readonly frames: readonly ClientFrame[]; readonly told: string } {
  const frames: ClientFrame[] = [];
  let error = '';
  const reader = new ClientFrameReader(FRAME_BYTES_MAX, crc32c, (one) => {
    const bytes = one.bytes.slice();
    frames.push({ ...one, bytes, view: viewOf(bytes) });
  });
  try {
    for (let at = 0; at < stream.length; ) {
      const count = cut();
      reader.read(stream.slice(at, at + count));
      at += count;
    }
  } catch (thrown) {
    if (!(thrown instanceof ClientFrameError)) throw thrown;
    error = thrown.message;
  }
  const told = frames.map(({ bytes }) => Buffer.from(bytes).toString('hex')).join();
  return { frames, told: `${told} ${error}` };
}

/** The body says the same when it is encoded again, or is refused. */
function checkBody(one: ClientFrame): string {
  const body = one.bytes.subarray(HEADER_BYTES);
  const same = (again: Uint8Array, count: number): void =>
    must(
      Buffer.compare(again.subarray(0, count), body.subarray(0, count)) === 0,
      'a body that is another when it is encoded again',
    );
  try {
    switch (one.kind) {
      case ClientFrameKind.hello:
        same(encodeHello(decodeHello(one)), body.length);
        break;
      case ClientFrameKind.welcome:
        same(encodeWelcome(decodeWelcome(one)), body.length);
        break;
      case ClientFrameKind.primary:
        same(encodePrimary(decodeId(body)), body.length);
        break;
      case ClientFrameKind.failure:
      case ClientFrameKind.refusal: {
        const { code, outcome } = decodeFailure(one);
        must(/^ERR_SYNOD_/.test(code), 'an error without a code');
        same(encodeFailure(code, outcome, ''), 2 + body[1]!);
        break;
      }
      default:
        return 'other';
    }
    return `kind ${one.kind}`;
  } catch (error) {
    if (!(error instanceof ClientFrameError)) throw error;
    return `kind ${one.kind} ${error.message.replace(/\d+/g, 'N')}`;
  }
}

const seedOf = (...frames: readonly Uint8Array[]): Uint8Array => join([new Uint8Array([3]), ...frames]);

export const clientFrames: FuzzTarget = {
  name: 'client-frames',
  about:
    'frames of clients are cut alike however the bytes arrive, and their bodies round-trip, else ClientFrameError',
  inputBytesMax: 3000,
  guides: ['/src/client/'],
  dictionary: [text('here'), text('ERR_SYNOD_'), text('\0\0\0\0'), text('\xff\xff\xff\xff')],
  seeds: () => [
    seedOf(hello(null), commands(1, 0, 'x', ''), commands(3, 2, 'yy')),
    seedOf(welcome(), primary(), results(1, 'x'), failure(2), refusal()),
    seedOf(results(1, 'x', null, 'y'), goodbye()),
  ],
  repair: repairFrames,
  run(input, trace) {
    const stream = input.subarray(1);
    const whole = readAll(stream, () => Math.max(1, stream.length));
    const random = new Random(input[0] ?? 0);
    const most = random.pick([1, 5, 40, 300]);
    const cut = readAll(stream, () => 1 + random.below(most));
    must(cut.told === whole.told, 'the frames depend on the cuts', () => `${cut.told}, ${whole.told}`);
    for (const one of whole.frames) trace(checkBody(one));
  },
};

async function send(socket: Socket, stream: Uint8Array, random: Random): Promise<void> {
  const most = random.pick([7, 60, 3000]);
  for (let at = 0; at < stream.length && !socket.destroyed; ) {
    const count = 1 + random.below(most);
    socket.write(stream.subarray(at, at + count));
    at += count;
    if (random.chance(0.02)) await new Promise(setImmediate);
  }
  socket.end();
}

/** Refuses what the real replica refuses. */
class CheckingReplica extends FakeReplica {
  override replicateBatch(batch: CommandBatch): Promise<readonly (Uint8Array | undefined)[]> {
    if (batch.longestBytes < 0)
      return Promise.reject(new SynodError('ERR_SYNOD_ARGUMENT', 'lengths', { outcome: 'not-applied' }));
    return super.replicateBatch(batch);
  }
}

export const clientService: FuzzTarget = {
  name: 'client-service',
  about: 'whatever a client sends, each command is executed once, in order, and nothing stays under way',
  inputBytesMax: 3000,
  guides: ['/src/client/'],
  memoryBytesMax: 64 * 1024 * 1024,
  seeds: () => [
    seedOf(
      hello(null),
      commands(1, 0, 'a', 'b'),
      commands(3, 0, 'c'),
      commands(1, 0, 'a', 'b'),
      commands(4, 3, 'd'),
    ),
    seedOf(hello(LIFE), commands(1, 0, 'a'), commands(0, 1)),
    seedOf(hello(null, 'there')),
    seedOf(hello(null), hello(null)),
    seedOf(hello(null), commands(1, 0, 'a'), goodbye(), commands(2, 0, 'b')),
    seedOf(goodbye()),
  ],
  repair: repairFrames,
  async run(input, trace) {
    const replica = new CheckingReplica();
    const events: string[] = [];
    const service = await serveClients(replica.served, {
      ...{
        cluster: 'here',
        port: 0,
        commandBytesMax: 4096,
        frameBytesMax: FRAME_BYTES_MAX,
        resultBytesMax: 1024,
        closeTimeoutMs: 0,
      },
      onEvent: ({ event }) => void events.push(event),
    });
    try {
      const socket = connect(service.port, '127.0.0.1').on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      const answers: number[] = [];
      const reader = new ClientFrameReader(2 ** 20, crc32c, ({ kind, first }) => {
        if (kind === ClientFrameKind.results || kind === ClientFrameKind.failure) answers.push(first);
      });
      socket.on('data', (chunk) => reader.read(chunk));
      await send(socket, input.subarray(1), new Random(input[0] ?? 0));
      await closed;
      // The service has seen its end too.
      while (service.statistics.connections > 0) await new Promise(setImmediate);
      const { outstandingBytes, sessions } = service.statistics;
      const sent = readAll(input.subarray(1), () => input.length).frames;
      const last = Math.max(0, ...sent.map(({ first, count }) => first + count - 1));
      must(replica.executed.length <= last, 'a command that was executed again', () =>
        replica.executed.join(),
      );
      must(outstandingBytes === 0, 'bytes are under way for ever', () => `${outstandingBytes}`);
      must(sessions <= 1, 'more sessions than connections');
      must(
        answers.every((first, index) => index === 0 || first > answers[index - 1]!),
        'answers out of order, or twice',
        () => answers.join(),
      );
      trace(`${events.join()} ${Math.min(4, replica.executed.length)} ${Math.min(3, answers.length)}`);
    } finally {
      await service.close();
    }
  },
};

/**
 * What the frame answers, by call: `a` and `b` are commands 1 and 2, in one frame, and `c` is command 3. The results of `a` and `b` may
 * come in two frames.
 */
function resultsIn({ kind, first, count, bytes, view }: ClientFrame): string[] {
  const last = first + count - 1;
  if (kind !== ClientFrameKind.results || first < 1 || last > 3 || (first < 3 && last > 2)) return [];
  const calls = [...'abc'].slice(first - 1, last);
  const told: string[] = [];
  let at = HEADER_BYTES;
  for (const call of calls) {
    if (at + 4 > bytes.length) return [];
    const length = view.getUint32(at, true);
    const end = at + 4 + (length === LOST_RESULT ? 0 : length);
    if (length !== LOST_RESULT) told.push(`${call} ${Buffer.from(bytes.subarray(at + 4, end))}`);
    at = end;
  }
  return at === bytes.length ? told : [];
}

/** Of one server for all runs: it sends to each connection what it is told to. */
let server: Server | null = null;
let stream: Uint8Array = new Uint8Array(0);

async function portOfServer(): Promise<number> {
  if (server === null) {
    server = createServer((socket) => {
      socket.on('error', () => {});
      // Once the client has said hello.
      socket.once('data', () => void send(socket, stream.subarray(1), new Random(stream[0] ?? 0)));
    });
    server.listen(0, '127.0.0.1');
    server.unref();
    await once(server, 'listening');
  }
  return (server.address() as AddressInfo).port;
}

export const clientLink: FuzzTarget = {
  name: 'client-link',
  about:
    'whatever a server sends, each call of a client is answered once, with what came for it, or with a typed error',
  inputBytesMax: 2000,
  guides: ['/src/client/'],
  memoryBytesMax: 96 * 1024 * 1024,
  seeds: () => [
    seedOf(welcome(), results(1, '1:a', '1:b'), results(3, '3:c')),
    seedOf(primary(), welcome(), failure(1), results(3, '3:c'), results(3, '3:c')),
    seedOf(welcome(), welcome()),
    seedOf(refusal()),
    seedOf(welcome(1), results(3, '3:c')),
    seedOf(welcome(), results(3, '3:c', '4:d')),
    seedOf(welcome(), results(1, '1:a'), results(2, '2:b'), results(3, '3:c')),
    seedOf(welcome(), results(1, '1:a'), results(2, null), results(3, null)),
    seedOf(welcome(), results(1, '1:a'), results(3, '3:c')),
    seedOf(welcome(), results(1, '1:a'), failure(1)),
    seedOf(welcome(), results(2, '2:b'), goodbye()),
  ],
  repair: repairFrames,
  async run(input, trace) {
    stream = input.slice();
    const port = await portOfServer();
    const told: string[] = [];
    const answer = (call: string) => ({
      ...{
        count: 0 as const,
        resolve: (result: Uint8Array) => void told.push(`${call} ${Buffer.from(result)}`),
      },
      reject: (error: SynodError) => {
        must(SynodError.is(error), 'an error without a code', () => String(error));
        told.push(`${call} ${error.code}`);
      },
    });
    const requests = [['a', 'b'], ['c']].map((calls) => {
      const request = new Request();
      for (const call of calls) {
        request.add(text(call));
        request.await(answer(call));
      }
      return request;
    });
    await new Promise<void>((resolve) => {
      const link: Link = new Link({
        ...{ address: { host: '127.0.0.1', port }, cluster: 'here', crc32c },
        ...{
          connectTimeoutMs: 200,
          resumeTimeoutMs: 0,
          stallMs: 60_000,
          onPrimary: () => {},
          onDrain: () => {},
          onSettled: () => {},
        },
        onOpen: () => {
          for (const request of requests) link.send(request);
        },
        onDead: (error) => {
          // As the client does it.
          for (const request of link.inFlight.takeAll()) request.reject(error);
          resolve();
        },
      });
    });
    const meant = readAll(stream.subarray(1), () => stream.length).frames.flatMap(resultsIn);
    for (const line of told)
      must(
        line.includes(' ERR_') || meant.includes(line),
        'a result that nobody sent for this call',
        () => line,
      );
    const calls = told.map((line) => line[0]);
    must(new Set(calls).size === calls.length, 'a call that is answered twice', () => told.join());
    must(calls.length === 0 || calls.join('') === 'abc', 'calls without an answer, or out of order', () =>
      told.join(),
    );
    trace(told.map((line) => (line.includes('ERR_') ? line : 'result')).join());
  },
};
