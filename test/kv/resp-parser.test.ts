/**
 * The parser gives the same requests and the same error however the stream is cut into chunks; whatever comes,
 * it throws nothing but its own error, ends, and holds no more memory than its bounds allow.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARGUMENTS_MAX, INLINE_BYTES_MAX, RespParser, RespProtocolError } from '../../src/kv/resp-parser.js';

const small = { bulkBytesMax: 1000, requestBytesMax: 3000 };

interface Outcome {
  readonly requests: readonly (readonly string[])[];
  readonly error: string | null;
}

function parse(
  chunks: readonly Uint8Array[],
  options = small,
  watch?: (parser: RespParser) => void,
): Outcome {
  const parser = new RespParser(options);
  const requests: string[][] = [];
  try {
    for (const chunk of chunks) {
      // A copy: an inline request with quotes is rewritten in place.
      parser.push(Buffer.from(chunk));
      while (parser.next()) {
        const request: string[] = [];
        for (let index = 0; index < parser.argumentCount; index++) {
          request.push(parser.bytes.toString('latin1', parser.starts[index], parser.ends[index]));
        }
        requests.push(request);
        watch?.(parser);
      }
      watch?.(parser);
      expect(parser.drained).toBe(true);
    }
  } catch (error) {
    if (!(error instanceof RespProtocolError)) throw error;
    expect(() => parser.next()).toThrow(error);
    return { requests, error: error.message };
  }
  return { requests, error: null };
}

function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    chunks.push(bytes.subarray(at, at + length));
    at += length;
    if (at >= bytes.length) break;
  }
  if (at < bytes.length) chunks.push(bytes.subarray(at));
  return chunks;
}

function multibulk(request: readonly string[]): string {
  return `*${request.length}\r\n${request.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const byteString = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array).toString('latin1'));
const request = fc.array(byteString, { minLength: 1, maxLength: 6 });
const word = fc.stringMatching(/^[a-zA-Z0-9:_.-]{1,20}$/);
const piece = fc.oneof(
  request.map((one) => ({ text: multibulk(one), request: one as string[] | null })),
  fc
    .array(word, { minLength: 1, maxLength: 5 })
    .map((words) => ({ text: `  ${words.join('  ')} \r\n`, request: words as string[] | null })),
  fc.array(byteString, { minLength: 1, maxLength: 3 }).map((texts) => ({
    text: `${texts.map((text) => `"${[...text].map((c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')}"`).join(' ')}\n`,
    request: texts as string[] | null,
  })),
  fc.constantFrom('\r\n', '\n', '*0\r\n', '*-1\r\n', '  \r\n').map((text) => ({ text, request: null })),
);
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 200 });

describe('requests', () => {
  it('are the same however a pipeline is cut', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), cuts, (pieces, lengths) => {
        const stream = bytes(pieces.map(({ text }) => text).join(''));
        const expected = pieces.flatMap(({ request }) => (request === null ? [] : [request]));
        expect(parse(cut(stream, lengths))).toEqual({ requests: expected, error: null });
        expect(parse([stream])).toEqual({ requests: expected, error: null });
      }),
      { numRuns: 2000 },
    );
  });

  it('are the same when every byte comes alone, and when a pipeline is cut in two anywhere', () => {
    const requests = [['SET', 'key', 'a\r\nb'], ['GET', ''], ['PING']];
    const stream = bytes(`${requests.map(multibulk).join('')}ECHO "a b"\r\n*1\r\n$4\r\nQUIT\r\n`);
    const expected = { requests: [...requests, ['ECHO', 'a b'], ['QUIT']], error: null };
    expect(parse([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
    for (let at = 0; at <= stream.length; at++) {
      expect(parse([stream.subarray(0, at), stream.subarray(at)])).toEqual(expected);
    }
  });

  it('lie in the chunk itself where they arrived in one piece', () => {
    const parser = new RespParser(small);
    const chunk = bytes(multibulk(['SET', 'k', 'value']) + multibulk(['GET', 'k']));
    parser.push(chunk);
    expect(parser.next()).toBe(true);
    expect(parser.bytes).toBe(chunk);
    expect(parser.next()).toBe(true);
    expect(parser.bytes).toBe(chunk);
    expect(parser.next()).toBe(false);
  });

  it('after one that straddled chunks lie in the chunk again', () => {
    const parser = new RespParser(small);
    parser.push(bytes('*2\r\n$3\r\nGE'));
    expect(parser.next()).toBe(false);
    const chunk = bytes(`T\r\n$1\r\nk\r\n${multibulk(['PING'])}`);
    parser.push(chunk);
    expect(parser.next()).toBe(true);
    expect(parser.bytes).not.toBe(chunk);
    expect(parser.next()).toBe(true);
    expect(parser.bytes).toBe(chunk);
  });

  it('may have as many arguments as the bound says', () => {
    const many = `*${ARGUMENTS_MAX}\r\n${'$0\r\n\r\n'.repeat(ARGUMENTS_MAX)}`;
    const parser = new RespParser({ bulkBytesMax: 10, requestBytesMax: 16 * 1024 * 1024 });
    parser.push(bytes(many));
    expect(parser.next()).toBe(true);
    expect(parser.argumentCount).toBe(ARGUMENTS_MAX);
    // The tables of the large request are given back, also where nothing follows, or an inline request.
    expect(parser.next()).toBe(false);
    expect(parser.heldBytes).toBeLessThan(10_000);
    parser.push(bytes('PING\r\n*1\r\n$4\r\nPING\r\n'));
    expect(parser.next() && parser.next()).toBe(true);
    expect(parser.heldBytes).toBeLessThan(10_000);
  });

  it('do not pile up: a chunk must be read before the next is given', () => {
    const parser = new RespParser(small);
    parser.push(bytes('PING\r\n'));
    expect(() => parser.push(bytes('PING\r\n'))).toThrow(RangeError);
  });
});

describe('inline requests', () => {
  it.each([
    ['SET a b\r\n', ['SET', 'a', 'b']],
    ['\t SET   a\tb  \n', ['SET', 'a', 'b']],
    ['SET a ""\n', ['SET', 'a', '']],
    ['SET a "\\n\\r\\t\\b\\a\\\\\\"\\q"\n', ['SET', 'a', '\n\r\t\b\x07\\"q']],
    ['SET a "\\x41\\xZZ\\x4"\n', ['SET', 'a', 'AxZZx4']],
    ["SET a 'it\\'s \\n'\n", ['SET', 'a', "it's \\n"]],
    ['SET pre"fix in"\n', ['SET', 'prefix in']],
  ])('%j', (line, expected) => {
    expect(parse([bytes(line)])).toEqual({ requests: [expected], error: null });
  });

  it.each(['SET "a', "SET 'a\\'", 'SET "a"b', "SET 'a'b", 'SET "a\\"'])('%j is unbalanced', (line) => {
    expect(parse([bytes(`PING\n${line}\n`)])).toEqual({
      requests: [['PING']],
      error: 'Protocol error: unbalanced quotes in request',
    });
  });

  it('end at the bound', () => {
    const large = { bulkBytesMax: 1000, requestBytesMax: 1_000_000 };
    expect(parse([bytes(`${'a'.repeat(INLINE_BYTES_MAX - 1)}\n`)], large).error).toBe(null);
    expect(parse([bytes(`${'a'.repeat(2999)}\n`)]).error).toBe(null);
    expect(parse([bytes(`${'a'.repeat(3000)}\n`)]).error).toBe('Protocol error: too big inline request');
    for (const chunks of [
      [bytes('a'.repeat(INLINE_BYTES_MAX))],
      cut(bytes('a'.repeat(INLINE_BYTES_MAX)), [1, 5000]),
    ]) {
      expect(parse(chunks, large).error).toBe('Protocol error: too big inline request');
    }
  });
});

describe('errors', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['*x\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*-0\r\n', 'invalid multibulk length'],
    ['*+1\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*1\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*99999999999\r\n', 'invalid multibulk length'],
    [`*${'1'.repeat(32)}`, 'too big mbulk count string'],
    ['*1\r\n!', "expected '$', got '!'"],
    ['*1\r\n\x01', "expected '$', got '?'"],
    ['*2\r\n$1\r\na\r\n*', "expected '$', got '*'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$1001\r\n', 'invalid bulk length'],
    ['*1\r\n$1a\r\n', 'invalid bulk length'],
    [`*1\r\n$${'1'.repeat(32)}`, 'too big bulk count string'],
    ['*1\r\n$1\r\nab\r\n', 'expected CRLF after bulk string'],
    [`*5\r\n${`$900\r\n${'x'.repeat(900)}\r\n`.repeat(3)}$900\r\n`, 'too big request'],
  ];
  it.each(cases.map(([stream, message]) => [stream.slice(0, 24), message, stream]))(
    '%j: %s',
    (_name, message, stream) => {
      const expected = { requests: [['PING']], error: `Protocol error: ${message}` };
      const whole = bytes(`PING\r\n${stream}`);
      expect(parse([whole])).toEqual(expected);
      expect(parse([...whole].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
    },
  );

  it('are the same, after the same requests, however garbage is cut', () => {
    const token = fc.oneof(
      fc.constantFrom(
        '*',
        '$',
        '\r\n',
        '\r',
        '\n',
        '-',
        '0',
        '1',
        '3',
        '"',
        "'",
        '\\',
        'PING\r\n',
        '*1\r\n',
        '$4\r\n',
      ),
      byteString,
      request.map(multibulk),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), cuts, (tokens, lengths) => {
        const stream = bytes(tokens.join(''));
        expect(parse(cut(stream, lengths))).toEqual(parse([stream]));
      }),
      { numRuns: 3000 },
    );
  });

  it('are typed for any mutation of a valid pipeline, and memory stays bounded', () => {
    const mutation = fc.tuple(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 255 }),
      fc.nat(2),
    );
    fc.assert(
      fc.property(
        fc.array(request, { minLength: 1, maxLength: 10 }),
        fc.array(mutation, { minLength: 1, maxLength: 5 }),
        cuts,
        (requests, mutations, lengths) => {
          let stream: Buffer = bytes(requests.map(multibulk).join(''));
          for (const [where, value, kind] of mutations) {
            const at = Math.floor(where * (stream.length - 1));
            if (kind === 0) stream[at] = value;
            else if (kind === 1)
              stream = Buffer.concat([stream.subarray(0, at), stream.subarray(at + 1 + (value % 9))]);
            else stream = Buffer.concat([stream.subarray(0, at), Buffer.from([value]), stream.subarray(at)]);
            if (stream.length === 0) stream = Buffer.from('*');
          }
          const outcome = parse(cut(stream, lengths), small, (parser) => {
            expect(parser.heldBytes).toBeLessThan(3 * small.requestBytesMax + 4 * INLINE_BYTES_MAX);
          });
          expect(outcome).toEqual(parse([stream]));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('what a peer merely says will come takes no memory', () => {
    const parser = new RespParser({ bulkBytesMax: 2 ** 28, requestBytesMax: 2 ** 28 });
    parser.push(bytes(`*1048576\r\n$${2 ** 28 - 100}\r\n`));
    expect(parser.next()).toBe(false);
    parser.push(Buffer.alloc(1000));
    expect(parser.next()).toBe(false);
    expect(parser.heldBytes).toBeLessThan(10_000);
  });

  it('a large request that comes in small chunks is gathered in linear time, and given back', () => {
    const options = { bulkBytesMax: 2 ** 25, requestBytesMax: 2 ** 25 };
    const parser = new RespParser(options);
    const length = 20_000_000;
    parser.push(bytes(`*1\r\n$${length}\r\n`));
    let found = parser.next();
    for (let at = 0; at < length + 2 && !found; at += 1000) {
      parser.push(at + 1000 < length ? Buffer.alloc(1000, 120) : bytes(`${'x'.repeat(length - at)}\r\n`));
      found = parser.next();
    }
    expect(found).toBe(true);
    expect((parser.ends[0] as number) - (parser.starts[0] as number)).toBe(length);
    expect(parser.heldBytes).toBeLessThanOrEqual(2 ** 25 + 10_000);
    parser.push(bytes('PING\r\n'));
    while (parser.next());
    expect(parser.heldBytes).toBeLessThan(10_000);
  });
});
