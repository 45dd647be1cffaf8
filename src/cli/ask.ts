/**
 * Asks a running replica through the port of its key-value service: one request in RESP, answered by one bulk string. So whatever
 * reaches the service also reaches its administration, and nothing else has to be opened.
 */

import { connect } from 'node:net';
import type { Address } from '../transport/transport.js';

/** A longer answer is none of ours. */
const REPLY_BYTES_MAX = 1024 * 1024;

/** The replica did not answer as one does; the message is one line for people. */
export class AskError extends Error {
  /** The error reply, where it refused; null where there was no answer that makes sense. */
  readonly refusal: string | null;
  /** The request had not left: nothing can have come of it. */
  readonly wasSent: boolean;

  constructor(message: string, refusal: string | null = null, wasSent: boolean = true) {
    super(message);
    this.name = 'AskError';
    this.refusal = refusal;
    this.wasSent = wasSent;
  }
}

/** The text of a complete bulk reply, null while bytes are missing. Throws `AskError` on anything else. */
export function readBulkReply(bytes: Buffer): string | null {
  if (bytes.length > REPLY_BYTES_MAX) throw new AskError('the answer is too long');
  const lineEnd = bytes.indexOf('\r\n');
  if (lineEnd < 0) {
    if (bytes.length > 8192) throw new AskError('the answer is not RESP');
    return null;
  }
  const line = bytes.toString('utf8', 0, lineEnd);
  if (line.startsWith('-')) throw new AskError(`it refused: ${line.slice(1)}`, line.slice(1));
  const match = /^\$([0-9]{1,7})$/.exec(line);
  if (match === null) throw new AskError('it is not a synod key-value service');
  const length = Number(match[1]);
  if (length > REPLY_BYTES_MAX) throw new AskError('the answer is too long');
  const start = lineEnd + 2;
  return bytes.length < start + length + 2 ? null : bytes.toString('utf8', start, start + length);
}

/** The answer, which is JSON. Rejects with `AskError`. */
export function ask(address: Address, words: readonly string[], timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.host, port: address.port });
    const chunks: Buffer[] = [];
    let wasSent = false;
    const finish = (error: AskError | null, answer?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error === null) resolve(answer);
      else reject(error);
    };
    const fail = (message: string): void => finish(new AskError(message, null, wasSent));
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    socket.on('connect', () => {
      wasSent = true;
      socket.write(encodeRequest(words));
    });
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      try {
        const text = readBulkReply(Buffer.concat(chunks));
        if (text !== null) finish(null, parse(text));
      } catch (error) {
        finish(error as AskError);
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    socket.on('close', () => fail('it closed the connection'));
  });
}

function encodeRequest(words: readonly string[]): string {
  const bulks = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${bulks.join('')}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AskError('the answer is not JSON');
  }
}
