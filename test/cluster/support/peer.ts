/** A peer made of a socket: what a stranger, an enemy or a broken replica may say to the port for peers. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { crc32c } from '../../../src/checksum.js';
import { encodeHello, type Hello } from '../../../src/engine/hello.js';
import type { Message } from '../../../src/protocol/messages.js';
import { decodeMessage, FrameWriter, joinPayload } from '../../../src/wire/codec.js';
import { type Frame, FrameKind } from '../../../src/wire/frame.js';
import { FrameReader } from '../../../src/wire/frame-reader.js';

const FRAME_BYTES_MAX = 32 * 1024 * 1024;

export class FakePeer {
  readonly socket: Socket;
  /** Frames that came and were not taken. */
  readonly frames: { kind: number; message: Message | null; text: string; configuration: number }[] = [];
  closed = false;
  readonly #writer = new FrameWriter(crc32c);
  readonly #reader = new FrameReader(crc32c, FRAME_BYTES_MAX, () => {});
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.#reader.push(bytes, 0, bytes.length, 0);
      for (let frame = this.#reader.next(); frame !== null; frame = this.#reader.next()) this.#note(frame);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async dial(port: number): Promise<FakePeer> {
    const socket = connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    return new FakePeer(socket);
  }

  hello(hello: Hello): Uint8Array {
    return this.frame(FrameKind.hello, encodeHello(hello));
  }

  frame(kind: 1 | 2 | 3, payload: Uint8Array): Uint8Array {
    const headerBytes = this.#writer.plain(kind, 0, payload.length, crc32c(payload, 0, payload.length, 0));
    return Buffer.concat([this.#writer.bytes.subarray(0, headerBytes), payload]);
  }

  message(message: Message, configuration: number): Uint8Array {
    const headerBytes = this.#writer.message(message, configuration, 0, 0);
    return Uint8Array.from(this.#writer.bytes.subarray(0, headerBytes));
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Waits until `probe` yields something other than null; null where the connection closed, or `timeoutMs` passed. */
  async until<Found>(probe: (peer: this) => Found | null, timeoutMs = 10_000): Promise<Found | null> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const found = probe(this);
      if (found !== null) return found;
      const left = end - performance.now();
      if (this.closed || left <= 0) return null;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  /** True once the other side has closed. */
  async untilClosed(timeoutMs = 10_000): Promise<boolean> {
    await this.until(() => (this.closed ? true : null), timeoutMs);
    return this.closed;
  }

  end(): void {
    this.socket.destroy();
  }

  #note(frame: Frame): void {
    const isHandshake = frame.kind <= FrameKind.refusal;
    this.frames.push({
      kind: frame.kind,
      // Reports are no messages of the protocol: they come to whoever is linked, every 100 ms.
      message: isHandshake || frame.kind === FrameKind.report ? null : decodeMessage(frame),
      text: isHandshake ? new TextDecoder().decode(joinPayload(frame)) : '',
      configuration: frame.configuration,
    });
  }
}
