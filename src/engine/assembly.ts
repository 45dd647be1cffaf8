/** The pieces of an engine, and what each of them tells the others. When something happens is not said here: the engine has the turn. */

import type { SynodError } from '../errors.js';
import { FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX } from '../limits.js';
import type { Input } from '../protocol/inputs.js';
import { Replica } from '../protocol/replica.js';
import { FrameWriter } from '../wire/codec.js';
import type { ListedMember } from '../wire/configuration-codec.js';
import { CatchUpPace } from './catch-up-pace.js';
import { Checkpoints } from './checkpoints.js';
import { Deliveries } from './deliveries.js';
import { DeliveryWake } from './delivery-wake.js';
import { EffectRunner } from './effect-runner.js';
import { EngineLeadership } from './engine-leadership.js';
import { type EngineParts, leaseOf } from './engine-types.js';
import { FetchServer } from './fetch-server.js';
import { FirstConfiguration } from './first-configuration.js';
import { FrameIntake } from './frame-intake.js';
import { Grants } from './grants.js';
import { GroupFlag } from './group.js';
import { Health } from './health.js';
import { describeSelf } from './hello.js';
import { handshakeTimeoutMs, type Link, Links } from './links.js';
import { beginLog, continuedLog } from './log-ending.js';
import { LogKeeper } from './log-keeper.js';
import { LogReader } from './log-reader.js';
import { LogWriter } from './log-writer.js';
import { MessageSender } from './message-sender.js';
import { peersOf } from './peer-addresses.js';
import { PeerTable } from './peer-table.js';
import { ReadIntake } from './read-intake.js';
import { SegmentRelease } from './segment-release.js';
import { Shutdown } from './shutdown.js';
import { StageTimes } from './stage-times.js';
import { Submitter } from './submitter.js';
import { refusedFor, tooNew, versionInForce, versionsOf } from './versions.js';

/** Own or forwarded commands on their way, per replica. */
const FORWARD_BYTES_MAX = 8 * 1024 * 1024;
const DELIVERY_WINDOW_BYTES = 16 * 1024 * 1024;
/** Longer than from one command to the next where a caller waits for each; short beside what a read on a secondary takes. */
const NOTICE_MS = 1;

/** What the pieces want of the engine that they make up. */
export interface EngineHooks {
  /** It is fenced, or closing. */
  isStopped(): boolean;
  fence(error: SynodError): void;
  /** Whatever `action` throws fences the engine. */
  guard(action: () => void): void;
  tick(): void;
}

export class Assembly {
  readonly #parts: EngineParts;
  readonly #hooks: EngineHooks;
  readonly core: Replica;
  readonly log: LogWriter;
  readonly reader: LogReader;
  readonly links: Links;
  readonly grants: Grants;
  readonly submitter: Submitter;
  readonly deliveries: Deliveries;
  readonly wake: DeliveryWake;
  readonly fetches: FetchServer;
  /** Null where this replica keeps none. */
  readonly checkpoints: Checkpoints | null;
  readonly sender: MessageSender;
  readonly keeper: LogKeeper;
  readonly peers: PeerTable;
  readonly first: FirstConfiguration;
  readonly leadership: EngineLeadership;
  readonly intake: FrameIntake;
  readonly effects: EffectRunner;
  readonly writer: FrameWriter;
  readonly times: StageTimes;
  readonly health: Health;
  readonly shutdown: Shutdown;
  readonly segments: SegmentRelease;
  readonly startNumber: number;
  readonly reads: ReadIntake;

