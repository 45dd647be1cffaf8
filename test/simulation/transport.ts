/** The transport of one process on the simulated network. */

import { requires } from '../../src/contracts.js';
import { SynodError } from '../../src/errors.js';
import type { Address, Transport, TransportHandler } from '../../src/transport/transport.js';
import { SimulatedConnection } from './connection.js';
import { Network } from './network.js';
import type { Thread } from './thread.js';

export interface TransportOptions {
  readonly network: Network;
  readonly machine: number;
  readonly thread: Thread;
  /** The process may die here, by an exception. */
  readonly onStep: () => void;
  readonly onSend: (
    connection: SimulatedConnection,
    header: Uint8Array,
    payload: Uint8Array | null,
    start: number,
    end: number,
  ) => void;
}

export class SimulatedTransport implements Transport {
  readonly kind = 'tcp';
  readonly reason = 'simulated';
  readonly machine: number;
  readonly thread: Thread;
  readonly dirty: Set<SimulatedConnection> = new Set();
  /** Connections with payloads that left the sender's memory, which it has not heard yet. */
  readonly sent: Set<SimulatedConnection> = new Set();
  readonly onStep: () => void;
  readonly onSend: TransportOptions['onSend'];
  isGone = false;

  readonly #network: Network;
  readonly #connections: Set<SimulatedConnection> = new Set();
  #handler: TransportHandler | null = null;
  #isClosing = false;

  constructor({ network, machine, thread, onStep, onSend }: TransportOptions) {
    this.#network = network;
    this.machine = machine;
    this.thread = thread;
    this.onStep = onStep;
    this.onSend = onSend;
  }

  get handler(): TransportHandler {
    return this.#handler!;
  }

  listen(
    handler: TransportHandler,
    address: Address,
    callback: (error: SynodError | null, bound?: Address) => void,
  ): void {
    requires(this.#handler === null, 'transport-listen-once');
    this.#handler = handler;
    this.#network.events.after(0.01, () =>
      this.thread.run(() => {
        if (this.isGone) return;
        this.#network.listeners.set(this.machine, this);
        callback(null, address);
      }),
    );
  }

  connect(address: Address, token: number, timeoutMs: number): void {
    this.onStep();
    const { events } = this.#network;
    this.#tryDial(Network.machineAt(address), token, events.now + timeoutMs);
  }

  flush(): void {
    if (this.dirty.size === 0) return;
    for (const connection of this.dirty) connection.flush();
    this.dirty.clear();
  }

  /** What the kernel is done with since the last time. */
  reap(): void {
    if (this.sent.size === 0) return;
    for (const connection of this.sent) connection.reap();
    this.sent.clear();
  }

  close(callback: () => void): void {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#unlisten();
      for (const connection of this.#connections) connection.close('the transport was closed');
    }
    // Behind the news of each connection.
    this.#network.events.after(0.05, () => this.thread.run(callback));
  }

  onConnectionClosed(connection: SimulatedConnection): void {
    this.#connections.delete(connection);
  }

  /** The process is gone. */
  abandon(isSilent: boolean): void {
    this.isGone = true;
    this.#unlisten();
    for (const connection of this.#connections) connection.abandon(isSilent);
    this.#connections.clear();
  }

  #unlisten(): void {
    if (this.#network.listeners.get(this.machine) === this) this.#network.listeners.delete(this.machine);
  }

  #tryDial(to: number, token: number, deadline: number): void {
    const network = this.#network;
    const { events, random } = network;
    events.after(network.delay(this.machine, to) + network.delay(to, this.machine), () => {
      if (this.isGone || this.#isClosing) return;
      const isCut = network.isBlocked(this.machine, to) || network.isBlocked(to, this.machine);
      if (isCut) {
        if (events.now < deadline)
          events.after(random.between(5, 30), () => this.#tryDial(to, token, deadline));
        else this.#refuse(token, 'ERR_SYNOD_TIMEOUT', 'no answer in time');
        return;
      }
      const peer = network.listeners.get(to);
      if (peer === undefined) this.#refuse(token, 'ERR_SYNOD_CONNECT', 'nothing listens there');
      else this.#connect(peer, token);
    });
  }

  #connect(peer: SimulatedTransport, token: number): void {
    const near = new SimulatedConnection(this.#network, this, peer.machine, token, false);
    const far = new SimulatedConnection(this.#network, peer, this.machine, -1, true);
    near.peer = far;
    far.peer = near;
    this.#connections.add(near);
    peer.#connections.add(far);
    peer.thread.run(() => {
      if (!far.isClosed && !peer.isGone) far.announce();
    });
    this.thread.run(() => {
      if (this.isGone) return;
      // Broken before the dialler had a look at it.
      if (near.isClosed) this.#refuse(token, 'ERR_SYNOD_CONNECT', 'reset at once');
      else near.announce();
    });
  }

  #refuse(token: number, code: 'ERR_SYNOD_TIMEOUT' | 'ERR_SYNOD_CONNECT', message: string): void {
    this.thread.run(() => {
      if (this.isGone || this.#isClosing) return;
      this.handler.onConnectFailed(token, new SynodError(code, message));
      this.handler.onTurnEnd();
    });
  }
}
