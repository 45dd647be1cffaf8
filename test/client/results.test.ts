/**
 * Aim: every result comes to the call that it belongs to, however many there are and however long, and one that cannot be encoded is lost
 * alone. Method: a service over a replica that answers with what the test says; and the encoder and the request by themselves.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import {
  type ClientFrame,
  ClientFrameError,
  ClientFrameKind,
  ClientFrameReader,
  FRAME_BYTES_CEILING,
} from '../../src/client/format.js';
import type { CommandBatch } from '../../src/client/index.js';
import { Request } from '../../src/client/request.js';
import { ResultEncoder } from '../../src/client/result-encoder.js';
import type { ServedReplica } from '../../src/client/service.js';
import { bytesOf, codeOf, uncaughtDuring } from '../application/support.js';
import {
  at,
  closeClients,
  FakeReplica,
  frameOfServer,
  openClient,
  serve,
  TcpProxy,
  textOf,
} from './support.js';

afterEach(closeClients);

/** Answers each command with the bytes of its number among all. */
function replicaOf(bytesOfResult: (number: number) => number): ServedReplica<Uint8Array> {
  const replica = new FakeReplica();
  let count = 0;
  replica.replicateBatch = async (batch: CommandBatch) =>
    Array.from({ length: batch.count }, () => {
      count += 1;
      return new Uint8Array(bytesOfResult(count)).fill(count);
    });
  return replica.served;
}

const isResult = (bytes: Uint8Array, number: number, length: number): boolean =>
  bytes.length === length && bytes[0] === number % 256 && bytes[length - 1] === number % 256;

describe('the results of a batch', () => {
  it('are those that there are, and no other bytes of the frame', async () => {
    const { port } = await serve(new FakeReplica().served);
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const results = await client.replicateBatch([bytesOf('a'), bytesOf('b')]);
    expect([0, 1].map((index) => textOf(results.result(index)))).toEqual(['1:a', '2:b']);
    for (const index of [-1, 2, 9, Number.NaN])
      expect(() => results.result(index)).toThrow(
        expect.objectContaining({
          code: 'ERR_SYNOD_ARGUMENT',
          message: expect.stringContaining('2 results'),
        }),
      );
  });
});

it.each([
  ['no replica', null, { cluster: 'here' }, 'ERR_SYNOD_ARGUMENT', undefined],
  ['nothing of one', {}, { cluster: 'here' }, 'ERR_SYNOD_ARGUMENT', undefined],
  ['one of another cluster', new FakeReplica(), { cluster: 'there' }, 'ERR_SYNOD_OPTION', 'cluster'],
])('a service of %s is refused', async (_what, replica, options, code, path) => {
  const serving = serve(replica as unknown as ServedReplica<Uint8Array>, options);
  await expect(serving).rejects.toMatchObject({ code, path });
});

describe('a result that cannot be encoded', () => {
  it('is lost alone: the others of its frame come', async () => {
    const reasons: string[] = [];
    const { port } = await serve(
      replicaOf((number) => (number === 4 || number === 5 ? 70_000 : 1)),
      { onEvent: ({ event, reason }) => reasons.push(`${event} ${reason}`) },
    );
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const calls = Array.from({ length: 10 }, () => client.replicate(bytesOf('x')));
    const outcomes = await Promise.all(calls.map(codeOf));
    expect(outcomes.map((code, index) => (code === 'resolved' ? '' : `${index} ${code}`)).join('')).toBe(
      '3 ERR_SYNOD_RESULT_LOST committed4 ERR_SYNOD_RESULT_LOST committed',
    );
    await expect(calls[3]).rejects.toMatchObject({ message: expect.stringContaining('resultBytesMax') });
    expect(isResult((await calls[9])!, 10, 1)).toBe(true);
    expect(reasons).toEqual([expect.stringMatching(/^result-lost RangeError.*, and 1 more$/)]);
    expect(client.outstandingBytes).toBe(0);
  });

  it('is lost alone also where what is thrown has no text', async () => {
    const reasons: string[] = [];
    const { port } = await serve(new FakeReplica().served, {
      encodeResult: (result, bytes, _view, start) => {
        if (textOf(result).endsWith('bad')) throw Object.create(null);
        bytes.set(result, start);
        return start + result.length;
      },
      onEvent: ({ reason }) => reasons.push(reason),
    });
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const calls = ['good', 'bad'].map((text) => codeOf(client.replicate(bytesOf(text))));
    expect(await Promise.all(calls)).toEqual(['resolved', 'ERR_SYNOD_RESULT_LOST committed']);
    expect(reasons).toEqual(['[object]']);
  });

  it('is lost, and its client told, also where onEvent throws', async () => {
    let told = '';
    const caught = await uncaughtDuring(async () => {
      const service = await serve(new FakeReplica().served, {
        encodeResult: () => {
          throw new Error('as asked');
        },
        onEvent: () => {
          throw new Error('by onEvent');
        },
      });
      const client = await openClient({ cluster: 'here', servers: [at(service.port)], timeoutMs: 2000 });
      told = await codeOf(client.replicate(bytesOf('a')));
      expect(service.statistics.outstandingBytes).toBe(0);
    });
    expect(told).toBe('ERR_SYNOD_RESULT_LOST committed');
    // Behind the call, as with the listeners of a replica.
    expect(caught).toEqual(['Error: by onEvent']);
  });

  it('is lost with the batch that it is of, and with no other one', async () => {
    const replica = new FakeReplica();
    const { port } = await serve(replica.served, {
      encodeResult: (result, bytes, _view, start) => {
        if (textOf(result).endsWith('bad')) throw new Error('as asked');
        bytes.set(result, start);
        return start + result.length;
      },
    });
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const first = client.replicateBatch([bytesOf('a'), bytesOf('b')]);
    const lost = client.replicateBatch([bytesOf('c'), bytesOf('bad'), bytesOf('d')]);
    const one = client.replicateBatch([bytesOf('bad')]);
    const last = client.replicateBatch([bytesOf('e')]);
    const single = client.replicate(bytesOf('f'));
    expect(textOf((await first).result(1))).toBe('2:b');
    expect(await codeOf(lost)).toBe('ERR_SYNOD_RESULT_LOST committed');
    expect(await codeOf(one)).toBe('ERR_SYNOD_RESULT_LOST committed');
    expect(textOf((await last).result(0))).toBe('7:e');
    expect(textOf(await single)).toBe('8:f');
  });
});