  constructor(parts: EngineParts, hooks: EngineHooks) {
    const { options, recovered, medium, crc32c, bridge } = parts;
    this.#parts = parts;
    this.#hooks = hooks;
    const { electionTimeoutMs, heartbeatMs } = options;
    const self = describeSelf(parts);
    this.startNumber = self.start;
    bridge.session = this.startNumber;
    this.reads = new ReadIntake(bridge);
    this.core = new Replica(
      {
        electionTimeoutMs,
        heartbeatMs,
        noticeMs: NOTICE_MS,
        ...options.limits,
        asksToLead: options.leadership.asksToLead ?? false,
        lease: leaseOf(options),
        versionMax: self.versionMax,
      },
      { id: options.replica, incarnation: self.incarnation },
      recovered.protocol,
      parts.random,
      parts.now(),
    );
    this.writer = new FrameWriter(crc32c);
    const { pipelineDecreesMax } = options.limits;
    this.times = new StageTimes(bridge.statistics, recovered.protocol.chosen, pipelineDecreesMax, parts.now);
    this.log = new LogWriter({
      ...continuedLog(parts),
      startNumber: this.startNumber,
      times: this.times,
      onSegment: (error) => this.#onSegment(error),
      onMemory: (memory) => {
        parts.emit({ kind: 'memory', segment: memory.segment, reference: memory.reference });
        this.keeper.onRolled();
      },
    });
    this.peers = new PeerTable({
      configuration: () => this.core.configuration,
      onUp: (peer, { versionMax }) => this.#onPeer({ kind: 'peer-up', peer, versionMax }),
      onDown: (peer) => this.#onPeer({ kind: 'peer-down', peer }),
    });
    this.sender = new MessageSender({
      writer: this.writer,
      crc32c,
      copy: parts.copy,
      resident: this.log.resident,
      configuration: () => this.core.configuration?.number ?? 0,
    });
    this.keeper = new LogKeeper({
      medium,
      log: this.log,
      recovered,
      logger: parts.logger,
      now: parts.now,
      onFull: (full) => parts.emit({ kind: 'storage-full', full }),
      reclaimTail: () => this.grants.reclaim(false),
      onMemoryGone: (segment) => parts.emit({ kind: 'memory-gone', segment }),
    });
    this.leadership = new EngineLeadership({
      parts,
      core: this.core,
      log: this.log,
      keeper: this.keeper,
      peers: this.peers,
      writer: this.writer,
    });
    this.reader = new LogReader(medium, recovered.state.index, this.log.resident, crc32c, bridge.statistics);
    this.grants = new Grants(bridge, this.log, options.limits.decreeBytesMax);
    this.shutdown = new Shutdown({
      parts,
      log: this.log,
      grants: this.grants,
      checkpoints: () => this.checkpoints,
      chosen: () => this.core.chosen,
      guard: (action) => hooks.guard(action),
    });
    this.submitter = new Submitter({
      log: this.log,
      grants: this.grants,
      writer: this.writer,
      crc32c,
      limits: options.limits,
      forwardBytesMax: FORWARD_BYTES_MAX,
      bridge,
      memory: (memory) => (memory >= 0 ? this.log.resident.get(memory)!.bytes : parts.outbox(-1 - memory)),
      session: () => this.startNumber,
      self: () => this.core.self,
      canPropose: () => this.leadership.canPropose,
      propose: (decree, flags) => {
        this.core.step({ kind: 'propose', decree }, parts.now());
        if ((flags & GroupFlag.last) !== 0) this.leadership.onLastProposed();
        this.effects.carryOut(this.core.takeEffects(this.log.room));
      },
      times: this.times,
    });
    const pace = new CatchUpPace({ core: this.core, parts, holdMsMax: electionTimeoutMs });
    this.deliveries = new Deliveries({
      pace,
      bridge,
      reader: this.reader,
      windowBytes: DELIVERY_WINDOW_BYTES,
      onChunk: (chunk, buffer) => parts.emit({ kind: 'chunk', chunk, buffer }),
      onChunkGone: (chunk) => parts.emit({ kind: 'chunk-gone', chunk }),
      onRead: (error) => {
        if (error !== null) hooks.fence(error);
        else parts.schedule();
      },
      now: parts.now,
    });
    this.wake = new DeliveryWake({
      bridge,
      accepted: () => this.core.accepted,
      isPrimary: () => this.core.role === 'primary',
      ownBatches: this.grants.batches,
      openBytes: () => this.deliveries.openBytes,
      later: parts.later,
      wakeApplication: parts.wakeApplication,
    });
    this.deliveries.next = (recovered.checkpoint?.slot ?? 0) + 1;
    this.checkpoints = this.#makeCheckpoints();
    this.fetches = new FetchServer({
      reader: this.reader,
      send: (link, message) => this.sender.send(link, message),
      isUp: (link) => this.links.isUp(link),
      addMemories: (used) => this.links.addMemories(used),
      onError: (error) => hooks.fence(error),
      onSent: () => parts.schedule(),
    });
    this.effects = new EffectRunner({
      parts,
      log: this.log,
      keeper: this.keeper,
      grants: this.grants,
      submitter: this.submitter,
      peers: this.peers,
      sender: this.sender,
      fetches: this.fetches,
      checkpoints: this.checkpoints,
      leadership: this.leadership,
      times: this.times,
      pace,
      firstConfiguration: () => this.first.genesis,
      onConfiguration: (configuration) => {
        this.setPeers([]);
        this.links.cutOlder(versionInForce(configuration));
      },
      onLater: () => hooks.tick(),
    });
    this.first = new FirstConfiguration({
      parts,
      core: this.core,
      log: this.log,
      sender: this.sender,
      incarnation: self.incarnation,
      links: () => this.links.up,
      record: (payload) => this.effects.recordList(payload),
      onList: () => this.setPeers([]),
    });
    this.links = new Links({
      transport: parts.transport,
      peers: peersOf(options, recovered.protocol.configuration, this.first.list),
      id: options.replica,
      crc32c,
      logger: parts.logger,
      frameBytesMax: FRAME_BYTES_MAX,
      handshakeBytesMax: HANDSHAKE_BYTES_MAX,
      handshakeTimeoutMs: handshakeTimeoutMs(options),
      sendQueueBytesMax: options.limits.sendQueueBytesMax,
      hello: () => ({
        ...self,
        hasGenesis: this.first.genesis !== null,
        version: versionInForce(this.core.configuration),
      }),
      authenticate: parts.authenticate ?? (() => null),
      resolve: parts.resolve ?? null,
      onCongestion: ({ number, congested }) =>
        this.core.step({ kind: 'congestion', peer: number, congested }, parts.now()),
      onUp: (link) => this.#onLinkUp(link),
      onDown: (link) => this.#onLinkDown(link),
      onRefused: (refusal) => hooks.fence(refusedFor(refusal)),
    });
    this.health = new Health({
      id: options.replica,
      ids: () => (this.core.configuration?.members ?? options.members).map(({ id }) => id),
      writer: this.writer,
      links: () => this.links.up,
      board: bridge.statistics,
      times: this.times,
      index: recovered.state.index,
      chosen: () => this.core.chosen,
      applied: () => bridge.applied,
      isFull: () => this.keeper.isFull,
      slowMs: options.electionTimeoutMs,
      now: parts.now,
    });
    this.segments = new SegmentRelease({
      log: this.log,
      keeper: this.keeper,
      grants: this.grants,
      deliveries: this.deliveries,
      reader: this.reader,
      links: this.links,
      open: () => this.core.accepted,
    });
    this.intake = new FrameIntake({
      links: this.links,
      hasRoom: (bytes, records) => this.log.hasRoom(bytes, records),
      decreeBytesMax: options.limits.decreeBytesMax,
      payloadBytesMax: this.log.payloadBytesMax,
      step: (input) => this.core.step(input, parts.now()),
      carryOut: () => this.effects.carryOut(this.core.takeEffects(this.log.room)),
      tooNew: (configuration) => tooNew(configuration, versionsOf(options)),
      onTooNew: (error) => hooks.fence(error),
      onGenesis: (configuration) => this.first.admits(configuration),
      onListFrame: (link, kind, payload) => this.first.onFrame(link, kind, payload),
      onForward: (batch) => void this.submitter.forwarded.push(batch),
      onCheckpointFrame: (link, frame) => this.checkpoints?.onFrame(link, frame),
      onCookie: (link, frame) => this.leadership.votes.onCookie(link, frame),
      onReport: (link, frame) => this.health.onReport(link, frame),
      onHeartbeatReply: (link, round) => this.times.onHeartbeatReply(link.number, round),
      isPrimary: () => this.core.role === 'primary',
      now: parts.now,
    });
  }

