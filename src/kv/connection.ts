/**
 * One client. Requests are taken from the parser in order; those that need the log are gathered into batches, one
 * log command each; the others are answered here. Replies leave in the order of the requests.
 *
 * Back-pressure: while too many bytes or batches are under way, or too many bytes of replies wait for the client to
 * read or for a reply before them, the parser is left where it is and the socket is not read.
 */

// biome-ignore-all lint/correctness/noVoidTypeReturn: a reply ends the work on a request, in one line.

import type { Socket } from 'node:net';
import type { Consistency } from '../index.js';
import { COMMAND_HEADER_BYTES, type CommandEncoder, TRANSACTION_HEADER_BYTES_MAX } from './command-codec.js';
import { type CommandSpecification, findCommand, fitsArity } from './command-table.js';
import { runLocalCommand } from './local-commands.js';
import { answersFromState } from './operations.js';
import type { ReplicaLike, ReplicateOptionsLike } from './replica-like.js';
import { errorReplyOf } from './replicate-errors.js';
import { type PendingReply, ReplyQueue } from './reply-queue.js';
import { RespParser, RespProtocolError } from './resp-parser.js';
import { onOneLine, type RespVersion, type RespWriter } from './resp-writer.js';
import type { CheckedServerOptions } from './server-options.js';
import { ARGUMENTS_QUEUED_MAX, Transaction } from './transaction.js';

/** What a connection uses of its server. */
export interface ConnectionHost {
  readonly replica: ReplicaLike;
  readonly options: CheckedServerOptions;
  readonly replicateOptions: ReplicateOptionsLike;
  /** Shared by all connections: in use only between the first request of a batch and `replicate`, in one call. */
  readonly encoder: CommandEncoder;
  /** Shared likewise, for replies that need no log. */
  readonly localReplies: RespWriter;
  readonly statistics: ServerStatistics;
  /** Bytes under way, of all connections. */
  outstandingBytes: number;
  /** Calls `onSettled` of the connection once all that is settled in this turn is settled. */
  scheduleFlush(connection: Connection): void;
  /** Calls `pump` once fewer bytes are under way. */
  waitForRoom(connection: Connection): void;
  connections(): Iterable<Connection>;
  /** The text of INFO; `sections` in lower case, none for the usual ones. */
  information(sections: readonly string[]): Promise<string>;
  onClosed(connection: Connection): void;
}

export interface ServerStatistics {
  connectionsReceived: number;
  connectionsRefused: number;
  connectionsCut: number;
  commandsProcessed: number;
  batchesReplicated: number;
  /** Requests that got an error without reaching the log, or because they did not come back from it. */
  requestsRefused: number;
  bytesReceived: number;
  bytesSent: number;
}

/** Batches start small and few and grow with the replies' size known, lest a pipeline asks for gigabytes at once. */
const BATCH_OPERATIONS_FIRST = 64;
const BATCH_REPLY_BYTES_AIM = 4 * 1024 * 1024;
const REPLY_BYTES_OUTSTANDING_MAX = 16 * 1024 * 1024;
/** Replies that need no log are put together up to this size: what does not fit is one that is too large by itself. */
const LOCAL_RUN_BYTES_MAX = 65_536;
const LOCAL_REPLY_TOO_LARGE = 'ERR reply too large';

export class Connection {
  readonly id: number;
  readonly remote: string;
  readonly remoteHost: string;
  readonly createdMs: number;
  version: RespVersion = 2;
  name = '';
  libraryName = '';
  libraryVersion = '';
  lastCommand = '';
  /** What its reads must see, from here on. */
  consistency: Consistency = 'linearizable';
  readonly transaction: Transaction = new Transaction();

  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #parser: RespParser;

  readonly #pending: ReplyQueue = new ReplyQueue();
  #outstandingBytes = 0;
  #outstandingBatches = 0;
  #outstandingOperations = 0;
  /** Of the batches under way, those that go through the log, and those that do not. */
  #writesUnderWay = 0;
  #readsUnderWay = 0;
  /** Of those that do not, the ones that the state could not answer, and that go through the log after all. */
  #readsInLog = 0;
  /** Replies of `replyLater` and `replyBehind` that are not made. */
  #laterUnderWay = 0;
  /** The batch that is being gathered only reads. */
  #onlyReads = true;
  /** The parser shows a request that waits for the reads before it. */
  #isHeld = false;
  #batchOperationsMax = BATCH_OPERATIONS_FIRST;
  /** What replies to requests have cost lately; -1 until the first came. */
  #replyBytesEach = -1;
  /** Replies to requests since the last batch are being written to `host.localReplies`. */
  #writingLocally = false;
  /** Where in `host.localReplies` the reply to the request at hand begins. */
  #localReplyStart = 0;
  #paused = false;
  /** No more requests are read: QUIT, or an error of the protocol. The connection ends after the last reply. */
  #stopped = false;
  #inputEnded = false;
  #ended = false;
  #flushScheduled = false;

