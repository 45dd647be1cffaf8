/** One client's socket at the server. */

import type { Socket } from 'node:net';
import type { Crc32c } from '../checksum.js';
import {
  type ClientFrame,
  ClientFrameKind,
  ClientFrameReader,
  HEADER_BYTES,
  SMALL_FRAME_BYTES_MAX,
} from './format.js';
import type { Session } from './session.js';

export interface ServiceConnectionOptions {
  readonly crc32c: Crc32c;
  readonly frameBytesMax: number;
  readonly outputPauseBytes: number;
  readonly onHello: (frame: ClientFrame) => void;
  /** Yields why the connection cannot go on, or null. */
  readonly onCommands: (frame: ClientFrame) => string | null;
  /** Its client does not come back to this session. */
  readonly onGoodbye: () => void;
  /** It is cut off for what it sent. */
  readonly onCut: (reason: string) => void;
  readonly onClosed: () => void;
}

/** A connection that has not said hello by then is closed. */
const HELLO_TIMEOUT_MS = 10_000;

export class ServiceConnection {
  readonly remote: string;
  /** Null before hello, and where another connection has taken its place. */
  session: Session | null = null;

  readonly #socket: Socket;
  readonly #options: ServiceConnectionOptions;
  readonly #reader: ClientFrameReader;
  readonly #helloTimer: NodeJS.Timeout;
  #endTimer: NodeJS.Timeout | undefined;
  /** Came in one piece with a frame behind which nothing more may be taken. Oldest first. */
  #held: ClientFrame[] = [];
  #isTakingHeld = false;
  #mayRead = true;
  #isOver = false;

  constructor(socket: Socket, options: ServiceConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    this.#reader = new ClientFrameReader(SMALL_FRAME_BYTES_MAX, options.crc32c, (frame) =>
      this.#onFrame(frame),
    );
    this.#helloTimer = setTimeout(() => this.cut('no hello in time'), HELLO_TIMEOUT_MS);
    this.#helloTimer.unref();
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.update());
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(this.#helloTimer);
      clearTimeout(this.#endTimer);
      this.#isOver = true;
      options.onClosed();
    });
  }

  /** Nothing is read from it and sent to it any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  send(frame: Uint8Array): void {
    if (this.#isOver) return;
    // Frames that are sent in one turn leave in one write.
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      process.nextTick(uncork, this.#socket);
    }
    this.#socket.write(frame);
    this.update();
  }

  /** Bytes of what was sent that its client leaves unread. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** What was sent is read so slowly that more would only wait here. */
  get isCongested(): boolean {
    return this.#socket.writableNeedDrain;
  }

  setReading(mayRead: boolean): void {
    if (this.#mayRead === mayRead) return;
    this.#mayRead = mayRead;
    this.update();
  }

  /** Closes when what was sent is out, and after `flushMs` at the latest: a client that does not read would keep it for ever. */
  end(flushMs: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#endTimer = setTimeout(() => this.#socket.destroy(), flushMs);
    this.#socket.end(() => this.#socket.destroy());
    // It reads no more: its end would not be seen.
    this.#socket.resume();
  }

  destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  /**
   * Reads on, or ceases to, by what waits for the client and what is to be expected for its commands. Without the latter it is read from
   * until the first result of thousands of commands is there, and then all of them wait.
   */
  update(): void {
    if (this.#isOver || this.#isTakingHeld) return;
    this.#isTakingHeld = true;
    while (this.#held.length > 0 && this.#mayTake) this.#take(this.#held.shift()!);
    this.#isTakingHeld = false;
    const reads = this.#mayTake;
    if (this.#isOver || reads === !this.#socket.isPaused()) return;
    if (reads) this.#socket.resume();
    else this.#socket.pause();
  }

  get #mayTake(): boolean {
    if (this.#isOver || !this.#mayRead) return false;
    return this.waitingBytes + (this.session?.expectedBytes ?? 0) <= this.#options.outputPauseBytes;
  }

  #onData(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.cut(error instanceof Error ? error.message : String(error));
    }
  }

  /** A piece of what was read may hold a thousand frames: a socket that is paused in the midst of it gives out the others all the same. */
  #onFrame(frame: ClientFrame): void {
    if (this.#isOver) return;
    if (this.#held.length > 0 || !this.#mayTake) this.#held.push(frame);
    else this.#take(frame);
  }

  #take(frame: ClientFrame): void {
    try {
      this.#dispatch(frame);
    } catch (error) {
      this.cut(error instanceof Error ? error.message : String(error));
    }
  }

  #dispatch(frame: ClientFrame): void {
    if (frame.kind === ClientFrameKind.hello && this.session === null) {
      clearTimeout(this.#helloTimer);
      this.#reader.bytesMax = this.#options.frameBytesMax;
      this.#options.onHello(frame);
    } else if (frame.kind === ClientFrameKind.commands && this.session !== null) {
      const reason = this.#options.onCommands(frame);
      if (reason !== null) this.cut(reason);
    } else if (
      frame.kind === ClientFrameKind.goodbye &&
      frame.bytes.length === HEADER_BYTES &&
      this.session !== null
    ) {
      this.#options.onGoodbye();
    } else this.cut(`a frame of kind ${frame.kind} out of place`);
  }

  cut(reason: string): void {
    if (this.#isOver) return;
    this.#options.onCut(reason);
    this.destroy();
  }
}

function uncork(socket: Socket): void {
  socket.uncork();
}
