/**
 * Builders and a reader for tests of the protocol: set a state, feed one input, compare the exact effects. Effects are
 * compared as text, one line each, so that a failing test shows what a person can read.
 */

import { expect } from 'vitest';
import { ContractViolation } from '../../src/contracts.js';
import type { Ballot, MemberNumber } from '../../src/protocol/ballot.js';
import { formatBallot, makeBallot } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { genesisConfiguration } from '../../src/protocol/configuration.js';
import type { ProtocolOptions } from '../../src/protocol/context.js';
import type { Acceptance, DecreeReference, Slot } from '../../src/protocol/decree.js';
import { DecreeKind, noopDecree } from '../../src/protocol/decree.js';
import type { Effect, Role } from '../../src/protocol/effects.js';
import type { Input, PeerNumber } from '../../src/protocol/inputs.js';
import type { Message, StatusReply } from '../../src/protocol/messages.js';
import type { RecoveredState } from '../../src/protocol/replica.js';
import { Replica } from '../../src/protocol/replica.js';
import { nameDecree, nameOf, showMembers, showMessage, showRecord } from './show.js';

export const options: ProtocolOptions = {
  electionTimeoutMs: 300,
  heartbeatMs: 50,
  pipelineDecreesMax: 4,
  pipelineBytesMax: 1000,
  fetchBytesMax: 5000,
};

/** The disk incarnation of a replica in these tests; `life` counts its disks. */
export function incarnationOf(id: string, life = 1): string {
  return `${id.charCodeAt(0).toString(16)}${life}`.padStart(32, '0');
}

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

/** Members a = 1, b = 2, …, as they are at the very beginning. */
export function configurationOf(size: number): Configuration {
  return genesisConfiguration(IDS.slice(0, size).map((id) => ({ id, incarnation: incarnationOf(id) })));
}

/** Of who has promised nothing, hears no primary and would not stand, where `more` says nothing else. */
export function statusReply(
  round: number,
  more: Partial<Omit<StatusReply, 'kind' | 'round'>> = {},
): StatusReply {
  return { kind: 'status-reply', round, promised: 0, chosen: 0, primaryAlive: false, standing: 0, ...more };
}

/** `b(3, 2)`: round 3 of member 2, written 3.2. */
export function b(round: number, member: MemberNumber): Ballot {
  return makeBallot(round, member);
}

/** A decree of commands that is called `name`: the same name is the same decree. */
export function decree(name: string, bytes = 10): DecreeReference {
  let checksum = 7;
  for (const letter of name) checksum = (checksum * 31 + letter.charCodeAt(0)) % 0x7fff_ffff;
  nameDecree(checksum, name);
  return { kind: DecreeKind.commands, bytes, checksum, commands: 1, configuration: null, source: name };
}

export function noop(): DecreeReference {
  return { ...noopDecree };
}

/** The decree that puts `configuration` into force. */
export function configurationDecree(configuration: Configuration): DecreeReference {
  return {
    kind: DecreeKind.configuration,
    bytes: 100,
    checksum: 1000 + configuration.number,
    commands: 0,
    configuration,
    source: 'configuration',
  };
}

export function showEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'append':
      return `append ${effect.write}: ${showRecord(effect.record)}`;
    case 'send':
      return `send ${effect.to}: ${showMessage(effect.message)}`;
    case 'retain':
      return `retain ${nameOf(effect.decree)}`;
    case 'chosen':
      return `chosen ${effect.through}`;
    case 'serve-fetch':
      return `serve-fetch ${effect.to}: ${effect.from} to ${effect.through}, ${effect.bytesMax} bytes`;
    case 'leadership-refused':
      return `leadership-refused ${effect.request}: ${effect.reason}`;
    case 'ask-to-lead':
      return `ask-to-lead ${effect.request}`;
    case 'step-later':
      return `step later: ${effect.afterMs} ms`;
    case 'read-slot':
      return `read-slot ${effect.read}: ${effect.slot}`;
    case 'status':
      return `status: ${effect.role}, primary ${effect.primary}, ballot ${formatBallot(effect.ballot)}`;
    case 'configuration':
      return `configuration ${effect.configuration.number}: ${showMembers(effect.configuration)}, self ${effect.self}`;
    case 'change-settled': {
      const { request, outcome } = effect;
      const how =
        outcome.kind === 'chosen'
          ? `configuration ${outcome.configuration}`
          : outcome.kind === 'refused'
            ? [outcome.reason, ...outcome.missing].join(' ')
            : outcome.kind;
      return `change ${request}: ${how}`;
    }
  }
}

/** What a replica finds on its disk. */
export interface Setting {
  /** Members of the configuration; 3 unless said otherwise. 0 where there is none yet. */
  readonly size?: number;
  readonly configuration?: Configuration;
  /** This replica; "a" unless said otherwise. */
  readonly id?: string;
  /** Which of its disks; 1 is the one that the first configuration names. */
  readonly life?: number;
  readonly promised?: Ballot;
  readonly chosen?: Slot;
  readonly accepted?: Readonly<Record<Slot, readonly [Ballot, DecreeReference]>>;
  readonly options?: Partial<ProtocolOptions>;
  /** Links that stand from the beginning; to all other members unless said otherwise. */
  readonly linked?: readonly PeerNumber[];
  readonly random?: () => number;
}

