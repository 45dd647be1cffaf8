/**
 * The simulated network: which machines reach which, how long it takes, and what is on its way. A connection keeps its
 * order and loses nothing, until it breaks and loses everything from some point on. What is done to single frames
 * (duplicates, replays, swaps, flipped bits) is done here too, and is more than any real network may do.
 */

import type { Address } from '../../src/transport/transport.js';
import type { Random } from '../properties/random.js';
import type { SimulatedConnection } from './connection.js';
import type { EventQueue } from './event-queue.js';
import type { SimulatedTransport } from './transport.js';

export interface NetworkModel {
  /** Bounds of the usual delay, one way. */
  readonly delayMs: readonly [number, number];
  /** How likely a delay comes from the heavy tail instead. */
  readonly tail: number;
  /** The least delay there; the greatest is a hundred times this. */
  readonly tailMs: number;
  /** How likely what arrives is cut in the middle of a frame, and the rest comes a little later. */
  readonly split: number;
  /** Bytes that the kernels at both ends hold for one direction. */
  readonly windowBytes: number;
}

/** What happens to the next frame from one machine to another. */
export type FrameFault = 'flip' | 'duplicate' | 'swap' | 'replay';

const FRAMES_REMEMBERED = 64;

/** One direction between two machines. */
interface Route {
  /** Nothing gets through until then. */
  blockedUntil: number;
  /** Each delay is longer by this until `slowUntil`. */
  slowMs: number;
  slowUntil: number;
  fault: FrameFault | null;
  /** To so many deliveries more. */
  faultTimes: number;
  /** Frames that once went this way, on any connection. */
  readonly remembered: Uint8Array[];
}

export class Network {
  readonly events: EventQueue;
  readonly random: Random;
  model: NetworkModel;
  readonly listeners: Map<number, SimulatedTransport> = new Map();
  /** Things done to single frames. */
  injections = 0;
  /** Frames are kept for replays. */
  remembers = false;
  /** Bits were flipped on the wire: from then on receivers may find checksums wrong. */
  isCorrupting = false;

  readonly #size: number;
  readonly #routes: Route[];
  readonly #connections: Set<SimulatedConnection> = new Set();
  #ids = 0;

  constructor(size: number, events: EventQueue, random: Random, model: NetworkModel) {
    this.#size = size;
    this.events = events;
    this.random = random;
    this.model = model;
    this.#routes = Array.from({ length: size * size }, () => ({
      blockedUntil: 0,
      slowMs: 0,
      slowUntil: 0,
      fault: null,
      faultTimes: 0,
      remembered: [],
    }));
  }

  static address(machine: number): Address {
    return { host: 'simulated', port: 1 + machine };
  }

  static machineAt({ port }: Address): number {
    return port - 1;
  }

  nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  add(connection: SimulatedConnection): void {
    this.#connections.add(connection);
  }

  delete(connection: SimulatedConnection): void {
    this.#connections.delete(connection);
  }

  delay(from: number, to: number): number {
    const { random, model, events } = this;
    const [least, most] = model.delayMs;
    let delay = random.between(least, most);
    if (model.tail > 0 && random.chance(model.tail)) delay = model.tailMs / (0.01 + 0.99 * random.real());
    const route = this.#route(from, to);
    return events.now < route.slowUntil ? delay + route.slowMs * random.real() : delay;
  }

  isBlocked(from: number, to: number): boolean {
    return this.events.now < this.#route(from, to).blockedUntil;
  }

  blockedUntil(from: number, to: number): number {
    return this.#route(from, to).blockedUntil;
  }

  /** Nothing gets from the one machine to the other before `until`. */
  block(from: number, to: number, until: number): void {
    const route = this.#route(from, to);
    if (until <= route.blockedUntil) return;
    route.blockedUntil = until;
    if (Number.isFinite(until)) this.events.at(until, () => this.#deliver(from, to));
  }

  slow(from: number, to: number, byMs: number, until: number): void {
    const route = this.#route(from, to);
    route.slowMs = byMs;
    route.slowUntil = until;
  }

  /** Closes what is between the two, and what was on its way is lost from some point on. */
  reset(a: number, b: number): void {
    for (const connection of [...this.#connections])
      if (!connection.inbound && connection.isBetween(a, b)) connection.break('reset by the network');
  }

  /** Is done to the next `times` deliveries. */
  setFault(from: number, to: number, fault: FrameFault, times: number): void {
    const route = this.#route(from, to);
    route.fault = fault;
    route.faultTimes = times;
    if (fault === 'flip') this.isCorrupting = true;
  }

  takeFault(from: number, to: number): FrameFault | null {
    const route = this.#route(from, to);
    if (route.faultTimes === 0) return null;
    route.faultTimes -= 1;
    return route.fault;
  }

  remember(from: number, to: number, frame: Uint8Array): void {
    const { remembered } = this.#route(from, to);
    if (remembered.length < FRAMES_REMEMBERED) remembered.push(frame.slice());
    // All of a run's frames have the same chance to be there later, the early ones too.
    else if (this.random.chance(0.2)) remembered[this.random.below(FRAMES_REMEMBERED)] = frame.slice();
  }

  recall(from: number, to: number): Uint8Array | null {
    const { remembered } = this.#route(from, to);
    return remembered.length === 0 ? null : this.random.pick(remembered);
  }

  /** Everything reaches everyone again, at `model`'s pace. */
  heal(model: NetworkModel): void {
    this.model = model;
    for (const route of this.#routes) {
      route.blockedUntil = 0;
      route.slowUntil = 0;
      route.faultTimes = 0;
    }
    for (const connection of [...this.#connections]) connection.deliver();
  }

  /** The machine takes what waits for it. */
  deliverTo(machine: number): void {
    for (const connection of [...this.#connections]) if (connection.to === machine) connection.deliver();
  }

  #deliver(from: number, to: number): void {
    if (this.isBlocked(from, to)) return;
    for (const connection of [...this.#connections])
      if (connection.from === from && connection.to === to) connection.deliver();
  }

  #route(from: number, to: number): Route {
    return this.#routes[from * this.#size + to]!;
  }
}
