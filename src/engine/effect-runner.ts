/** Carries out what the protocol decided: records, messages, and what the application is told. */

import { unreachable } from '../contracts.js';
import { RecordKind } from '../log/format.js';
import type { Ballot, MemberNumber } from '../protocol/ballot.js';
import { formatBallot } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import type { DecreeReference } from '../protocol/decree.js';
import type { Effect, Role } from '../protocol/effects.js';
import type { PeerNumber } from '../protocol/inputs.js';
import { encodeConfiguration } from '../wire/configuration-codec.js';
import { appendRecord, isInPlace } from './append-record.js';
import type { CatchUpPace } from './catch-up-pace.js';
import type { Checkpoints } from './checkpoints.js';
import type { EngineLeadership } from './engine-leadership.js';
import type { EngineParts } from './engine-types.js';
import type { FetchServer } from './fetch-server.js';
import type { Grants } from './grants.js';
import { LaterStep } from './later-step.js';
import type { LogKeeper } from './log-keeper.js';
import type { LogWriter } from './log-writer.js';
import type { MessageSender } from './message-sender.js';
import type { PeerTable } from './peer-table.js';
import { HeapPlace, isFrame } from './places.js';
import type { StageTimes } from './stage-times.js';
import type { Submitter } from './submitter.js';

export interface EffectRunnerOptions {
  readonly parts: EngineParts;
  readonly log: LogWriter;
  readonly keeper: LogKeeper;
  readonly grants: Grants;
  readonly submitter: Submitter;
  readonly peers: PeerTable;
  readonly sender: MessageSender;
  readonly fetches: FetchServer;
  readonly checkpoints: Checkpoints | null;
  readonly leadership: EngineLeadership;
  readonly times: StageTimes;
  readonly pace: CatchUpPace;
  readonly firstConfiguration: () => Configuration | null;
  /** A step that the protocol wanted is due. */
  readonly onLater: () => void;
  /** It is in force from here on. */
  readonly onConfiguration: (configuration: Configuration) => void;
}

export class EffectRunner {
  readonly #options: EffectRunnerOptions;
  readonly #laterStep: LaterStep;
  /** Whose fetches were answered in this turn. */
  readonly #served: Set<PeerNumber> = new Set();
  #role: Role = 'inactive';
  #primary: MemberNumber = 0;
  #ballot: Ballot = 0;

  constructor(options: EffectRunnerOptions) {
    this.#options = options;
    const { now, later } = options.parts;
    this.#laterStep = new LaterStep({ now, later, onDue: options.onLater });
  }

  /** As the protocol told last. */
  get primary(): MemberNumber {
    return this.#primary;
  }

  endTurn(): void {
    this.#served.clear();
  }