export function recovered(setting: Setting): RecoveredState {
  const accepted: Map<Slot, Acceptance> = new Map();
  let promised = setting.promised ?? 0;
  for (const [slot, [ballot, one]] of Object.entries(setting.accepted ?? {})) {
    accepted.set(Number(slot), { ballot, decree: one });
    if (setting.promised === undefined) promised = Math.max(promised, ballot);
  }
  const size = setting.size ?? 3;
  return {
    promised,
    chosen: setting.chosen ?? 0,
    accepted,
    configuration: setting.configuration ?? (size === 0 ? null : configurationOf(size)),
  };
}

/** One replica under test. */
export class Scene {
  readonly replica: Replica;
  readonly options: ProtocolOptions;
  now = 1000;
  #writes = 0;

  constructor(setting: Setting = {}) {
    this.options = { ...options, ...setting.options };
    const id = setting.id ?? 'a';
    const state = recovered(setting);
    const random = setting.random ?? ((): number => 0);
    const identity = { id, incarnation: incarnationOf(id, setting.life) };
    this.replica = new Replica(this.options, identity, state, random, this.now);
    const others = state.configuration?.members
      .map((member) => member.number)
      .filter((number) => number !== this.replica.self);
    for (const peer of setting.linked ?? others ?? []) {
      this.replica.step({ kind: 'peer-up', peer }, this.now);
    }
    this.take();
  }

  get role(): Role {
    return this.replica.role;
  }

  /** The effects that are due, as text. `room`: bytes that the log has room for. */
  take(room?: number): string[] {
    const effects = this.replica.takeEffects(room);
    for (const effect of effects) if (effect.kind === 'append') this.#writes = effect.write;
    return effects.map(showEffect);
  }

  /** One input and the end of the turn. */
  feed(input: Input): string[] {
    this.replica.step(input, this.now);
    return this.take();
  }

  /** Several inputs in one turn. */
  feedAll(...inputs: Input[]): string[] {
    for (const input of inputs) this.replica.step(input, this.now);
    return this.take();
  }

  receive(from: PeerNumber, message: Message, configuration?: number): string[] {
    return this.feed(this.from(from, message, configuration));
  }

  /** A message as an input; under the configuration of this replica unless said otherwise. */
  from(peer: PeerNumber, message: Message, configuration?: number): Input {
    const number = configuration ?? this.replica.configuration?.number ?? 0;
    return { kind: 'message', from: peer, configuration: number, message };
  }

  /** Everything written so far, or up to `write`, is durable. */
  durable(write = this.#writes): string[] {
    return this.feed({ kind: 'durable', write });
  }

  propose(one: DecreeReference): string[] {
    return this.feed({ kind: 'propose', decree: one });
  }

  /** Time passes, in ticks that are no pause of the process. */
  wait(ms: number): string[] {
    const effects: string[] = [];
    const end = this.now + ms;
    while (this.now < end) {
      this.now = Math.min(end, this.now + 10);
      effects.push(...this.feed({ kind: 'tick' }));
    }
    return effects;
  }

  // To each role on the only way that there is.

  toCandidate(): this {
    this.wait(this.options.electionTimeoutMs);
    expect(this.role).toBe('candidate');
    return this;
  }

  /** The status round is granted by as many as needed; the round is the first of this scene. */
  toPreparing(): this {
    this.toCandidate();
    for (const peer of this.#others()) {
      if (this.role !== 'candidate') break;
      this.receive(peer, statusReply(1, { chosen: this.replica.chosen }));
    }
    expect(this.role).toBe('preparing');
    return this;
  }

  /** The ballot that this replica is preparing under, before it is primary. */
  get preparing(): Ballot {
    return this.replica.promised;
  }

  /** The others promise and have accepted nothing. */
  toPrimary(): this {
    this.toPreparing();
    this.durable();
    for (const peer of this.#others()) {
      if (this.role !== 'preparing') break;
      const { chosen } = this.replica;
      this.receive(peer, { kind: 'promised', ballot: this.preparing, entries: 0, chosen });
    }
    expect(this.role).toBe('primary');
    this.durable();
    return this;
  }

  /** Hears from a primary that has nothing new to say. */
  toSecondaryOf(primary: MemberNumber, round = 1): this {
    const { chosen } = this.replica;
    this.receive(primary, { kind: 'heartbeat', ballot: b(round, primary), chosen, round: 0 });
    expect(this.role).toBe('secondary');
    return this;
  }

  #others(): MemberNumber[] {
    return (this.replica.configuration?.members ?? [])
      .map((member) => member.number)
      .filter((number) => number !== this.replica.self);
  }
}

/** The contract that `action` breaks. */
export function contractOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ContractViolation) return error.contract;
    throw error;
  }
  return 'none';
}