  constructor(host: ConnectionHost, socket: Socket, id: number) {
    this.#host = host;
    this.#socket = socket;
    this.id = id;
    this.remoteHost = socket.remoteAddress ?? '';
    this.remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    this.createdMs = host.options.nowMs();
    // Of bulk strings a request is longer than what the codec makes of it, but for the command's header, so what is read fits.
    const requestBytesMax =
      host.options.commandBytesMax - COMMAND_HEADER_BYTES - TRANSACTION_HEADER_BYTES_MAX;
    this.#parser = new RespParser({ bulkBytesMax: requestBytesMax, requestBytesMax });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.pump());
    socket.on('end', () => this.#onInputEnd());
    socket.on('error', (error) => this.cut(error.message, true));
    socket.on('close', () => this.#onClose());
  }

  /** Requests whose replies are awaited, in batches. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  get outputBytes(): number {
    return this.#socket.writableLength;
  }

  /** The address of this machine that the client connected to. */
  get localHost(): string {
    return this.#socket.localAddress ?? '';
  }

  get closed(): boolean {
    return this.#ended;
  }

  /** Takes no more requests; ends once what is under way was answered. */
  stop(): void {
    this.#stopped = true;
    this.flush();
  }

  /** Replies have come since the last call: sends them, and goes on with what had to wait. */
  onSettled(): void {
    this.flush();
    if (this.#paused && !this.#stopped) this.pump();
  }

  /** Closes at once, without a word: the server is being closed. */
  destroy(): void {
    this.#ended = true;
    this.#stopped = true;
    this.#socket.destroy();
  }

  /** Closes at once, because of something that the client did or failed to do. */
  cut(reason: string, byPeer: boolean = false): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopped = true;
    this.#host.statistics.connectionsCut++;
    if (!byPeer) this.#host.options.onEvent({ event: 'connection-cut', remote: this.remote, reason });
    this.#socket.destroy();
  }

  /** Takes requests from what was received until it is read up, or until there is too much under way. */
  pump(): void {
    try {
      this.#takeRequests();
    } catch (error) {
      if (!(error instanceof RespProtocolError)) throw error;
      this.#stopped = true;
      this.reply().error(`ERR ${error.message}`);
      this.#host.options.onEvent({ event: 'connection-cut', remote: this.remote, reason: error.message });
    }
    this.#closeBatch();
    this.#closeLocalReplies();
    this.flush();
    // A socket that took all at once does not tell that it has drained.
    if (this.#paused && !this.#isHeld && !this.#stopped && !this.#isBlocked()) this.#scheduleFlush();
  }

  #takeRequests(): void {
    const parser = this.#parser;
    while (!this.#stopped) {
      if (this.#isBlocked()) {
        if (!this.#paused) this.#socket.pause();
        this.#paused = true;
        return;
      }
      if (!this.#isHeld && !parser.next()) {
        if (this.#paused) this.#socket.resume();
        this.#paused = false;
        return;
      }
      const command = findCommand(parser.bytes, parser.starts[0] as number, parser.ends[0] as number);
      this.#isHeld = this.#mustWait(command);
      if (this.#isHeld) {
        // What was gathered goes out: it may be what is waited for next.
        if (!this.#paused) this.#socket.pause();
        this.#paused = true;
        return;
      }
      this.#onRequest(parser, command);
      // Before it is asked what waits to be sent: half a reply that is dropped later would never drain.
      this.#completeLocalReply();
    }
  }

  #isBlocked(): boolean {
    const host = this.#host;
    const options = host.options;
    if (host.outstandingBytes >= options.outstandingBytesMax) {
      host.waitForRoom(this);
      return true;
    }
    const batches = this.#outstandingBatches;
    if (
      this.#replyBytesEach < 0 ? batches > 0 : this.#outstandingReplyBytes() >= REPLY_BYTES_OUTSTANDING_MAX
    ) {
      return true;
    }
    return (
      batches + this.#laterUnderWay >= options.batchesPerConnectionMax ||
      this.#outstandingBytes >= options.connectionOutstandingBytesMax ||
      this.#unsentBytes() >= options.outputPauseBytes
    );
  }

  #unsentBytes(): number {
    const gathered = this.#writingLocally ? this.#host.localReplies.length : 0;
    return gathered + this.#pending.readyBytes + this.#socket.writableLength;
  }

  /** An estimate: what is asked for in a few bytes may be answered in millions. */
  #outstandingReplyBytes(): number {
    return this.#outstandingOperations * this.#replyBytesEach;
  }

  /** A command behind reads would be executed before they are made, and they would see it: it waits until they are answered. */
  #mustWait(command: CommandSpecification | undefined): boolean {
    if (this.#readsUnderWay === 0 || command === undefined) return false;
    if (this.transaction.active) return command.local === 'exec';
    return command.operation !== null && !answersFromState(command.operation);
  }

  #onRequest(parser: RespParser, command: CommandSpecification | undefined): void {
    this.#host.statistics.commandsProcessed++;
    if (command === undefined) return this.#refuseUnknown(parser);
    if (!fitsArity(command, parser.argumentCount)) {
      return this.refuse(`ERR wrong number of arguments for '${command.name}' command`);
    }
    this.lastCommand = command.name;
    if (this.transaction.active && command.local !== 'exec' && command.local !== 'discard') {
      if (command.local !== 'multi' && command.local !== 'watch' && command.local !== 'quit') {
        return this.#queue(command, parser);
      }
    }
    if (command.operation === null) return runLocalCommand(this, this.#host, command, parser);
    const encoder = this.#batchWithRoom(parser.encodedBytesMax);
    if (!answersFromState(command.operation)) this.#onlyReads = false;
    encoder.operation(command.operation, parser.bytes, parser.starts, parser.ends, 1, parser.argumentCount);
    this.#closeFullBatch();
  }

  /** Where to write the reply to a request that needs no log. What came before it goes out first. */
  reply(): RespWriter {
    const replies = this.#host.localReplies;
    if (this.#writingLocally && replies.length >= LOCAL_RUN_BYTES_MAX) this.#closeLocalReplies();
    if (!this.#writingLocally) {
      this.#closeBatch();
      this.#writingLocally = true;
      replies.begin(this.version);
    }
    replies.version = this.version;
    this.#localReplyStart = replies.length;
    return replies;
  }

  /** An error reply that also spoils the transaction which is being queued. */
  refuse(text: string): void {
    this.transaction.spoil();
    this.refuseAlone(text);
  }

  /** An error reply to a request without which the transaction is as good. */
  refuseAlone(text: string): void {
    this.#host.statistics.requestsRefused++;
    this.reply().error(text);
  }

  /** A reply that is made later; it keeps its place. */
  replyLater(write: Promise<(reply: RespWriter) => void>): void {
    this.#closeBatch();
    this.#closeLocalReplies();
    const pending: PendingReply = { bytes: null };
    this.#pending.push(pending);
    this.#laterUnderWay++;
    // That of the request: a HELLO behind it may have changed it before the reply is made.
    const { version } = this;
    const settle = (fill: (reply: RespWriter) => void): void => {
      this.#pending.settle(pending, this.#bytesOf(fill, version));
      this.#scheduleFlush();
    };
    write.then(settle, (error: unknown) => settle((reply) => reply.error(errorReplyOf(error))));
  }

  /** A reply that is made when all replies before it are there: it may speak of what they say. */
  replyBehind(fill: (reply: RespWriter) => void): void {
    this.#closeBatch();
    this.#closeLocalReplies();
    this.#laterUnderWay++;
    const { version } = this;
    const make = (): Uint8Array => this.#bytesOf(fill, version);
    this.#pending.push({ bytes: null, make });
    this.#scheduleFlush();
  }

  #bytesOf(fill: (reply: RespWriter) => void, version: RespVersion): Uint8Array {
    this.#laterUnderWay--;
    const replies = this.#host.localReplies;
    replies.begin(version);
    fill(replies);
    replaceIfTooLarge(replies, 0);
    return replies.take();
  }

  /** EXEC: all that was queued, as one operation of a batch. */
  executeTransaction(): void {
    const queued = this.transaction.operations;
    const encoder = this.#batchWithRoom(queued.length + TRANSACTION_HEADER_BYTES_MAX);
    encoder.transaction(queued);
    this.#onlyReads = false;
    this.#closeFullBatch();
  }

  /** Ends after the reply that was written last. */
  quit(): void {
    this.#stopped = true;
  }

  /** Sends whatever is ready and next in order. */
  flush(): void {
    this.#flushScheduled = false;
    if (this.#ended) return;
    const bytes = this.#pending.writeTo(this.#socket);
    this.#host.statistics.bytesSent += bytes;
    if (bytes > 0 && this.#socket.writableLength > this.#host.options.outputBytesMax) {
      this.cut('the client does not read its replies');
      return;
    }
    if (this.pendingCount === 0 && (this.#stopped || (this.#inputEnded && !this.#paused))) this.#end();
  }

  #end(): void {
    this.#ended = true;
    const socket = this.#socket;
    socket.setTimeout(LINGER_MS, () => socket.destroy());
    socket.once('finish', () => {
      // Closing with unread input makes the kernel send a reset, which can destroy replies on their way. So what
      // still comes is taken and dropped until the client closes its side, for a while.
      const timer = setTimeout(() => socket.destroy(), LINGER_MS);
      timer.unref();
      socket.once('close', () => clearTimeout(timer));
      socket.resume();
    });
    socket.pause();
    socket.end();
  }

  #onData(chunk: Buffer): void {
    this.#host.statistics.bytesReceived += chunk.length;
    if (this.#stopped || this.#ended) return;
    this.#parser.push(chunk);
    this.pump();
  }

  #onInputEnd(): void {
    this.#inputEnded = true;
    this.pump();
  }

  #onClose(): void {
    this.#ended = true;
    this.#stopped = true;
    this.#host.onClosed(this);
  }

  #refuseUnknown(parser: RespParser): void {
    const start = parser.starts[0] as number;
    const name = parser.bytes.toString('latin1', start, Math.min(parser.ends[0] as number, start + 128));
    if (/^(post|host:)$/i.test(name)) {
      // A browser made to send an HTTP request here by a page of someone else's: what follows is not for us.
      this.cut('an HTTP request came instead of RESP');
      return;
    }
    let beginning = '';
    for (let index = 1; index < parser.argumentCount && beginning.length < 128; index++) {
      const from = parser.starts[index] as number;
      const to = Math.min(parser.ends[index] as number, from + 128 - beginning.length);
      beginning += `'${parser.bytes.toString('latin1', from, to)}' `;
    }
    this.refuse(`ERR unknown command '${name}', with args beginning with: ${beginning}`);
  }

  #queue(command: CommandSpecification, parser: RespParser): void {
    if (command.queuedAs === null) return this.refuse('ERR Command not allowed inside a transaction');
    if (command.local === 'ping' && parser.argumentCount > 2) {
      return this.refuse("ERR wrong number of arguments for 'ping' command");
    }
    if (command.local === 'select' && !isDatabaseZero(parser))
      return this.refuse('ERR DB index is out of range');
    const transaction = this.transaction;
    const room = this.#host.options.commandBytesMax - COMMAND_HEADER_BYTES - TRANSACTION_HEADER_BYTES_MAX;
    if (
      transaction.operations.length + parser.encodedBytesMax > room ||
      transaction.argumentCount + parser.argumentCount > ARGUMENTS_QUEUED_MAX
    ) {
      return this.refuse('ERR the transaction is too large');
    }
    transaction.queue(command.queuedAs, parser, command.local !== 'select');
    this.reply().simple('QUEUED');
  }

