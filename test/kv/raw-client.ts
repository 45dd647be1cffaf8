/** A client that sends bytes as they are given and reads whatever replies come. */

import { connect, type Socket } from 'node:net';
import { type ReplyValue, readSomeReplies } from './reply-reader.js';

export class RawClient {
  readonly socket: Socket;
  /** Resolves once the connection is closed, whoever closed it. */
  readonly closed: Promise<void>;
  /** Resolves once the server has sent its last byte. */
  readonly ended: Promise<void>;
  #received: Buffer[] = [];
  #bytes = 0;
  #waiting: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.ended = new Promise((resolve) => {
      socket.once('end', resolve);
      socket.once('close', () => resolve());
    });
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      this.#bytes += chunk.length;
      this.#waiting?.();
    });
    void this.ended.then(() => this.#waiting?.());
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  get receivedBytes(): number {
    return this.#bytes;
  }

  /** All that came since the last call. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#received);
    this.#received = [];
    return bytes;
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  command(...args: string[]): void {
    this.send(request(...args));
  }

  /** Waits for `count` replies and returns them; fails where the connection ends before. */
  async replies(count: number): Promise<ReplyValue[]> {
    let ended = false;
    void this.ended.then(() => {
      ended = true;
    });
    for (;;) {
      const bytes = Buffer.concat(this.#received);
      this.#received = [bytes];
      const { replies, rest } = readSomeReplies(bytes);
      if (replies.length > count || (replies.length === count && rest > 0))
        throw new Error('more than was asked for');
      if (replies.length === count) {
        this.#received = [];
        return replies;
      }
      if (ended) throw new Error(`ended after ${replies.length} replies of ${count}`);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  /** Sends one request and waits for its reply. */
  async ask(...args: string[]): Promise<ReplyValue> {
    this.command(...args);
    return (await this.replies(1))[0] as ReplyValue;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export function request(...args: string[]): string {
  return `*${args.length}\r\n${args.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`;
}