  #onLinkUp(link: Link): void {
    this.peers.add(link);
    this.#parts.emit({ kind: 'peer', id: link.peer!.id, connected: true });
    this.first.onLinkUp(link);
  }

  #onLinkDown(link: Link): void {
    this.fetches.onDown(link);
    this.first.onLinkDown(link);
    this.checkpoints?.onDown(link);
    this.peers.remove(link);
    if (link.peer !== null) this.#parts.emit({ kind: 'peer', id: link.peer.id, connected: false });
  }

  #onPeer(input: Extract<Input, { kind: 'peer-up' | 'peer-down' }>): void {
    // What was on its way to the primary may be lost with the link.
    if (input.peer === this.effects.primary) this.submitter.restart();
    this.leadership.votes.onPeer(input.kind, input.peer);
    this.core.step(input, this.#parts.now());
  }

  #makeCheckpoints(): Checkpoints | null {
    const { checkpoints, now } = this.#parts;
    if (checkpoints == null) return null;
    return new Checkpoints({
      ...checkpoints,
      parts: this.#parts,
      log: this.log,
      reader: this.reader,
      writer: this.writer,
      chosen: () => this.core.chosen,
      isUp: (link) => this.links.isUp(link),
      links: () => this.links.up,
      primary: () => this.peers.idOf(this.core.primary),
      onProgress: (link) => this.core.step({ kind: 'catching-up', peer: link.number }, now()),
      onLost: () => this.core.step({ kind: 'copy-lost' }, now()),
      onInstalled: ({ slot, configuration, promised }) =>
        this.#hooks.guard(() => {
          if (this.#hooks.isStopped() || slot <= this.core.chosen) return;
          this.core.step({ kind: 'installed', slot, configuration, promised }, now());
          this.deliveries.jump(slot);
          this.effects.carryOut(this.core.takeEffects(this.log.room));
        }),
    });
  }

  /** Whom to link to: the members, and whoever is to be one. */
  setPeers(wanted: readonly ListedMember[]): void {
    const { options } = this.#parts;
    this.links.setPeers(peersOf(options, this.core.configuration, [...this.first.list, ...wanted]));
  }

  /** The first segment opens the log; the others are made ahead. */
  #onSegment(error: SynodError | null): void {
    if (this.#hooks.isStopped()) return;
    if (error !== null && error.code !== 'ERR_SYNOD_STORAGE_FULL') {
      this.#hooks.fence(error);
      return;
    }
    this.keeper.onSegment(error);
    if (error === null && this.log.segment === -1) {
      this.#hooks.guard(() => beginLog(this.log, this.startNumber, this.core.chosen));
    }
    this.#parts.schedule();
  }
}
