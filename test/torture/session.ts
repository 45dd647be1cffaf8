/**
 * What the reads of one client must see, and what is known of a value that one of them yields: at which time or later it was there. So the
 * oracle of serial numbers judges weaker reads too.
 */

import type { RespClient } from '../cluster/support/resp-client.js';
import type { Serial } from '../history/serial-oracle.js';

export type ReadKind = 'linearizable' | 'lease' | 'after' | 'maxAge';

export const readKinds: readonly ReadKind[] = ['linearizable', 'lease', 'after', 'maxAge'];

/** Clocks of two processes that are read one after the other, and rounding. */
const SLACK_MS = 5;

/** A client's memory, from one connection to the next: it takes a token along. */
export class Session {
  #kind: ReadKind = 'linearizable';
  #maxAgeMs = 0;
  #token: string | null = null;
  /** When the newest write that the token stands for was called. */
  #tokenCalledAt = 0;
  /** When the newest write was called that the replica has executed by now. */
  #executedCalledAt = 0;
  /** What own writes replaced, by key, in order; and how many of them the token stands for. */
  readonly #replaced: Map<string, { readonly serials: (Serial | null)[]; covered: number }> = new Map();

  get kind(): ReadKind {
    return this.#kind;
  }

  /** What is read may be older than what others were told: no linearizable history has it. */
  get isWeak(): boolean {
    return this.#kind === 'after' || this.#kind === 'maxAge';
  }

  get hasToken(): boolean {
    return this.#token !== null;
  }

  /** Says on a new connection what its reads must see. */
  async open(connection: RespClient, kind: ReadKind, maxAgeMs: number): Promise<void> {
    const words = {
      linearizable: ['LINEARIZABLE'],
      lease: ['LEASE'],
      after: ['AFTER', this.#token ?? ''],
      maxAge: ['MAXAGE', `${maxAgeMs}`],
    }[kind];
    await connection.send('SYNOD', 'CONSISTENCY', ...words);
    this.#kind = kind;
    this.#maxAgeMs = maxAgeMs;
    // Only who sends the token is promised what it stands for.
    this.#executedCalledAt = kind === 'after' ? this.#tokenCalledAt : 0;
    if (kind === 'after') for (const entry of this.#replaced.values()) entry.serials.length = entry.covered;
  }

  /** Before the connection is left: what it was told goes along to the next one. */
  async leave(connection: RespClient): Promise<void> {
    const calledAt = this.#executedCalledAt;
    // It would stand for whatever the replica had executed, perhaps of before the last quiet point.
    if (calledAt === 0) return;
    this.#token = (await connection.send('SYNOD', 'TOKEN')) as string;
    this.#tokenCalledAt = calledAt;
    for (const entry of this.#replaced.values()) entry.covered = entry.serials.length;
  }

  /** A write on this connection was acknowledged. */
  onWritten(calledAt: number): void {
    this.#executedCalledAt = Math.max(this.#executedCalledAt, calledAt);
  }

  /** One of them replaced that serial. */
  onReplaced(key: string, serial: Serial | null): void {
    const entry = this.#replaced.get(key);
    if (entry === undefined) this.#replaced.set(key, { serials: [serial], covered: 0 });
    else entry.serials.push(serial);
  }

  /** A read of `key` is called. Tells of what it yields whether this client's own writes had replaced it by now. */
  beginRead(key: string): (serial: Serial | null) => boolean {
    const serials = this.#replaced.get(key)?.serials ?? [];
    const count = this.#kind === 'maxAge' ? 0 : serials.length;
    return (serial) => serials.slice(0, count).includes(serial);
  }

  /** What a read yields that is called at `calledAt` was there then, or at some time after what is returned. */
  floor(calledAt: number): number {
    if (this.#kind === 'maxAge') return calledAt - this.#maxAgeMs - SLACK_MS;
    // Of a write's slot it is known only that it came after the call.
    return this.#kind === 'after' ? Math.min(calledAt, this.#executedCalledAt) : calledAt;
  }
}
