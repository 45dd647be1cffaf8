/**
 * The load: clients that talk to any replica, change now and then, and write down what they did and what they were told. Requests
 * of windows go to fresh keys all the time, so that the search for an order stays small; serial registers live as long as the
 * cluster.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../cluster/support/random.js';
import { ConnectionLost, type RespClient, RespError } from '../cluster/support/resp-client.js';
import { type KeyValueOutput, outcomeOfError } from '../history/kv-model.js';
import type { TortureCluster } from './cluster.js';
import { type History, serialOf } from './history.js';
import { type ReadKind, Session } from './session.js';

const LANES = 4;
const CONNECT_MS_MAX = 1000;
/** A reply that does not come in this time is not waited for: the connection is closed, and the outcome unknown. */
const REPLY_MS_MAX = 5000;
const WINDOW_MS = 2000;
const WINDOW_KEYS = 10;
const SERIAL_KEYS = 8;
const VALUE_BYTES_MAX = 300;
/** What a read of a greatest age may see must not reach back behind the last quiet point. */
const MAX_AGE_MS = 200;
const MAX_AGE_FROM_MS = 1500;
const readers: ReadonlySet<string> = new Set(['GET', 'MGET', 'STRLEN']);
/** Of some values: they come in several pieces. */
const LONG_BYTES_MAX = 100_000;

export const serialKeys: readonly string[] = Array.from(
  { length: SERIAL_KEYS },
  (_, index) => `serial:${index}`,
);

export interface LoadOptions {
  readonly clients: number;
  /** Of all clients together, at most. */
  readonly perSecond: number;
  readonly seed: number;
}

export class Load {
  readonly #cluster: TortureCluster;
  readonly #history: History;
  readonly #random: Random;
  readonly #options: LoadOptions;
  readonly #connections = new Set<RespClient>();
  #stopping = false;
  #done: Promise<unknown> = Promise.resolve();
  #written = 0;
  #starts = 0;
  #startedAt = 0;

