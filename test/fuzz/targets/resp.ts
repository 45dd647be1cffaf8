/** Requests of clients: the same however they are cut, within bounds. */

import { RespParser, RespProtocolError } from '../../../src/kv/resp-parser.js';
import { Random } from '../random.js';
import { type FuzzTarget, join, must, text, words } from '../target.js';

const bounds = { bulkBytesMax: 1000, requestBytesMax: 3000 };
/** Beside the request itself: the least that the parser gathers in, twice, and the tables of arguments. */
const HELD_BYTES_MAX = 2 * 3000 + 4096 + 8 * 4096 + 2 * 4 * 3000;

interface Outcome {
  readonly requests: readonly string[];
  readonly error: string | null;
}

function parse(stream: Uint8Array, cut: () => number): Outcome {
  const parser = new RespParser(bounds);
  const requests: string[] = [];
  try {
    for (let at = 0; at < stream.length; ) {
      // A copy: an inline request with quotes is rewritten in place.
      const chunk = Buffer.from(stream.subarray(at, at + cut()));
      at += chunk.length;
      parser.push(chunk);
      while (parser.next()) {
        const request: string[] = [];
        must(parser.argumentCount > 0, 'a request without a name');
        must(parser.requestBytes <= bounds.requestBytesMax, 'a request beyond its bound');
        for (let index = 0; index < parser.argumentCount; index++) {
          const start = parser.starts[index]!;
          const end = parser.ends[index]!;
          must(0 <= start && start <= end && end <= parser.bytes.length, 'an argument outside of the bytes');
          must(end - start <= bounds.requestBytesMax, 'an argument beyond its bound');
          // An argument behind a line's end, and not the first, is a bulk string: an inline request is one line.
          const isBulk = index > 0 && parser.bytes[start - 1] === 10;
          must(!isBulk || end - start <= bounds.bulkBytesMax, 'a bulk string beyond its bound');
          request.push(parser.bytes.toString('latin1', start, end));
        }
        requests.push(request.map((one) => `${one.length}:${one}`).join());
      }
      must(parser.drained, 'the chunk was not read up');
      must(parser.heldBytes <= HELD_BYTES_MAX, 'holds more than its bound', () => String(parser.heldBytes));
    }
  } catch (error) {
    if (!(error instanceof RespProtocolError)) throw error;
    try {
      parser.next();
    } catch (again) {
      must(again === error, 'another error the second time');
      return { requests, error: error.message };
    }
    throw new Error('read on after an error');
  }
  return { requests, error: null };
}

/** Counts and lengths are made to say what is there, most of the time. */
export function repairRequests(input: Uint8Array, random: Random): Uint8Array {
  const source = Buffer.from(input).toString('latin1');
  if (!source.startsWith('*') || random.chance(0.3)) return input;
  const parts = source.split('\r\n');
  const repaired: string[] = [];
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    const next = parts[index + 1];
    if (part.startsWith('$') && next !== undefined && random.chance(0.9)) {
      repaired.push(`$${next.length}`, next);
      index += 1;
    } else if (part.startsWith('*') && random.chance(0.9)) {
      let count = 0;
      for (let at = index + 1; at < parts.length && parts[at]!.startsWith('$'); at += 2) count += 1;
      repaired.push(`*${count}`);
    } else repaired.push(part);
  }
  return text(repaired.join('\r\n'));
}

/** An argument of another length, mostly one at a bound; or a whole request more. */
function mutateRequests(input: Uint8Array, random: Random): Uint8Array {
  const parts = Buffer.from(input.subarray(1)).toString('latin1').split('\r\n');
  const places = [...parts.keys()].filter((at) => parts[at]!.startsWith('$') && at + 1 < parts.length);
  if (places.length === 0 || random.chance(0.2)) {
    const more = request(random.pick(['GET', 'SET', '']), 'x'.repeat(random.pick(lengths)));
    return join([input, more]);
  }
  const at = random.pick(places);
  const length = random.chance(0.7) ? random.pick(lengths) : random.below(bounds.requestBytesMax);
  parts[at] = `$${length}`;
  parts[at + 1] = 'x'.repeat(length);
  return join([input.subarray(0, 1), text(parts.join('\r\n'))]);
}

const lengths: readonly number[] = [0, 1, 999, 1000, 1001, 1500, 2900, 2980, 2990, 3000];

export function request(...values: readonly string[]): Uint8Array {
  const bulks = values.map((value) => `$${Buffer.byteLength(value, 'latin1')}\r\n${value}\r\n`);
  return text(`*${values.length}\r\n${bulks.join('')}`);
}

export const resp: FuzzTarget = {
  name: 'resp',
  about: 'requests and errors do not depend on the cuts; bounds hold; nothing but RespProtocolError',
  inputBytesMax: 8 * 1024,
  guides: ['/src/kv/resp-parser'],
  dictionary: words(
    '\r\n',
    '*1\r\n',
    '$0\r\n\r\n',
    '$-1\r\n',
    '*0\r\n',
    '*1048577\r\n',
    '$1001\r\n',
    '"\\x41',
    "'\\'",
    ' "',
    '0',
    '\0',
  ),
  seeds: () => [
    join([new Uint8Array([3]), request('SET', 'long', 'x'.repeat(990)), request('GET', 'y'.repeat(995))]),
    join([new Uint8Array([2]), text(`SET a ${'z'.repeat(2500)}\r\n`)]),
    join([new Uint8Array([1]), request('GET', 'a'), request('SET', 'key', 'x'.repeat(300))]),
    text("\x02 set  \"a\\x41\\n\" 'it\\'s' \r\nPING\n*0\r\n*-1\r\n\r\n"),
  ],
  mutate: mutateRequests,
  repair: (input, random) => join([input.subarray(0, 1), repairRequests(input.subarray(1), random)]),
  run(input, trace) {
    const stream = input.subarray(1);
    const whole = parse(stream, () => stream.length);
    const random = new Random(input[0] ?? 0);
    const most = random.pick([1, 5, 40, 500]);
    const pieces = parse(stream, () => 1 + random.below(most));
    must(
      pieces.error === whole.error,
      'the error depends on the cuts',
      () => `${pieces.error}, ${whole.error}`,
    );
    must(pieces.requests.join('\n') === whole.requests.join('\n'), 'the requests depend on the cuts');
    trace(`${Math.min(4, whole.requests.length)} ${whole.error?.replace(/, got.*/, '')}`);
  },
};
