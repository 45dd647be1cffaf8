/** What lies between two replicas where there are no network namespaces: one dials here, and is passed on to the other. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Pipe } from './pipe.js';

export type Direction = 'forth' | 'back';

interface Passage {
  readonly near: Socket;
  readonly far: Socket;
  readonly forth: Pipe;
  readonly back: Pipe;
}

export class ProxyLink {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #passages = new Set<Passage>();
  readonly #stalled = { forth: false, back: false };
  #delayMs = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((near) => this.#pass(near));
  }

  static async listen(target: { readonly host: string; readonly port: number }): Promise<ProxyLink> {
    const link = new ProxyLink(target);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get connections(): number {
    return this.#passages.size;
  }

  /** `forth` is what the dialling side sends. */
  setStalled(direction: Direction, stalled: boolean): void {
    this.#stalled[direction] = stalled;
    for (const passage of [...this.#passages]) {
      passage[direction].stalled = stalled;
      passage[direction].pump();
    }
  }

  setDelay(delayMs: number): void {
    this.#delayMs = delayMs;
    for (const { forth, back } of this.#passages) {
      forth.delayMs = delayMs;
      back.delayMs = delayMs;
    }
  }

  /** Flips a bit of what is carried next in that direction. */
  flip(direction: Direction, at: number): void {
    for (const passage of this.#passages) passage[direction].flipAt = at;
  }

  /** Breaks off in the middle of what is carried next in that direction. */
  cut(direction: Direction, at: number): void {
    for (const passage of this.#passages) passage[direction].cutAt = at;
  }

  reset(): void {
    for (const passage of [...this.#passages]) this.#drop(passage);
  }

  close(): void {
    this.#server.close();
    this.reset();
  }

  #pass(near: Socket): void {
    const far = connect(this.#target);
    const drop = (): void => this.#drop(passage);
    const passage: Passage = {
      near,
      far,
      forth: new Pipe(near, far, drop),
      back: new Pipe(far, near, drop),
    };
    this.#passages.add(passage);
    for (const direction of ['forth', 'back'] as const) {
      passage[direction].stalled = this.#stalled[direction];
      passage[direction].delayMs = this.#delayMs;
    }
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      // What follows an error is the end, and the pipe tells of that.
      socket.on('error', () => {});
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) this.#passages.delete(passage);
      });
    }
  }

  #drop(passage: Passage): void {
    this.#passages.delete(passage);
    passage.forth.drop();
    passage.back.drop();
    for (const socket of [passage.near, passage.far]) breakOff(socket);
  }
}

/** With a reset where that is possible. One that is connecting, or has something to send still, would wait for that first. */
function breakOff(socket: Socket): void {
  if (socket.destroyed) return;
  const isQuiet = !socket.connecting && !socket.writableEnded && socket.writableLength === 0;
  if (isQuiet) socket.resetAndDestroy();
  else socket.destroy();
}
