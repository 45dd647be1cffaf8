/** A transport of a `MemoryNetwork`. */

import { requires } from '../../contracts.js';
import { SynodError } from '../../errors.js';
import { formatAddress } from '../address.js';
import type { Address, Transport, TransportHandler } from '../transport.js';
import { MemoryConnection } from './memory-connection.js';
import type { Network } from './memory-network.js';

interface Dial {
  readonly address: Address;
  readonly token: number;
  readonly stopTimer: () => void;
}

export class MemoryTransport implements Transport {
  readonly kind = 'memory';
  readonly reason: string = 'memory: a network inside one thread, for tests';
  readonly name: string;
  handler: TransportHandler | null = null;

  readonly #network: Network;
  readonly #connections = new Set<MemoryConnection>();
  /** Dials without an answer yet. */
  readonly #dials = new Set<Dial>();
  #dirty = new Set<MemoryConnection>();
  #closing = false;
  #closed = false;
  readonly #closeCallbacks: Array<() => void> = [];

  constructor(name: string, network: Network) {
    this.name = name;
    this.#network = network;
  }

  listen(
    handler: TransportHandler,
    address: Address,
    callback: (error: SynodError | null, bound?: Address) => void,
  ): void {
    requires(this.handler === null, 'transport-listen-once');
    this.handler = handler;
    const bound = this.#network.bind(this, address);
    this.#network.post(() => {
      if (bound instanceof SynodError) callback(bound);
      else callback(null, bound);
    });
  }

  connect(address: Address, token: number, timeoutMs: number): void {
    requires(this.handler !== null, 'transport-listen-first');
    const expired = (): void => {
      const message = `cannot reach ${formatAddress(address)}: no answer within ${timeoutMs} ms`;
      this.#fail(dial, new SynodError('ERR_SYNOD_TIMEOUT', message));
    };
    const dial: Dial = { address, token, stopTimer: this.#network.startTimer(timeoutMs, expired) };
    this.#dials.add(dial);
    this.#network.post(() => this.#tryDial(dial));
  }

  #tryDial(dial: Dial): void {
    if (!this.#dials.has(dial)) return;
    if (this.#closing) {
      this.#fail(dial, new SynodError('ERR_SYNOD_CLOSED', 'the transport was closed'));
      return;
    }
    const peer = this.#network.listenerAt(dial.address);
    if (peer === undefined) {
      const message = `cannot reach ${formatAddress(dial.address)}: nothing listens there`;
      this.#fail(dial, new SynodError('ERR_SYNOD_CONNECT', message));
      return;
    }
    // Silence: tried again when healed, given up when the timer says so.
    if (this.#network.isCut(this.name, peer.name)) return;
    this.#dials.delete(dial);
    dial.stopTimer();
    const near = new MemoryConnection(this.#network, this, formatAddress(dial.address), dial.token);
    const far = new MemoryConnection(this.#network, peer, this.name, -1);
    near.peer = far;
    far.peer = near;
    this.#connections.add(near);
    peer.#connections.add(far);
    far.announce();
    near.announce();
  }

  #fail(dial: Dial, error: SynodError): void {
    if (!this.#dials.delete(dial)) return;
    dial.stopTimer();
    this.#network.post(() => {
      this.handler?.onConnectFailed(dial.token, error);
      this.#finishClose();
    });
  }

  retryDials(): void {
    for (const dial of this.#dials) this.#network.post(() => this.#tryDial(dial));
  }

  dirty(connection: MemoryConnection): void {
    this.#dirty.add(connection);
  }

  flush(): void {
    const dirty = this.#dirty;
    if (dirty.size === 0) return;
    this.#dirty = new Set();
    for (const connection of dirty) connection.flush();
  }

  closed(connection: MemoryConnection): void {
    this.#connections.delete(connection);
    this.#finishClose();
  }

  endTurn(): void {
    if (!this.#closed) this.handler?.onTurnEnd();
  }

  close(callback: () => void): void {
    if (this.#closed) {
      this.#network.post(callback);
      return;
    }
    this.#closeCallbacks.push(callback);
    if (this.#closing) return;
    this.#closing = true;
    this.#network.unbind(this);
    for (const connection of [...this.#connections]) connection.close('the transport was closed');
    for (const dial of [...this.#dials]) {
      this.#fail(dial, new SynodError('ERR_SYNOD_CLOSED', 'the transport was closed'));
    }
    this.#network.post(() => this.#finishClose());
  }

  #finishClose(): void {
    if (!this.#closing || this.#closed || this.#connections.size > 0 || this.#dials.size > 0) return;
    this.#closed = true;
    this.#network.leave(this);
    for (const callback of this.#closeCallbacks.splice(0)) this.#network.post(callback);
  }
}