  /** In order. */
  carryOut(effects: readonly Effect[]): void {
    const { parts, log, peers, sender, leadership, times } = this.#options;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'append':
          this.#append(effect);
          break;
        case 'send': {
          const { message } = effect;
          if (message.kind === 'fetch') {
            this.#fetch(effect);
            break;
          }
          const link = peers.link(effect.to);
          if (link === undefined) break;
          if (message.kind === 'heartbeat') times.onHeartbeat(effect.to, message.round);
          sender.send(link, message, effect.configuration);
          break;
        }
        case 'retain':
          this.#retain(effect.decree);
          break;
        case 'chosen':
          log.chosen = effect.through;
          parts.bridge.chosen = effect.through;
          times.onChosen(effect.through);
          break;
        case 'serve-fetch':
          this.#serve(effect);
          break;
        case 'leadership-refused':
          leadership.onRefused(effect.request, effect.reason);
          break;
        case 'ask-to-lead':
          leadership.onAskToLead(effect.request);
          break;
        case 'step-later':
          this.#laterStep.want(effect.afterMs);
          break;
        case 'read-slot':
          parts.bridge.answerReads(effect.read, effect.slot, effect.isLease ? 'lease-read' : 'read');
          if (parts.bridge.takeApplicationAsleep()) parts.wakeApplication();
          break;
        case 'status':
          this.#onStatus(effect.role, effect.primary, effect.ballot);
          break;
        case 'configuration':
          this.#onConfiguration(effect.configuration, effect.self);
          break;
        case 'change-settled':
          parts.emit({ kind: 'change-settled', request: effect.request, outcome: effect.outcome });
          break;
        default:
          unreachable(effect);
      }
    }
  }

  #fetch({ to, message, configuration }: Extract<Effect, { kind: 'send' }>): void {
    const { pace, peers, sender } = this.#options;
    pace.ask(() => {
      const link = peers.link(to);
      if (link !== undefined) sender.send(link, message, configuration);
    });
  }

  /**
   * Not to who does not read: whoever catches up asks again, or another one. Of many small requests in one turn one is answered: the others
   * would be before it shows that nothing is read, and everybody would wait meanwhile.
   */
  #serve({ to, from, through, bytesMax }: Extract<Effect, { kind: 'serve-fetch' }>): void {
    const { parts, peers, fetches, checkpoints } = this.#options;
    const { fetchBytesMax, sendQueueBytesMax } = parts.options.limits;
    const link = peers.link(to);
    if (link === undefined || link.connection.queuedBytes > sendQueueBytesMax || this.#served.has(to)) return;
    this.#served.add(to);
    if (checkpoints?.offer(link, from)) return;
    fetches.serve(link, from, through, Math.min(bytesMax, fetchBytesMax));
  }

  #append({ record, write }: Extract<Effect, { kind: 'append' }>): void {
    const { parts, log, keeper, grants, times } = this.#options;
    if (record.kind === 'accept' && this.#role === 'primary') times.onProposed(record.slot);
    // The tail may be lent to the application: its memory is taken back first, at once if it must be.
    if (!isInPlace(record) && !grants.reclaim(false)) grants.revoke();
    appendRecord(log, record, write, parts.crc32c);
    keeper.onAppended();
  }

  /** The record of the list that the first configuration is to be drawn up for; yields its sequence. */
  recordList(payload: Uint8Array): number {
    const { log, keeper, grants } = this.#options;
    if (!grants.reclaim(false)) grants.revoke();
    log.append(RecordKind.list, 0, 0, 0, payload);
    keeper.onAppended();
    return log.sequence;
  }

  #retain(decree: DecreeReference): void {
    if (isFrame(decree.source)) decree.source = new HeapPlace([this.#options.sender.join(decree.source)]);
  }

  #onStatus(role: Role, primary: MemberNumber, ballot: Ballot): void {
    const { parts, grants, submitter, peers, leadership } = this.#options;
    const moved =
      primary !== this.#primary ||
      ballot !== this.#ballot ||
      (role === 'primary') !== (this.#role === 'primary');
    if (role === 'primary' && this.#role !== 'primary') this.#options.times.onPrimary();
    this.#role = role;
    this.#primary = primary;
    this.#ballot = ballot;
    if (role !== 'primary') {
      grants.revoke();
      submitter.forwarded.length = 0;
    }
    if (moved) submitter.restart();
    const id = peers.idOf(primary);
    parts.logger.info({ role, primary: id, ballot: formatBallot(ballot) }, 'role');
    leadership.onStatus(role, primary, ballot);
  }

  #onConfiguration(configuration: Configuration, self: MemberNumber): void {
    const { parts, peers, onConfiguration } = this.#options;
    // Who was taken out still knows its own commands among those that are executed later.
    if (self !== 0) parts.bridge.self = self;
    const first = this.#options.firstConfiguration();
    if (first !== null) parts.emit({ kind: 'first-configuration', bytes: encodeConfiguration(first) });
    parts.logger.info(
      { configuration: configuration.number, self, members: configuration.members },
      'configuration',
    );
    const recovered = parts.recovered.protocol.configuration?.number ?? 0;
    parts.emit({ kind: 'configuration', bytes: encodeConfiguration(configuration), recovered });
    peers.renumber();
    onConfiguration(configuration);
  }
}
