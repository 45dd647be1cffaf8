/**
 * A network inside one thread, for tests and simulation: transports that reach each other by address, with
 * links that can be cut, healed and reset. Nothing happens but in `deliver`, in an order that depends on nothing
 * but the calls made; with `auto` the network calls it by itself, once per turn of the event loop.
 *
 *     send -> queued -> flush -> wire (still the sender's memory) -> deliver -> receiver's memory
 */

import { requires } from '../../contracts.js';
import { SynodError } from '../../errors.js';
import { formatAddress } from '../address.js';
import type { Address, Transport } from '../transport.js';
import type { MemoryConnection } from './memory-connection.js';
import { MemoryTransport } from './memory-transport.js';

const RECEIVE_BYTES_MAX_DEFAULT = 4 * 1024 * 1024;
const DELIVERY_BYTES_MAX = 256 * 1024;
const FIRST_FREE_PORT = 49_152;

export interface MemoryNetworkOptions {
  /** True: deliveries happen by themselves (`setImmediate`). False, the default: only in `deliver`. */
  readonly auto?: boolean;
  /** How many of `available` bytes (at least 1) one delivery hands over. Default: all, up to 256 KiB. */
  readonly split?: (available: number) => number;
  /** Bytes lent by one connection beyond which nothing more is delivered to it. Default 4 MiB. */
  readonly receiveBytesMax?: number;
  /** Calls `expired` after `timeoutMs`; yields how to give it up. Default: the system's timer. */
  readonly startTimer?: (timeoutMs: number, expired: () => void) => () => void;
}

export interface MemoryNetwork {
  /** A new transport, named for `cut`, `heal` and `reset`. Names are unique among those that are open. */
  transport(name: string): Transport;
  /** One round: everything that was due when it began. Yields how many things happened; 0: all is quiet. */
  deliver(): number;
  /** Holds everything between the two, both ways, until healed. Dials meet silence. */
  cut(name: string, other: string): void;
  /** Undoes `cut`: what was held arrives. */
  heal(name: string, other: string): void;
  /** Closes every connection between the two, as a reset from the network would. */
  reset(name: string, other: string): void;
}

export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  return new Network(options);
}

function systemTimer(timeoutMs: number, expired: () => void): () => void {
  const timer = setTimeout(expired, timeoutMs);
  return () => clearTimeout(timer);
}

const linkName = (name: string, other: string): string => JSON.stringify([name, other].sort());

/** The network as its own transports and connections see it. */
export class Network implements MemoryNetwork {
  readonly split: (available: number) => number;
  readonly receiveBytesMax: number;
  readonly startTimer: (timeoutMs: number, expired: () => void) => () => void;

  readonly #auto: boolean;
  readonly #transports = new Map<string, MemoryTransport>();
  readonly #listeners = new Map<string, MemoryTransport>();
  readonly #connections = new Set<MemoryConnection>();
  /** The links that are cut, each with what happens once it is healed. */
  readonly #cut = new Map<string, Array<() => void>>();
  /** Handler calls that are due, in the order in which their causes happened. */
  #due: Array<() => void> = [];
  #immediate: NodeJS.Immediate | null = null;
  #nextPort = FIRST_FREE_PORT;
  #nextConnectionId = 1;

  constructor(options: MemoryNetworkOptions) {
    this.#auto = options.auto ?? false;
    this.split = options.split ?? ((available) => Math.min(available, DELIVERY_BYTES_MAX));
    this.receiveBytesMax = options.receiveBytesMax ?? RECEIVE_BYTES_MAX_DEFAULT;
    this.startTimer = options.startTimer ?? systemTimer;
  }

  transport(name: string): Transport {
    requires(!this.#transports.has(name), 'memory-network-unique-name', () => name);
    const transport = new MemoryTransport(name, this);
    this.#transports.set(name, transport);
    return transport;
  }

  deliver(): number {
    const due = this.#due;
    this.#due = [];
    let happened = due.length;
    for (const call of due) call();
    for (const connection of [...this.#connections]) {
      if (connection.deliver()) happened++;
    }
    if (happened > 0) for (const transport of [...this.#transports.values()]) transport.endTurn();
    if (this.#auto && (happened > 0 || this.#due.length > 0)) this.wake();
    return happened;
  }

  cut(name: string, other: string): void {
    const link = linkName(name, other);
    if (!this.#cut.has(link)) this.#cut.set(link, []);
  }

  heal(name: string, other: string): void {
    const link = linkName(name, other);
    const held = this.#cut.get(link) ?? [];
    this.#cut.delete(link);
    for (const call of held) this.post(call);
    for (const transport of this.#transports.values()) transport.retryDials();
    this.wake();
  }

  reset(name: string, other: string): void {
    for (const connection of [...this.#connections]) {
      const ends = [connection.owner.name, connection.peer?.owner.name];
      if (ends.includes(name) && ends.includes(other)) connection.close('reset by the network');
    }
  }

  isCut(name: string, other: string): boolean {
    return this.#cut.has(linkName(name, other));
  }

  /** Makes `call` happen when the link, which is cut, is healed. */
  whenHealed(name: string, other: string, call: () => void): void {
    this.#cut.get(linkName(name, other))?.push(call);
  }

  /** Makes `call` part of the next round. */
  post(call: () => void): void {
    this.#due.push(call);
    this.wake();
  }

  wake(): void {
    if (!this.#auto) return;
    this.#immediate ??= setImmediate(() => {
      this.#immediate = null;
      this.deliver();
    });
  }

  bind(transport: MemoryTransport, address: Address): Address | SynodError {
    const port = address.port === 0 ? this.#freePort(address.host) : address.port;
    const bound = { host: address.host, port };
    const key = formatAddress(bound);
    if (this.#listeners.has(key)) {
      return new SynodError('ERR_SYNOD_LISTEN', `cannot listen on ${key}: it is in use`);
    }
    this.#listeners.set(key, transport);
    return bound;
  }

  #freePort(host: string): number {
    while (this.#listeners.has(formatAddress({ host, port: this.#nextPort }))) this.#nextPort++;
    return this.#nextPort++;
  }

  listenerAt(address: Address): MemoryTransport | undefined {
    return this.#listeners.get(formatAddress(address));
  }

  nextConnectionId(): number {
    return this.#nextConnectionId++;
  }

  add(connection: MemoryConnection): void {
    this.#connections.add(connection);
  }

  delete(connection: MemoryConnection): void {
    this.#connections.delete(connection);
  }

  /** The transport accepts no more. */
  unbind(transport: MemoryTransport): void {
    for (const [key, listener] of this.#listeners) {
      if (listener === transport) this.#listeners.delete(key);
    }
  }

  /** The transport closed: its name is free again. */
  leave(transport: MemoryTransport): void {
    this.#transports.delete(transport.name);
  }
}
