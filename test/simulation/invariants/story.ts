/** Tells invariants what happened in a small cluster, step by step, as a run would: to try them on right and wrong histories. */

import type { Ballot } from '../../../src/protocol/ballot.js';
import { makeBallot } from '../../../src/protocol/ballot.js';
import type { Configuration } from '../../../src/protocol/configuration.js';
import { genesisConfiguration, readmit } from '../../../src/protocol/configuration.js';
import type { DecreeReference, Slot } from '../../../src/protocol/decree.js';
import { DecreeKind } from '../../../src/protocol/decree.js';
import type { Message } from '../../../src/protocol/messages.js';
import type { Ended, Observation, ReadKind, SeenRecord } from '../observation.js';
import { valueOfDecree } from '../observation.js';
import { Invariants } from './index.js';

export const b = makeBallot;

export function decree(name: string, configuration: Configuration | null = null): DecreeReference {
  const kind = configuration === null ? DecreeKind.commands : DecreeKind.configuration;
  const checksum = [...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7);
  return { kind, bytes: name.length, checksum, commands: 1, configuration, source: null };
}

export function incarnationOf(disk: string): string {
  return `incarnation of ${disk}`;
}

const ids = ['a', 'b', 'c'];

export const firstConfiguration: Configuration = genesisConfiguration(
  ids.map((id) => ({ id, incarnation: incarnationOf(`${id}1`) })),
);
export const secondConfiguration: Configuration = readmit(firstConfiguration, 'c', incarnationOf('c2'));

/** Replicas a, b and c, with disks a1, b1 and c1 at first. Members 1, 2 and 3. */
export class Story {
  readonly observed: Observation[] = [];
  readonly #invariants: Invariants;
  readonly #disks: Map<string, string> = new Map();
  readonly #sessions: Map<string, number> = new Map();
  configuration = 1;
  /** Of the protocol: the highest that builds speak which are started from here on. */
  versionMax = 1;

  constructor(invariants: Invariants = new Invariants()) {
    this.#invariants = invariants;
  }

  tell(observation: Observation): this {
    this.observed.push(observation);
    this.#invariants.observe(observation);
    return this;
  }

  open(replica: string, disk: string = `${replica}1`): this {
    this.#disks.set(replica, disk);
    const session = (this.#sessions.get(disk) ?? 0) + 1;
    this.#sessions.set(disk, session);
    return this.tell({
      ...this.#seen(replica),
      kind: 'opened',
      versionMax: this.versionMax,
      incarnation: incarnationOf(disk),
      session,
    });
  }

  end(replica: string, how: Ended['how'] = 'crashed'): this {
    return this.tell({ ...this.#seen(replica), kind: 'ended', how, reason: '' });
  }

  written(replica: string, record: SeenRecord): this {
    return this.tell({ ...this.#seen(replica), kind: 'written', record });
  }

  durable(replica: string, record: SeenRecord): this {
    return this.tell({ ...this.#seen(replica), kind: 'durable', record });
  }

  /** Written, and durable at once. */
  record(replica: string, record: SeenRecord): this {
    return this.written(replica, record).durable(replica, record);
  }

  setBack(replica: string, records: number): this {
    return this.tell({ ...this.#seen(replica), kind: 'set-back', records });
  }

  send(replica: string, to: string, message: Message): this {
    const { configuration } = this;
    return this.tell({ ...this.#seen(replica), kind: 'sent', to, configuration, self: 0, message });
  }

  apply(replica: string, slot: Slot, what: DecreeReference, digest = `digest ${slot}`): this {
    return this.tell({
      ...this.#seen(replica),
      kind: 'applied',
      slot,
      value: valueOfDecree(what),
      digest,
      configuration: what.configuration,
    });
  }

  execute(replica: string, slot: Slot, call: number): this {
    return this.tell({ ...this.#seen(replica), kind: 'executed', slot, call });
  }

  call(call: number, replica = 'a', { isExclusive = false, isLast = false } = {}): this {
    return this.tell({
      kind: 'called',
      at: 0,
      replica,
      client: 1,
      call,
      isExclusive: isExclusive || isLast,
      isLast,
    });
  }

  settle(call: number, outcome: 'committed' | 'not-applied' | 'unknown', replica = 'a'): this {
    return this.tell({ kind: 'settled', at: 0, replica, call, outcome, code: null });
  }

  /** A read on `replica` whose state has in it what the calls up to `last` did. */
  read(replica: string, reads: ReadKind, last: number, { writer = 'a', ageMs = 0 } = {}): this {
    const query = { group: 1, call: 0 };
    this.tell({ kind: 'reads-made', at: 0, replica, reads, writer, ageMs, query });
    return this.tell({ kind: 'read-answered', at: 0, replica, reads, query, has: last >= query.call, last });
  }

  finish(): this {
    return this.tell({ kind: 'finished', at: 0 });
  }

  // What a cluster does all the time.

  /** All three disks know the first configuration. */
  begin(): this {
    for (const id of ids) this.open(id).record(id, configurationRecord(firstConfiguration));
    return this;
  }

  /** `replica` gets the promise of `voters` for `ballot`, and its own. */
  prepare(replica: string, ballot: Ballot, ...voters: readonly string[]): this {
    this.record(replica, promiseRecord(ballot));
    for (const voter of voters) {
      this.send(replica, voter, { kind: 'prepare', ballot, from: 1 });
      this.record(voter, promiseRecord(ballot));
      this.send(voter, replica, { kind: 'promised', ballot, entries: 0, chosen: 0 });
    }
    return this;
  }

  /** `replica` proposes, and its own disk accepts. */
  propose(replica: string, ballot: Ballot, slot: Slot, what: DecreeReference, chosen = 0): this {
    this.written(replica, acceptRecord(ballot, slot, what));
    for (const to of ids)
      if (to !== replica) this.send(replica, to, { kind: 'accept', ballot, slot, chosen, decree: what });
    return this.durable(replica, acceptRecord(ballot, slot, what));
  }

  accept(replica: string, to: string, ballot: Ballot, slot: Slot, what: DecreeReference, from = slot): this {
    return this.record(replica, acceptRecord(ballot, slot, what)).send(replica, to, {
      kind: 'accepted',
      ballot,
      from,
      through: slot,
    });
  }

  /** Under ballot 1.1 of replica a, with the vote of b. */
  choose(slot: Slot, what: DecreeReference): this {
    return this.propose('a', b(1, 1), slot, what).accept('b', 'a', b(1, 1), slot, what);
  }

  #seen(replica: string): { at: number; replica: string; disk: string } {
    return { at: 0, replica, disk: this.#disks.get(replica)! };
  }
}

export function promiseRecord(ballot: Ballot): SeenRecord {
  return { kind: 'promise', ballot, slot: 0, value: '', configuration: null };
}

export function acceptRecord(ballot: Ballot, slot: Slot, what: DecreeReference): SeenRecord {
  return { kind: 'accept', ballot, slot, value: valueOfDecree(what), configuration: what.configuration };
}

export function learnRecord(ballot: Ballot, slot: Slot, what: DecreeReference): SeenRecord {
  return { ...acceptRecord(ballot, slot, what), kind: 'learn' };
}

export function configurationRecord(configuration: Configuration): SeenRecord {
  return { kind: 'configuration', ballot: 0, slot: 0, value: '', configuration };
}