describe('results beyond what one frame holds', () => {
  it('come in several, to single calls and to a batch across two of them', async () => {
    const { port } = await serve(replicaOf((number) => (number === 300 ? 70_000 : 60_000)));
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const singles = Array.from({ length: 100 }, () => client.replicate(bytesOf('x')));
    const batch = client.replicateBatch(Array.from({ length: 100 }, () => bytesOf('x')));
    const more = Array.from({ length: 400 }, () => client.replicate(bytesOf('x')));
    for (const [index, call] of singles.entries()) expect(isResult(await call, index + 1, 60_000)).toBe(true);
    const results = await batch;
    for (let index = 0; index < 100; index += 1)
      expect(isResult(results.result(index), 101 + index, 60_000)).toBe(true);
    for (const [index, call] of more.entries()) {
      if (index === 99) expect(await codeOf(call)).toBe('ERR_SYNOD_RESULT_LOST committed');
      else expect(isResult(await call, 201 + index, 60_000)).toBe(true);
    }
    expect(client.outstandingBytes).toBe(0);
  });

  it('come again, all of them, where the connection broke between two frames', async () => {
    const replica = replicaOf(() => 60_000);
    const service = await serve(replica, { keptBytesMax: 64 * 1024 * 1024 });
    const proxy = await TcpProxy.open(service.port);
    const client = await openClient({ cluster: 'here', servers: [at(proxy.port)] });
    proxy.cutsAfter = 12 * 1024 * 1024;
    const results = await client.replicateBatch(Array.from({ length: 400 }, () => bytesOf('x')));
    for (let index = 0; index < 400; index += 1)
      expect(isResult(results.result(index), index + 1, 60_000)).toBe(true);
    expect(proxy.connections).toBe(2);
    expect(service.statistics.commands).toBe(400);
  });

  it('are cut so that each frame is one, with the longest results there are', () => {
    const encoder = new ResultEncoder<number>({
      crc32c,
      resultBytesMax: 16 * 1024 * 1024,
      encodeResult: (length, _bytes, _view, start) => start + length,
    });
    const frames: ClientFrame[] = [];
    const reader = new ClientFrameReader(FRAME_BYTES_CEILING, crc32c, (frame) => frames.push(frame));
    const lengths = [8 * 1024 * 1024 - 36, 16 * 1024 * 1024, 16 * 1024 * 1024, 0, 5];
    reader.read(encoder.encode(7, lengths, () => expect.unreachable()));
    expect(frames.map(({ first, count }) => [first, count])).toEqual([
      [7, 2],
      [9, 1],
      [10, 2],
    ]);
    expect(encoder.encode(12, [1, 2], () => {}).length).toBe(32 + 4 + 1 + 4 + 2);
  });
});

describe('Request', () => {
  const results = (count: number, ...lengths: readonly number[]): ClientFrame => {
    const body = new Uint8Array(lengths.reduce((sum, length) => sum + 4 + length, 0));
    let place = 0;
    for (const length of lengths) {
      new DataView(body.buffer).setUint32(place, length, true);
      place += 4 + length;
    }
    const frames: ClientFrame[] = [];
    new ClientFrameReader(1000, crc32c, (frame) => frames.push(frame)).read(
      frameOfServer(ClientFrameKind.results, body, count, 1),
    );
    return frames[0]!;
  };
  const requestOf = (count: number): { request: Request; settled: string[] } => {
    const request = new Request();
    const settled: string[] = [];
    for (let index = 0; index < count; index += 1) {
      request.add(bytesOf('x'));
      const resolve = (result: Uint8Array): void => void settled.push(`${result.length}`);
      request.await({ count: 0, resolve, reject: ({ code }) => void settled.push(code) });
    }
    return { request, settled };
  };

  it('settles nobody before all results are there', () => {
    const { request, settled } = requestOf(3);
    expect([request.take(results(1, 5)), request.take(results(1, 6))]).toEqual([false, false]);
    expect(settled).toEqual([]);
    expect(request.next).toBe(2);
    expect(request.take(results(1, 7))).toBe(true);
    expect(settled).toEqual(['5', '6', '7']);
  });

  it('begins anew when what has come is dropped', () => {
    const { request, settled } = requestOf(2);
    request.take(results(1, 5));
    request.dropParts();
    expect(request.next).toBe(0);
    expect(request.take(results(2, 6, 7))).toBe(true);
    expect(settled).toEqual(['6', '7']);
  });

  it.each([
    ['no results', results(0)],
    ['more than there are commands', results(3, 1, 1, 1)],
    ['fewer than it says', results(2, 1)],
    ['more than it says', results(1, 1, 1)],
  ])('refuses a frame of %s', (_, frame) => {
    const { request, settled } = requestOf(2);
    expect(() => request.take(frame)).toThrow(ClientFrameError);
    expect(settled).toEqual([]);
  });
});
