/** As many SETs as one connection takes, counted and never remembered: for runs of millions of commands. */

import { connect, type Socket } from 'node:net';

const BATCH = 500;
/** Batches on their way. */
const BATCHES_OPEN = 8;
const KEYS = 20_000;
const VALUE = 'x'.repeat(100);
const LINE_FEED = 10;

export class PipelineLoad {
  /** Commands that were acknowledged. */
  done = 0;
  /** The first reply that was no acknowledgement. */
  refused: string | null = null;

  readonly #socket: Socket;
  #sent = 0;
  #most = Number.POSITIVE_INFINITY;
  readonly #ended: Promise<void>;

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port });
    this.#socket.setNoDelay(true);
    this.#ended = new Promise((resolve, reject) => {
      this.#socket.on('data', (chunk) => {
        if (this.refused === null && chunk.includes('-')) this.refused = chunk.toString('latin1', 0, 200);
        for (const byte of chunk) if (byte === LINE_FEED) this.done += 1;
        this.#fill();
        if (this.done >= this.#most) resolve();
      });
      this.#socket.on('error', reject);
      this.#socket.on('close', () => reject(new Error('the connection was closed')));
    });
    // Looked at by `stop`; a test that has failed already does not get there.
    this.#ended.catch(() => {});
    this.#socket.once('connect', () => this.#fill());
  }

  /** Sends nothing more; resolves when everything is answered. */
  async stop(): Promise<void> {
    this.#most = this.#sent;
    if (this.done < this.#most) await this.#ended;
    this.#socket.destroy();
  }

  #fill(): void {
    while (this.#sent < this.#most && this.#sent - this.done < BATCH * BATCHES_OPEN) {
      let requests = '';
      for (let index = 0; index < BATCH; index += 1) {
        const key = `key:${(this.#sent + index) % KEYS}`;
        requests += `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${VALUE.length}\r\n${VALUE}\r\n`;
      }
      this.#sent += BATCH;
      this.#socket.write(requests);
    }
  }
}
