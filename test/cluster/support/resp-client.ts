/** A small RESP client: one connection, requests in a pipeline, no retries, so that a test knows what is in doubt. */

import { connect, type Socket } from 'node:net';

export type RespValue = string | number | null | readonly RespValue[];

/** The service answered with an error. */
export class RespError extends Error {
  override readonly name = 'RespError';
  /** Certainly not executed, now or later. */
  readonly notExecuted: boolean;

  constructor(text: string) {
    super(text);
    this.notExecuted = /^(TRYAGAIN|CLUSTERDOWN|ERR not executed)/.test(text);
  }
}

/** The connection broke: what was not answered may or may not have been executed. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

interface Waiter {
  readonly resolve: (value: RespValue) => void;
  readonly reject: (error: Error) => void;
}

const CRLF = '\r\n';

export class RespClient {
  readonly #socket: Socket;
  readonly #waiting: Waiter[] = [];
  #input: Buffer = Buffer.alloc(0);
  #lost: ConnectionLost | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(error.code ?? error.message));
    socket.on('close', () => this.#lose('closed'));
  }

  /** Rejects with `ConnectionLost`. */
  static connect(port: number, timeoutMs = 2000, host = '127.0.0.1'): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), timeoutMs);
      const onError = (error: NodeJS.ErrnoException): void => {
        clearTimeout(timer);
        reject(new ConnectionLost(error.code ?? error.message));
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        resolve(new RespClient(socket));
      });
    });
  }

  /** Resolves with the reply; rejects with `RespError` or `ConnectionLost`. */
  send(...words: readonly (string | number)[]): Promise<RespValue> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    let request = `*${words.length}${CRLF}`;
    for (const word of words.map(String)) request += `$${Buffer.byteLength(word)}${CRLF}${word}${CRLF}`;
    this.#socket.write(request);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close(): void {
    this.#lose('closed by this side');
    this.#socket.destroy();
  }

  #lose(reason: string): void {
    if (this.#lost !== null) return;
    this.#lost = new ConnectionLost(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lost);
  }

  #onData(chunk: Buffer): void {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    let at = 0;
    for (;;) {
      const parsed = parse(this.#input, at);
      if (parsed === null) break;
      at = parsed.end;
      const waiter = this.#waiting.shift();
      if (waiter === undefined) continue;
      if (parsed.value instanceof RespError) waiter.reject(parsed.value);
      else waiter.resolve(parsed.value);
    }
    this.#input = this.#input.subarray(at);
  }
}

/** The reply that begins at `at`, or null while bytes of it are missing. */
function parse(input: Buffer, at: number): { value: RespValue | RespError; end: number } | null {
  const lineEnd = input.indexOf(CRLF, at);
  if (lineEnd < 0) return null;
  const line = input.toString('utf8', at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(input[at]!)) {
    case '+':
      return { value: line, end };
    case '-':
      return { value: new RespError(line), end };
    case ':':
      return { value: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length < 0) return { value: null, end };
      if (input.length < end + length + 2) return null;
      return { value: input.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*': {
      const values: RespValue[] = [];
      let next = end;
      for (let count = Number(line); count > 0; count -= 1) {
        const item = parse(input, next);
        if (item === null) return null;
        values.push(item.value as RespValue);
        next = item.end;
      }
      return { value: values, end: next };
    }
    default:
      throw new Error(`not RESP: ${line}`);
  }
}