  #batchWithRoom(bytes: number): CommandEncoder {
    this.#closeLocalReplies();
    const encoder = this.#host.encoder;
    if (encoder.operations > 0 && encoder.length + bytes > this.#host.options.commandBytesMax)
      this.#closeBatch();
    if (encoder.operations === 0) {
      encoder.begin(this.#host.options.nowMs(), this.version);
      this.#onlyReads = true;
    }
    return encoder;
  }

  #closeFullBatch(): void {
    const encoder = this.#host.encoder;
    if (encoder.operations >= this.#batchOperationsMax || encoder.length >= this.#host.options.batchBytes) {
      this.#closeBatch();
    }
  }

  /** Gives the batch that is open, if there is one, to the replica. */
  #closeBatch(): void {
    const host = this.#host;
    const operations = host.encoder.operations;
    if (operations === 0) return;
    const bytes = host.encoder.length;
    const command = host.encoder.view();
    const pending: PendingReply = { bytes: null };
    this.#pending.push(pending);
    this.#outstandingBytes += bytes;
    this.#outstandingBatches++;
    this.#outstandingOperations += operations;
    host.outstandingBytes += bytes;
    // Behind commands that are under way it goes the same way: it must see what they do.
    const isRead =
      this.#onlyReads && this.#writesUnderWay + this.#readsInLog === 0 && host.replica.read !== undefined;
    if (isRead) this.#readsUnderWay++;
    else this.#writesUnderWay++;
    if (!isRead) host.statistics.batchesReplicated++;
    const settled = (): void => {
      if (isRead) this.#readsUnderWay--;
      else this.#writesUnderWay--;
    };
    let replicated: Promise<Uint8Array | undefined>;
    try {
      replicated = isRead
        ? this.#read(Uint8Array.from(command))
        : host.replica.replicate(command, host.replicateOptions);
    } catch (error) {
      replicated = Promise.reject(error);
    }
    host.encoder.clear();
    replicated.then(
      (reply) => {
        settled();
        const replies = reply ?? this.#errorReplies(operations, new Error('the state machine gave no reply'));
        this.#settle(pending, bytes, replies, operations);
      },
      (error: unknown) => {
        settled();
        this.#settle(pending, bytes, this.#errorReplies(operations, error), operations);
      },
    );
  }

  async #read(query: Uint8Array): Promise<Uint8Array | undefined> {
    const { replica, replicateOptions } = this.#host;
    const { consistency } = this;
    const { value } = await replica.read!(query, { ...replicateOptions, consistency });
    // Behind one that goes through the log it goes the same way: it would tell of a time before that.
    if (value !== null && this.#readsInLog === 0) return value;
    this.#readsInLog++;
    try {
      return await replica.replicate(query, replicateOptions);
    } finally {
      this.#readsInLog--;
    }
  }

  #settle(pending: PendingReply, bytes: number, replies: Uint8Array, operations: number): void {
    this.#pending.settle(pending, replies);
    this.#outstandingBytes -= bytes;
    this.#outstandingBatches--;
    this.#host.outstandingBytes -= bytes;
    this.#outstandingOperations -= operations;
    this.#replyBytesEach = Math.max(replies.length / operations, this.#replyBytesEach / 2);
    const aim = Math.trunc(BATCH_REPLY_BYTES_AIM / Math.max(1, this.#replyBytesEach));
    this.#batchOperationsMax = Math.max(
      1,
      Math.min(this.#batchOperationsMax * 2, aim, this.#host.options.batchOperationsMax),
    );
    this.#scheduleFlush();
  }

  /** Every request gets its own error reply, or the client would take later replies for those of earlier ones. */
  #errorReplies(operations: number, error: unknown): Uint8Array {
    this.#host.statistics.requestsRefused += operations;
    const line = `-${onOneLine(errorReplyOf(error))}\r\n`;
    return Buffer.from(line.repeat(operations), 'latin1');
  }

  #closeLocalReplies(): void {
    if (!this.#writingLocally) return;
    this.#completeLocalReply();
    this.#writingLocally = false;
    this.#pending.push({ bytes: this.#host.localReplies.take() });
  }

  #completeLocalReply(): void {
    if (this.#writingLocally) replaceIfTooLarge(this.#host.localReplies, this.#localReplyStart);
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#host.scheduleFlush(this);
  }
}

/** How long a client may take to read its last replies, and then to close its side. */
const LINGER_MS = 5000;

/** Puts an error in the place of a reply that did not fit: behind half of one the client would take the next for its rest. */
function replaceIfTooLarge(replies: RespWriter, start: number): void {
  if (!replies.overflowed) return;
  replies.truncate(start);
  replies.overflowError(LOCAL_REPLY_TOO_LARGE);
}

export function isDatabaseZero(parser: RespParser): boolean {
  return parser.bytes.toString('latin1', parser.starts[1] as number, parser.ends[1] as number) === '0';
}