  constructor(cluster: TortureCluster, history: History, options: LoadOptions) {
    this.#cluster = cluster;
    this.#history = history;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  start(): void {
    this.#stopping = false;
    this.#starts += 1;
    this.#startedAt = performance.now();
    const clients = Array.from({ length: this.#options.clients }, (_, index) => this.#client(index * LANES));
    this.#done = Promise.all(clients);
  }

  /** Resolves once nothing is under way; what has no reply in time has an unknown outcome. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const timer = setTimeout(() => this.abort(), REPLY_MS_MAX);
    await this.#done;
    clearTimeout(timer);
  }

  abort(): void {
    this.#stopping = true;
    for (const connection of this.#connections) connection.close();
  }

  async #client(firstLane: number): Promise<void> {
    // Of this epoch alone: what a token of another stands for was judged then.
    const session = new Session();
    while (!this.#stopping) {
      const replica = this.#random.pick(this.#cluster.replicas);
      let connection: RespClient;
      try {
        if (replica.state === 'ended') throw new ConnectionLost('no process');
        connection = await replica.connect(CONNECT_MS_MAX);
        await this.#within(connection, session.open(connection, ...this.#drawReads(session)));
      } catch {
        await delay(20);
        continue;
      }
      this.#connections.add(connection);
      // Now and then to another replica, so that each serves in turn.
      const end = performance.now() + 200 + this.#random.below(4000);
      await Promise.all(
        Array.from({ length: LANES }, (_, lane) => this.#lane(connection, session, firstLane + lane, end)),
      );
      // A connection that broke is left with what was known before.
      await this.#within(connection, session.leave(connection)).catch(() => {});
      this.#connections.delete(connection);
      connection.close();
    }
  }

  #drawReads(session: Session): [ReadKind, number] {
    const random = this.#random;
    const isLong = performance.now() - this.#startedAt > MAX_AGE_FROM_MS;
    const kinds: ReadKind[] = ['linearizable', 'linearizable', 'lease'];
    if (session.hasToken) kinds.push('after');
    if (isLong) kinds.push('maxAge');
    return [random.pick(kinds), random.below(MAX_AGE_MS)];
  }

  async #lane(connection: RespClient, session: Session, lane: number, end: number): Promise<void> {
    const lanes = this.#options.clients * LANES;
    const gapMs = (1000 * lanes) / this.#options.perSecond;
    while (!this.#stopping && performance.now() < end) {
      const next = performance.now() + gapMs * (0.5 + this.#random.next());
      const goesOn =
        session.isWeak || this.#random.below(4) === 0
          ? await this.#serial(connection, session, lane)
          : await this.#request(connection, session, lane, this.#draw());
      if (!goesOn) return;
      const wait = next - performance.now();
      if (wait > 1) await delay(wait);
    }
  }

  #draw(): readonly string[] {
    const random = this.#random;
    const window = Math.floor(performance.now() / WINDOW_MS);
    const number = random.below(WINDOW_KEYS);
    // A quiet point ends a window: what came before it is judged without what comes after.
    const key = `w${this.#starts}.${window}:${number}`;
    this.#written += 1;
    const value = `${this.#written}`;
    // Each key has one kind of values, so that few requests are errors.
    if (number < 2) return random.below(3) === 0 ? ['GET', key] : ['INCR', key];
    if (number < 4) return random.below(3) === 0 ? ['STRLEN', key] : ['APPEND', key, `${value};`];
    // Two that are written and read together, which must never be seen apart.
    if (number < 6) {
      const pair = [4, 5].map((each) => `w${this.#starts}.${window}:${each}`);
      if (random.below(8) === 0) return ['DEL', ...pair];
      return random.below(2) === 0 ? ['MGET', ...pair] : ['MSET', pair[0]!, value, pair[1]!, value];
    }
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2:
        return [
          'SET',
          key,
          value.padEnd(random.below(random.below(50) === 0 ? LONG_BYTES_MAX : VALUE_BYTES_MAX), '.'),
        ];
      case 3:
        return ['SET', key, value, random.pick(['NX', 'XX'])];
      case 4:
        return ['GETSET', key, value];
      case 5:
        return ['DEL', key];
      default:
        return ['GET', key];
    }
  }

  /** False once the connection is of no use. */
  async #request(
    connection: RespClient,
    session: Session,
    lane: number,
    words: readonly string[],
  ): Promise<boolean> {
    const calledAt = performance.now();
    const outcome = await this.#send(connection, words);
    if (outcome.kind === 'reply') {
      if (readers.has(words[0]!)) this.#history.countRead(session.kind);
      else session.onWritten(calledAt);
    }
    if (outcome.kind === 'refused') this.#history.refuse();
    else this.#history.record(lane, words, outcome.kind === 'reply' ? outcome.reply : undefined, calledAt);
    return outcome.goesOn;
  }

  async #serial(connection: RespClient, session: Session, lane: number): Promise<boolean> {
    const { serials } = this.#history;
    const key = this.#random.pick(serialKeys);
    const calledAt = performance.now();
    if (this.#random.below(session.isWeak ? 2 : 3) === 0) {
      const from = session.floor(calledAt);
      const isReplaced = session.beginRead(key);
      const outcome = await this.#send(connection, ['GET', key]);
      if (outcome.kind === 'reply') {
        const serial = serialOf(outcome.reply);
        serials.read(key, lane, serial, from, performance.now());
        if (isReplaced(serial))
          this.#history.staleReads.push(
            `${session.kind} read of ${key}: ${serial} was replaced by an own write`,
          );
        this.#history.countRead(session.kind);
      }
      this.#note(outcome);
      return outcome.goesOn;
    }
    const serial = serials.write(key, lane, calledAt);
    const outcome = await this.#send(connection, ['SET', key, `${serial}`, 'GET']);
    if (outcome.kind === 'reply') {
      const before = serialOf(outcome.reply);
      serials.acknowledge(serial, before, performance.now());
      session.onWritten(calledAt);
      session.onReplaced(key, before);
    } else if (outcome.kind === 'refused') serials.refuse(serial);
    this.#note(outcome);
    return outcome.goesOn;
  }

  #note(outcome: Outcome): void {
    if (outcome.kind === 'refused') this.#history.refuse();
    else this.#history.count(outcome.kind === 'reply');
  }

  /** Closes the connection where it takes too long, which rejects. */
  async #within<Reply>(connection: RespClient, reply: Promise<Reply>): Promise<Reply> {
    const timer = setTimeout(() => connection.close(), REPLY_MS_MAX);
    return await reply.finally(() => clearTimeout(timer));
  }

  async #send(connection: RespClient, words: readonly string[]): Promise<Outcome> {
    try {
      const reply = await this.#within(connection, connection.send(...words));
      return { kind: 'reply', reply: reply as KeyValueOutput, goesOn: true };
    } catch (error) {
      if (!(error instanceof RespError)) return { kind: 'unknown', goesOn: false };
      const meaning = outcomeOfError(error.message);
      if (meaning === 'answer') {
        this.#history.oddReplies.push(`${words[0]} ${words[1]}: ${error.message}`);
        return { kind: 'reply', reply: { error: error.message }, goesOn: true };
      }
      // Whoever refuses, or does not know, is not in a state to be asked again at once.
      await delay(20);
      return meaning === 'unknown' ? { kind: 'unknown', goesOn: true } : { kind: 'refused', goesOn: true };
    }
  }
}

type Outcome =
  | { readonly kind: 'reply'; readonly reply: KeyValueOutput; readonly goesOn: boolean }
  | { readonly kind: 'unknown'; readonly goesOn: boolean }
  | { readonly kind: 'refused'; readonly goesOn: boolean };
