/** Reads RESP2 and RESP3 replies, to compare them with. */

export interface ErrorReply {
  readonly error: string;
}
export interface SimpleReply {
  readonly simple: string;
}
/** A bulk string is a string, an integer a number (a bigint where it is not safe), nil null. */
export type ReplyValue =
  | string
  | number
  | bigint
  | null
  | ErrorReply
  | SimpleReply
  | { readonly map: readonly (readonly [ReplyValue, ReplyValue])[] }
  | { readonly set: readonly ReplyValue[] }
  | { readonly verbatim: string }
  | readonly ReplyValue[];

export const OK: SimpleReply = { simple: 'OK' };
export const error = (text: string): ErrorReply => ({ error: text });

/** Every whole reply in `bytes`. Throws where what is left over is no reply. */
export function readReplies(bytes: Uint8Array): ReplyValue[] {
  const { replies, rest } = readSomeReplies(bytes);
  if (rest > 0) throw new Error(`${rest} bytes are left over`);
  return replies;
}

/** Every whole reply, and how many bytes of another one follow. */
export function readSomeReplies(bytes: Uint8Array): { replies: ReplyValue[]; rest: number } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const replies: ReplyValue[] = [];
  let at = 0;
  while (at < text.length) {
    const read = readOne(text, at);
    if (read === null) break;
    replies.push(read.value);
    at = read.at;
  }
  return { replies, rest: text.length - at };
}

interface Read {
  readonly value: ReplyValue;
  readonly at: number;
}

function readOne(text: string, from: number): Read | null {
  const lineEnd = text.indexOf('\r\n', from);
  if (lineEnd < 0) return null;
  const line = text.slice(from + 1, lineEnd);
  const at = lineEnd + 2;
  switch (text[from]) {
    case '+':
      return { value: { simple: line }, at };
    case '-':
      return { value: { error: line }, at };
    case ':': {
      const value = BigInt(line);
      const number = Number(value);
      return { value: Number.isSafeInteger(number) ? number : value, at };
    }
    case '_':
      return { value: null, at };
    case '$':
    case '=': {
      const length = Number(line);
      if (length < 0) return { value: null, at };
      if (text.length < at + length + 2) return null;
      if (text.slice(at + length, at + length + 2) !== '\r\n')
        throw new Error('no line end after a bulk string');
      const content = text.slice(at, at + length);
      return { value: text[from] === '$' ? content : { verbatim: content.slice(4) }, at: at + length + 2 };
    }
    case '*':
    case '~':
    case '%': {
      const length = Number(line);
      if (length < 0) return { value: null, at };
      const values: ReplyValue[] = [];
      let next = at;
      for (let count = text[from] === '%' ? length * 2 : length; count > 0; count--) {
        const read = readOne(text, next);
        if (read === null) return null;
        values.push(read.value);
        next = read.at;
      }
      if (text[from] === '~') return { value: { set: values }, at: next };
      if (text[from] === '*') return { value: values, at: next };
      const map: [ReplyValue, ReplyValue][] = [];
      for (let index = 0; index < values.length; index += 2) {
        map.push([values[index] as ReplyValue, values[index + 1] as ReplyValue]);
      }
      return { value: { map }, at: next };
    }
    default:
      throw new Error(`no reply begins with ${JSON.stringify(text.slice(from, from + 20))}`);
  }
}
