/** A connection without a network and its server: the test says when the client reads, and how much fits in a reply. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { CommandEncoder } from '../../src/kv/command-codec.js';
import { Connection, type ConnectionHost } from '../../src/kv/connection.js';
import type { ReplicaLike } from '../../src/kv/replica-like.js';
import { RespWriter } from '../../src/kv/resp-writer.js';
import {
  type CheckedServerOptions,
  checkServerOptions,
  type KeyValueServerEvent,
  type KeyValueServerOptions,
} from '../../src/kv/server-options.js';
import { type ReplyValue, readReplies } from './reply-reader.js';

interface Ends {
  readonly remoteAddress: string;
  readonly localAddress: string;
}

const LOOPBACK: Ends = { remoteAddress: '127.0.0.1', localAddress: '127.0.0.1' };

export class FakeSocket extends Duplex {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly remotePort = 1;
  #sent: Buffer[] = [];
  #isRead = true;
  #taken: (() => void) | null = null;

  constructor({ remoteAddress, localAddress }: Ends) {
    super({ allowHalfOpen: true });
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
  }

  /** The client takes nothing from here on. */
  stopReading(): void {
    this.#isRead = false;
  }

  startReading(): void {
    this.#isRead = true;
    const taken = this.#taken;
    this.#taken = null;
    taken?.();
  }

  /** What the client has read since the last call. */
  replies(): ReplyValue[] {
    const sent = Buffer.concat(this.#sent);
    this.#sent = [];
    return readReplies(sent);
  }

  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  override _read(): void {}
  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    this.#sent.push(Buffer.from(chunk));
    if (this.#isRead) callback();
    else this.#taken = callback;
  }
}

interface Question {
  readonly sections: readonly string[];
  readonly answer: (text: string) => void;
}

export class FakeHost implements ConnectionHost {
  readonly replica: ReplicaLike;
  readonly options: CheckedServerOptions;
  readonly replicateOptions = {};
  readonly encoder = new CommandEncoder();
  readonly localReplies: RespWriter;
  readonly statistics = {
    connectionsReceived: 0,
    connectionsRefused: 0,
    connectionsCut: 0,
    commandsProcessed: 0,
    batchesReplicated: 0,
    requestsRefused: 0,
    bytesReceived: 0,
    bytesSent: 0,
  };
  outstandingBytes = 0;
  readonly events: KeyValueServerEvent[] = [];
  /** INFO that waits for an answer. */
  readonly questions: Question[] = [];
  readonly #open: Set<Connection> = new Set();

  constructor(replica: ReplicaLike, options: KeyValueServerOptions = {}, replyBytesMax: number = 2 ** 26) {
    this.replica = replica;
    this.options = checkServerOptions({ ...options, onEvent: (event) => this.events.push(event) });
    this.localReplies = new RespWriter(replyBytesMax);
  }

  connect(ends: Ends = LOOPBACK): FakeSocket {
    const socket = new FakeSocket(ends);
    this.#open.add(new Connection(this, socket as unknown as Socket, this.#open.size + 1));
    return socket;
  }

  scheduleFlush(connection: Connection): void {
    process.nextTick(() => connection.onSettled());
  }
  waitForRoom(connection: Connection): void {
    setImmediate(() => connection.pump());
  }
  connections(): Iterable<Connection> {
    return this.#open;
  }
  information(sections: readonly string[]): Promise<string> {
    return new Promise((answer) => this.questions.push({ sections, answer }));
  }
  onClosed(connection: Connection): void {
    this.#open.delete(connection);
  }
}
