/**
 * Clients that write and remember what became of it. Each command is one of three: acknowledged, certainly not executed,
 * or in doubt (the connection broke, or the service does not know).
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { TestCluster, TestReplica } from './cluster.js';
import type { Random } from './random.js';
import { ConnectionLost, RespClient, RespError } from './resp-client.js';

const PIPELINE = 8;

/** What one client knows. */
export interface Ledger {
  /** Keys whose write was acknowledged, with the value. */
  readonly written: Map<string, string>;
  /** Keys whose write is in doubt, with the value that they may have. */
  readonly inDoubt: Map<string, string>;
  increments: number;
  incrementsInDoubt: number;
  /** Replies to increments: each value of a counter may be handed out once. */
  readonly counts: Set<number>;
  /** Tokens whose append to the client's journal was acknowledged, and those in doubt. */
  readonly appended: Set<string>;
  readonly appendedInDoubt: Set<string>;
  readonly mistakes: string[];
}

export class WorkloadClient {
  readonly name: string;
  readonly ledger: Ledger = {
    written: new Map(),
    inDoubt: new Map(),
    increments: 0,
    incrementsInDoubt: 0,
    counts: new Set(),
    appended: new Set(),
    appendedInDoubt: new Set(),
    mistakes: [],
  };
  acknowledged = 0;

  readonly #cluster: TestCluster;
  readonly #random: Random;
  readonly #valueBytesMax: number;
  #number = 0;
  #stopping = false;
  #done: Promise<void> | null = null;

  constructor(cluster: TestCluster, name: string, random: Random, valueBytesMax: number) {
    this.#cluster = cluster;
    this.name = name;
    this.#random = random;
    this.#valueBytesMax = valueBytesMax;
  }

  get counterKey(): string {
    return `counter:${this.name}`;
  }
  get journalKey(): string {
    return `journal:${this.name}`;
  }

