/**
 * Asks a running replica how it is: `SYNOD STATUS` on the port of its key-value service, which answers one bulk
 * string of JSON. So whatever reaches the service also reaches its status, and nothing else has to be opened.
 */

import { connect } from 'node:net';
import type { Address } from '../transport/transport.js';

const REQUEST = '*2\r\n$5\r\nSYNOD\r\n$6\r\nSTATUS\r\n';
/** A longer answer is not a status. */
const REPLY_BYTES_MAX = 1024 * 1024;

/** The replica did not answer as one does; the message is one line for people. */
export class StatusError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'StatusError';
  }
}

/** What the command line reads of a status; there may be more in it. */
export interface StatusReport {
  readonly replica: string;
  readonly role: string;
  readonly primary: string | null;
  readonly chosen: number;
  readonly applied: number;
  readonly storage: { readonly kind: string; readonly reason: string };
  readonly transport: { readonly kind: string; readonly reason: string };
  readonly [key: string]: unknown;
}

/** The text of a complete bulk reply, null while bytes are missing. Throws `StatusError` on anything else. */
export function readBulkReply(bytes: Buffer): string | null {
  if (bytes.length > REPLY_BYTES_MAX) throw new StatusError('the answer is too long for a status');
  const lineEnd = bytes.indexOf('\r\n');
  if (lineEnd < 0) {
    if (bytes.length > 1024) throw new StatusError('the answer is not RESP');
    return null;
  }
  const line = bytes.toString('latin1', 0, lineEnd);
  if (line.startsWith('-')) throw new StatusError(`it refused: ${line.slice(1)}`);
  const match = /^\$([0-9]{1,7})$/.exec(line);
  if (match === null) throw new StatusError('it is not a synod key-value service');
  const length = Number(match[1]);
  if (length > REPLY_BYTES_MAX) throw new StatusError('the answer is too long for a status');
  const start = lineEnd + 2;
  return bytes.length < start + length + 2 ? null : bytes.toString('utf8', start, start + length);
}

function parseReport(text: string): StatusReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StatusError('the answer is not JSON');
  }
  if (
    typeof value !== 'object' ||
    value === null ||
    typeof (value as { replica?: unknown }).replica !== 'string'
  ) {
    throw new StatusError('the answer is not a status');
  }
  return value as StatusReport;
}

/** The status of the replica whose key-value service is at `address`. Rejects with `StatusError`. */
export function fetchStatus(address: Address, timeoutMs: number): Promise<StatusReport> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.host, port: address.port });
    const chunks: Buffer[] = [];
    const finish = (error: StatusError | null, report?: StatusReport): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error === null) resolve(report!);
      else reject(error);
    };
    const timer = setTimeout(() => finish(new StatusError(`no answer within ${timeoutMs} ms`)), timeoutMs);
    socket.on('connect', () => socket.write(REQUEST));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      try {
        const text = readBulkReply(Buffer.concat(chunks));
        if (text !== null) finish(null, parseReport(text));
      } catch (error) {
        finish(error as StatusError);
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(new StatusError(error.code ?? error.message)),
    );
    socket.on('close', () => finish(new StatusError('it closed the connection')));
  });
}
