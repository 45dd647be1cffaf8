/** The replies of one connection in the order of their requests: one that is there waits for those before it. */

import type { Socket } from 'node:net';

/** The reply to one batch, or to some requests that need no log; null while it is awaited. */
export interface PendingReply {
  bytes: Uint8Array | null;
  /** Makes them once all replies before it are there. */
  readonly make?: () => Uint8Array;
}

/** Replies up to this size are put together before they are written. */
const JOIN_BYTES_MAX = 16_384;
/** Places of replies that were written are given up once there are so many. */
const WRITTEN_MAX = 1024;

export class ReplyQueue {
  /** From `#head` on; before it lie those that were written. */
  #replies: PendingReply[] = [];
  #head = 0;
  #readyBytes = 0;

  get length(): number {
    return this.#replies.length - this.#head;
  }

  /** Bytes of replies that are there and not written. */
  get readyBytes(): number {
    return this.#readyBytes;
  }

  push(reply: PendingReply): void {
    this.#replies.push(reply);
    if (reply.bytes !== null) this.#readyBytes += reply.bytes.length;
  }

  /** The reply that was awaited is there. */
  settle(reply: PendingReply, bytes: Uint8Array): void {
    reply.bytes = bytes;
    this.#readyBytes += bytes.length;
  }

  /** Writes what is there and next in order; yields its bytes. */
  writeTo(socket: Socket): number {
    const first = this.#head;
    const replies = this.#replies;
    let last = first;
    let bytes = 0;
    for (; last < replies.length; last++) {
      const reply = replies[last] as PendingReply;
      if (reply.bytes === null && reply.make !== undefined) this.settle(reply, reply.make());
      if (reply.bytes === null) break;
      bytes += reply.bytes.length;
    }
    if (last === first) return 0;
    this.#write(socket, first, last, bytes);
    this.#readyBytes -= bytes;
    this.#head = last;
    if (last === replies.length) {
      this.#replies = [];
      this.#head = 0;
    } else if (last > WRITTEN_MAX) {
      this.#replies = replies.slice(last);
      this.#head = 0;
    }
    return bytes;
  }

  #write(socket: Socket, first: number, last: number, bytes: number): void {
    const head = (this.#replies[first] as PendingReply).bytes as Uint8Array;
    if (last === first + 1) {
      if (head.length > 0) socket.write(head);
      return;
    }
    const parts = this.#replies.slice(first, last).map((reply) => reply.bytes as Uint8Array);
    if (bytes <= JOIN_BYTES_MAX) {
      socket.write(Buffer.concat(parts, bytes));
      return;
    }
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
  }
}