  start(): void {
    this.#stopping = false;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const { alive } = this.#cluster;
      let client: RespClient;
      try {
        if (alive.length === 0) throw new ConnectionLost('nobody is there');
        client = await RespClient.connect(this.#random.pick(alive).kvPort);
      } catch {
        await delay(5);
        continue;
      }
      // Now and then to another replica, so that each serves in turn.
      const turns = 20 + this.#random.below(200);
      await Promise.all(Array.from({ length: PIPELINE }, () => this.#lane(client, turns)));
      client.close();
    }
  }

  async #lane(client: RespClient, turns: number): Promise<void> {
    for (let turn = 0; turn < turns && !this.#stopping; turn += 1) {
      if (!(await this.#write(client))) return;
    }
  }

  /** False once the connection is of no use. */
  async #write(client: RespClient): Promise<boolean> {
    this.#number += 1;
    const { ledger } = this;
    const token = `${this.name}-${this.#number}`;
    switch (this.#random.below(3)) {
      case 0: {
        const value = `${token}:`.padEnd(this.#random.below(this.#valueBytesMax), 'x');
        return this.#outcome(client.send('SET', `key:${token}`, value), {
          yes: () => ledger.written.set(`key:${token}`, value),
          perhaps: () => ledger.inDoubt.set(`key:${token}`, value),
        });
      }
      case 1:
        return this.#outcome(client.send('INCR', this.counterKey), {
          yes: (reply) => {
            ledger.increments += 1;
            if (ledger.counts.has(reply as number)) ledger.mistakes.push(`count ${reply} twice`);
            ledger.counts.add(reply as number);
          },
          perhaps: () => {
            ledger.incrementsInDoubt += 1;
          },
        });
      default:
        return this.#outcome(client.send('APPEND', this.journalKey, `${token};`), {
          yes: () => ledger.appended.add(token),
          perhaps: () => ledger.appendedInDoubt.add(token),
        });
    }
  }

  async #outcome(
    sent: Promise<unknown>,
    { yes, perhaps }: { yes: (reply: unknown) => void; perhaps: () => void },
  ): Promise<boolean> {
    try {
      yes(await sent);
      this.acknowledged += 1;
      return true;
    } catch (error) {
      if (!(error instanceof RespError && error.notExecuted)) perhaps();
      if (error instanceof RespError) {
        if (!error.notExecuted && !error.message.startsWith('UNKNOWN'))
          this.ledger.mistakes.push(error.message);
        await delay(5);
        return true;
      }
      return false;
    }
  }

  /** Compares what the service has with what this client knows, through one replica; yields what is wrong. */
  async check(replica: TestReplica): Promise<string[]> {
    const { ledger } = this;
    const wrong = [...ledger.mistakes];
    const client = await RespClient.connect(replica.kvPort);
    try {
      await checkKeys(client, ledger.written, false, wrong);
      await checkKeys(client, ledger.inDoubt, true, wrong);
      const count = Number((await client.send('GET', this.counterKey)) ?? 0);
      if (count < ledger.increments || count > ledger.increments + ledger.incrementsInDoubt) {
        wrong.push(
          `${this.counterKey} is ${count}, acknowledged ${ledger.increments}, in doubt ${ledger.incrementsInDoubt}`,
        );
      }
      const journal = ((await client.send('GET', this.journalKey)) ?? '') as string;
      const tokens = journal.split(';').slice(0, -1);
      const present = new Set(tokens);
      if (present.size !== tokens.length)
        wrong.push(`${this.journalKey}: ${tokens.length - present.size} twice`);
      for (const token of ledger.appended)
        if (!present.has(token)) wrong.push(`${this.journalKey}: acknowledged ${token} is lost`);
      for (const token of present) {
        if (!ledger.appended.has(token) && !ledger.appendedInDoubt.has(token))
          wrong.push(`${this.journalKey}: ${token} was never written`);
      }
    } finally {
      client.close();
    }
    return wrong.map((one) => `${this.name} through ${replica.id}: ${one}`);
  }

  /** Forgets the keys, and begins a new journal: what was checked need not be checked again. */
  async forget(replica: TestReplica): Promise<void> {
    await replica.ask('DEL', this.journalKey);
    this.ledger.written.clear();
    this.ledger.inDoubt.clear();
    this.ledger.appended.clear();
    this.ledger.appendedInDoubt.clear();
  }
}

async function checkKeys(
  client: RespClient,
  expected: ReadonlyMap<string, string>,
  mayBeMissing: boolean,
  wrong: string[],
): Promise<void> {
  const keys = [...expected.keys()];
  for (let from = 0; from < keys.length; from += 500) {
    const some = keys.slice(from, from + 500);
    const values = (await client.send('MGET', ...some)) as (string | null)[];
    some.forEach((key, index) => {
      const value = values[index] ?? null;
      if (value === null && mayBeMissing) return;
      if (value !== expected.get(key)) wrong.push(`${key} is ${String(value).slice(0, 40)}`);
    });
  }
}

export class Workload {
  readonly clients: readonly WorkloadClient[];

  constructor(cluster: TestCluster, random: Random, { clients = 4, valueBytesMax = 400 } = {}) {
    this.clients = Array.from(
      { length: clients },
      (_, index) => new WorkloadClient(cluster, `w${index}`, random, valueBytesMax),
    );
  }

  get acknowledged(): number {
    return this.clients.reduce((sum, client) => sum + client.acknowledged, 0);
  }

  start(): void {
    for (const client of this.clients) client.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.stop()));
  }

  /** Everything that is wrong, as one replica tells it. */
  async check(replica: TestReplica): Promise<string[]> {
    const found = await Promise.all(this.clients.map((client) => client.check(replica)));
    return found.flat();
  }

  async forget(replica: TestReplica): Promise<void> {
    await Promise.all(this.clients.map((client) => client.forget(replica)));
  }
}
