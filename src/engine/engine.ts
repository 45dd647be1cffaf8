/**
 * The engine: drains inputs, steps the protocol, carries out its effects, once per turn. Runs in a worker thread or
 * inline; knows neither. All callbacks, no promises: whoever provides time, medium and transport decides every order.
 */

import type { Crc32c } from '../checksum.js';
import { ContractViolation, unreachable } from '../contracts.js';
import { SynodError } from '../errors.js';
import { FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX, type Limits } from '../limits.js';
import { RecordKind } from '../log/format.js';
import type { Logger } from '../logger.js';
import type { Ballot, MemberNumber } from '../protocol/ballot.js';
import { formatBallot, MEMBER_NUMBER_MAX } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import { genesisConfiguration, memberById, memberByNumber } from '../protocol/configuration.js';
import type { DecreeReference } from '../protocol/decree.js';
import type { Effect, Role } from '../protocol/effects.js';
import type { Message } from '../protocol/messages.js';
import { Replica } from '../protocol/replica.js';
import type { LogMedium, SegmentMemoryReference } from '../storage/log-medium.js';
import type { Address, Connection, Transport } from '../transport/transport.js';
import { decodeForward, decodeMessage, FrameWriter } from '../wire/codec.js';
import { encodeConfiguration } from '../wire/configuration-codec.js';
import type { Frame } from '../wire/frame.js';
import { FrameError, FrameKind } from '../wire/frame.js';
import type { Bridge } from './bridge.js';
import { Deliveries } from './deliveries.js';
import { FetchServer } from './fetch-server.js';
import { Grants } from './grants.js';
import type { Hello } from './hello.js';
import type { Link } from './links.js';
import { Links } from './links.js';
import { LogReader } from './log-reader.js';
import { type CopyBytes, LogWriter } from './log-writer.js';
import { HeapPlace, isFrame, LogPlace, TailPlace } from './places.js';
import type { RecoveredLog } from './recover.js';
import { Submitter } from './submitter.js';

/** What the engine tells the application's side, beside what goes over the bridge. */
export type EngineEvent =
  | { readonly kind: 'memory'; readonly segment: number; readonly reference: SegmentMemoryReference }
  | { readonly kind: 'memory-gone'; readonly segment: number }
  | { readonly kind: 'chunk'; readonly chunk: number; readonly buffer: SharedArrayBuffer }
  | { readonly kind: 'chunk-gone'; readonly chunk: number }
  | {
      readonly kind: 'role';
      readonly role: Role;
      /** Id of the primary, or null. */
      readonly primary: string | null;
      readonly ballot: string;
    }
  | { readonly kind: 'peer'; readonly id: string; readonly connected: boolean }
  | { readonly kind: 'storage-full'; readonly full: boolean }
  | { readonly kind: 'fenced'; readonly error: SynodError };

export interface EngineStatus {
  readonly role: Role;
  readonly primary: string | null;
  readonly ballot: string;
  readonly configuration: number;
  readonly chosen: number;
  readonly storage: { readonly kind: string; readonly reason: string; readonly durable: boolean };
  readonly transport: { readonly kind: string; readonly reason: string };
  readonly peers: readonly {
    readonly id: string;
    readonly connected: boolean;
    readonly lag: number | null;
  }[];
  readonly bytesCopied: number;
  readonly bytesLogged: number;
  readonly persists: number;
}

export interface EngineOptions {
  readonly cluster: string;
  readonly replica: string;
  readonly members: readonly { readonly id: string; readonly address: Address }[];
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly limits: Limits;
}

export interface EngineParts {
  readonly options: EngineOptions;
  readonly medium: LogMedium;
  readonly transport: Transport;
  readonly bridge: Bridge;
  readonly recovered: RecoveredLog;
  readonly diskIncarnation: Uint8Array;
  readonly logger: Logger;
  readonly crc32c: Crc32c;
  readonly copy: CopyBytes;
  /** Bytes copied by `copy` so far. */
  readonly bytesCopied: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly random: () => number;
  readonly drawNonce: () => readonly [number, number];
  /** Calls `turn` soon, on this thread. */
  readonly schedule: () => void;
  /** Wakes the application. */
  readonly wakeApplication: () => void;
  readonly emit: (event: EngineEvent) => void;
  /** Memory of an outbox chunk of the application. */
  readonly outbox: (chunk: number) => Uint8Array;
}

/** The protocol's number for a peer that is no member: above all members' numbers. */
const OUTSIDERS = MEMBER_NUMBER_MAX + 1;
/** Own or forwarded commands on their way, per replica. */
const FORWARD_BYTES_MAX = 8 * 1024 * 1024;
const DELIVERY_WINDOW_BYTES = 16 * 1024 * 1024;
/** An idle log tells after this long, in a record, what was chosen since the last one. */
const MARK_AFTER_MS = 100;
const STORAGE_RETRY_MS = 500;
const SLOW_READER_MS = 10_000;

export class Engine {
  readonly #parts: EngineParts;
  readonly #core: Replica;
  readonly #log: LogWriter;
  readonly #reader: LogReader;
  readonly #links: Links;
  readonly #grants: Grants;
  readonly #submitter: Submitter;
  readonly #deliveries: Deliveries;
  readonly #fetches: FetchServer;
  readonly #writer: FrameWriter;
  readonly #incarnation: string;
  readonly #startNumber: number;
  readonly #byNumber: Map<number, Link> = new Map();
  #genesis: Configuration | null;
  #fenced: SynodError | null = null;
  #closing = false;
  #inTurn = false;
  #durableWrite = -1;
  /** Payload bytes and records that frames of this turn may append. */
  #plannedBytes = 0;
  #plannedRecords = 0;
  #role: Role = 'inactive';
  #primary: MemberNumber = 0;
  #ballot: Ballot = 0;
  #storageFull = false;
  #storageRetryAt = 0;
  #lastAppendAt = 0;
  #ready: (() => void) | null = null;
  #startWritten = false;

  constructor(parts: EngineParts) {
    const { options, recovered, medium, crc32c, bridge } = parts;
    this.#parts = parts;
    this.#genesis = recovered.genesis;
    this.#incarnation = [...parts.diskIncarnation].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    this.#startNumber = recovered.state.startNumber + 1;
    bridge.session = this.#startNumber;
    this.#core = new Replica(
      {
        electionTimeoutMs: options.electionTimeoutMs,
        heartbeatMs: options.heartbeatMs,
        pipelineDecreesMax: options.limits.pipelineDecreesMax,
        pipelineBytesMax: options.limits.pipelineBytesMax,
        fetchBytesMax: options.limits.fetchBytesMax,
      },
      { id: options.replica, incarnation: this.#incarnation },
      recovered.protocol,
      parts.random,
      parts.now(),
    );
    this.#writer = new FrameWriter(crc32c);
    this.#log = new LogWriter({
      medium,
      index: recovered.state.index,
      crc32c,
      copy: parts.copy,
      cluster: options.cluster,
      replica: options.replica,
      diskIncarnation: parts.diskIncarnation,
      startNumber: this.#startNumber,
      nextSegment: recovered.verdict.nextSegment,
      nextSequence: recovered.verdict.nextSequence,
      chain: recovered.verdict.chain,
      promised: recovered.protocol.promised,
      chosen: recovered.protocol.chosen,
      drawNonce: parts.drawNonce,
      now: () => 0,
      onSegment: (error) => this.#onSegment(error),
      onMemory: (memory) =>
        parts.emit({ kind: 'memory', segment: memory.segment, reference: memory.reference }),
    });
    this.#reader = new LogReader(medium, recovered.state.index, this.#log.resident, crc32c);
    this.#grants = new Grants(bridge, this.#log, options.limits.decreeBytesMax);
    this.#submitter = new Submitter({
      log: this.#log,
      grants: this.#grants,
      writer: this.#writer,
      crc32c,
      decreeBytesMax: options.limits.decreeBytesMax,
      forwardBytesMax: FORWARD_BYTES_MAX,
      bridge,
      memory: (memory) => (memory >= 0 ? this.#log.resident.get(memory)!.bytes : parts.outbox(-1 - memory)),
      session: () => this.#startNumber,
      self: () => this.#core.self,
      canPropose: () => this.#core.canPropose,
      propose: (decree) => {
        this.#core.step({ kind: 'propose', decree }, parts.now());
        this.#carryOut(this.#core.takeEffects());
      },
    });
    this.#deliveries = new Deliveries({
      bridge,
      reader: this.#reader,
      windowBytes: DELIVERY_WINDOW_BYTES,
      onChunk: (chunk, buffer) => parts.emit({ kind: 'chunk', chunk, buffer }),
      onChunkGone: (chunk) => parts.emit({ kind: 'chunk-gone', chunk }),
      onRead: (error) => {
        if (error !== null) this.fence(error);
        else parts.schedule();
      },
    });
    this.#fetches = new FetchServer({
      reader: this.#reader,
      send: (link, message) => this.#sendOn(link, message),
      isUp: (link) => this.#links.up.get(link.peer?.id ?? '') === link,
      onError: (error) => this.fence(error),
      onSent: () => parts.schedule(),
    });
    const frameBytesMax = FRAME_BYTES_MAX;
    this.#links = new Links({
      transport: parts.transport,
      peers: options.members
        .filter((member) => member.id !== options.replica)
        .map(({ id, address }) => ({ id, address })),
      id: options.replica,
      crc32c,
      logger: parts.logger,
      frameBytesMax,
      handshakeBytesMax: HANDSHAKE_BYTES_MAX,
      handshakeTimeoutMs: Math.max(1000, options.electionTimeoutMs * 4),
      hello: () => this.#hello(),
      onUp: (link) => this.#onLinkUp(link),
      onDown: (link) => this.#onLinkDown(link),
    });
  }

  get isFenced(): boolean {
    return this.#fenced !== null;
  }

  /** Begins: `ready` is called once the log can be written to. */
  start(ready: () => void): void {
    this.#ready = ready;
    this.#log.prepareStandby();
  }

  // Callbacks of medium and transport. They only note what happened; the turn deals with it.

  onPersisted(ticket: number): void {
    const write = this.#log.onPersisted(ticket);
    if (write > this.#durableWrite) this.#durableWrite = write;
    if (!this.#inTurn) this.#parts.schedule();
  }

  onConnection(connection: Connection): void {
    if (this.#closing || this.#fenced !== null) connection.close('this replica is closing');
    else this.#links.onConnection(connection);
  }

  onConnectFailed(token: number, error: SynodError): void {
    this.#links.onConnectFailed(token, error);
  }

  onReceived(connection: Connection, bytes: Uint8Array, start: number, end: number, lease: number): void {
    (connection.context as Link).reader.push(bytes, start, end, lease);
    this.#received.add(connection.context as Link);
  }

  onPayloadsSent(connection: Connection, count: number): void {
    (connection.context as Link | null)?.sending.splice(0, count);
  }

  onClosed(connection: Connection, reason: string): void {
    const link = connection.context as Link | null;
    if (link != null) this.#received.delete(link);
    this.#guard(() => this.#links.onClosed(connection, reason));
    if (!this.#inTurn) this.#parts.schedule();
  }

  readonly #received: Set<Link> = new Set();

  /** Time has passed. */
  tick(): void {
    if (this.#closing || this.#fenced !== null) return;
    this.#guard(() => {
      const now = this.#parts.now();
      this.#core.step({ kind: 'tick' }, now);
      this.#links.tick(now);
      this.#checkStorage(now);
      this.#checkCongestion(now);
      this.#mark(now);
    });
    this.turn();
  }

  /** One turn: everything that has happened is dealt with, and everything that is due goes out. */
  turn(): void {
    if (this.#inTurn || this.#fenced !== null || this.#closing) return;
    this.#inTurn = true;
    const { bridge, transport, now } = this.#parts;
    bridge.setEngineAsleep(false);
    this.#guard(() => {
      this.#takeDurable();
      this.#readFrames();
      this.#carryOut(this.#core.takeEffects());
      this.#settle();
      this.#submit(now());
      // A medium whose writes are synchronous reports them from inside `flush`, and what became chosen goes out at once.
      for (let round = 0; round < 4; round += 1) {
        this.#log.flush();
        if (!this.#takeDurable()) break;
        this.#carryOut(this.#core.takeEffects());
        this.#submit(now());
      }
      if (this.#deliveries.advance(this.#core.chosen) && bridge.takeApplicationAsleep())
        this.#parts.wakeApplication();
      this.#releaseSegments();
    });
    transport.flush();
    for (const link of this.#links.up.values()) link.reader.releaseSpent();
    this.#inTurn = false;
    bridge.setEngineAsleep(true);
    // The application looked before this thread said that it sleeps: nobody would wake it.
    if (this.#fenced === null && this.#hasWork() && bridge.takeEngineAsleep()) this.#parts.schedule();
  }

  /** Stops for good: nothing is acknowledged, sent or written any more. The process lives on. */
  fence(error: SynodError): void {
    if (this.#fenced !== null) return;
    this.#fenced = error;
    this.#parts.logger.fatal({ error }, 'replica fenced');
    this.#parts.transport.close(() => {});
    this.#parts.emit({ kind: 'fenced', error });
  }

  close(callback: () => void): void {
    if (this.#closing) {
      callback();
      return;
    }
    if (this.#fenced === null && this.#startWritten) {
      this.#guard(() => {
        this.#grants.revoke();
        // Everything before it is then known to have been durable: a damage to it is no torn tail.
        if (this.#log.hasRoom(0)) this.#log.append(RecordKind.mark, 0, 0, this.#core.chosen, null);
        this.#log.flush();
      });
    }
    this.#closing = true;
    this.#parts.transport.close(() => this.#parts.medium.close(() => callback()));
  }

  status(): EngineStatus {
    const { medium, transport, options, bytesCopied, bridge } = this.#parts;
    const core = this.#core;
    return {
      role: core.role,
      primary: this.#idOf(core.primary),
      ballot: formatBallot(core.ballot),
      configuration: core.configuration?.number ?? 0,
      chosen: core.chosen,
      storage: { kind: medium.kind, reason: medium.reason, durable: medium.durable },
      transport: { kind: transport.kind, reason: transport.reason },
      peers: options.members
        .filter((member) => member.id !== options.replica)
        .map(({ id }) => {
          const link = this.#links.up.get(id);
          const behind =
            core.role === 'primary' && link !== undefined ? core.chosen - core.acceptedBy(link.number) : null;
          return { id, connected: link !== undefined, lag: behind === null ? null : Math.max(0, behind) };
        }),
      bytesCopied: bytesCopied() + bridge.bytesCopied,
      bytesLogged: this.#log.bytesLogged,
      persists: this.#log.persists,
    };
  }

  // Inputs.

  #takeDurable(): boolean {
    const write = this.#durableWrite;
    if (write < 0) return false;
    this.#durableWrite = -1;
    if (write > 0) this.#core.step({ kind: 'durable', write }, this.#parts.now());
    if (!this.#startWritten) {
      this.#startWritten = true;
      this.#dropUnused();
      this.#ready?.();
    }
    return true;
  }

  #readFrames(): void {
    if (this.#received.size === 0) return;
    this.#plannedBytes = 0;
    this.#plannedRecords = 2;
    for (const link of this.#received) {
      // Before the log can be written to, and while it has no room, frames wait in their receive buffers.
      for (;;) {
        if (!this.#startWritten && link.peer !== null) return;
        if (
          !this.#log.hasRoom(
            this.#plannedBytes + this.#parts.options.limits.decreeBytesMax,
            this.#plannedRecords,
          )
        ) {
          if (this.#plannedRecords === 2) return;
          this.#carryOut(this.#core.takeEffects());
          this.#plannedBytes = 0;
          this.#plannedRecords = 2;
          continue;
        }
        const frame = this.#links.nextFrame(link);
        if (frame === null) break;
        this.#onFrame(link, frame);
      }
      this.#received.delete(link);
      if (link.peer === null) link.reader.releaseSpent();
    }
  }

  #onFrame(link: Link, frame: Frame): void {
    try {
      if (frame.kind === FrameKind.forward) {
        this.#onForward(link, frame);
        return;
      }
      const message = decodeMessage(frame);
      this.#plannedBytes += frame.payloadBytes;
      this.#plannedRecords += 1;
      if (message.kind === 'genesis') this.#genesis ??= message.configuration;
      this.#core.step(
        { kind: 'message', from: link.number, configuration: frame.configuration, message },
        this.#parts.now(),
      );
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#links.refuseFrame(link, error);
    }
  }

  #onForward(link: Link, frame: Frame): void {
    const { session, first, count } = decodeForward(frame);
    if (this.#core.role !== 'primary' || link.number > MEMBER_NUMBER_MAX) return;
    let { payload } = frame;
    if (!this.#core.canPropose || this.#submitter.forwarded.length > 0) {
      // It has to wait, and the receive buffers are needed: how much a peer may have on its way is bounded.
      payload = [{ bytes: this.#join(frame), start: 0, end: frame.payloadBytes }];
    }
    const bytes = frame.payloadBytes;
    this.#submitter.forwarded.push({
      origin: link.number,
      session,
      first,
      count,
      pieces: payload,
      bytes,
      at: this.#parts.now(),
    });
  }

  #submit(now: number): void {
    if (!this.#startWritten) return;
    const { role } = this.#core;
    if (role === 'primary') this.#submitter.propose(now);
    else {
      const link = this.#byNumber.get(this.#core.primary);
      if (this.#core.primary !== 0 && link !== undefined && this.#core.self !== 0)
        this.#submitter.forward(link);
      this.#submitter.forwarded.length = 0;
    }
    // What could not be proposed now must not stay in the receive buffers, which are given back at the end of the turn.
    const { forwarded } = this.#submitter;
    for (let index = 0; index < forwarded.length; index += 1) {
      const batch = forwarded[index]!;
      if (batch.pieces.length === 1 && batch.pieces[0]!.bytes.byteLength === batch.bytes) continue;
      forwarded[index] = {
        ...batch,
        pieces: [
          {
            bytes: this.#join({ payload: batch.pieces, payloadBytes: batch.bytes }),
            start: 0,
            end: batch.bytes,
          },
        ],
      };
    }
  }

  #settle(): void {
    const { batches } = this.#grants;
    if (batches.length === 0) return;
    const count = batches.length;
    const resolved = this.#parts.bridge.resolved;
    let bytes = 0;
    for (const batch of batches) {
      if (batch.first + batch.count - 1 > resolved) break;
      bytes += batch.bytes;
    }
    this.#grants.settle(resolved);
    this.#submitter.settle(count - batches.length, bytes);
  }

  #hasWork(): boolean {
    if (this.#durableWrite >= 0) return true;
    if (this.#core.role === 'primary')
      return (
        this.#core.canPropose &&
        this.#submitter.hasWork &&
        this.#log.hasRoom(this.#parts.options.limits.decreeBytesMax)
      );
    return this.#grants.hasReady && this.#core.primary !== 0;
  }

  // Effects.

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'append':
          this.#append(effect);
          break;
        case 'send': {
          const link = this.#byNumber.get(effect.to);
          if (link !== undefined) this.#sendOn(link, effect.message);
          break;
        }
        case 'retain':
          this.#retain(effect.decree);
          break;
        case 'chosen':
          this.#log.chosen = effect.through;
          this.#parts.bridge.chosen = effect.through;
          break;
        case 'serve-fetch': {
          const link = this.#byNumber.get(effect.to);
          if (link !== undefined) this.#fetches.serve(link, effect.from, effect.through, effect.bytesMax);
          break;
        }
        case 'status':
          this.#onStatus(effect.role, effect.primary, effect.ballot);
          break;
        case 'configuration':
          this.#onConfiguration(effect.configuration, effect.self);
          break;
        default:
          unreachable(effect);
      }
    }
  }

  #append({ record, write }: Extract<Effect, { kind: 'append' }>): void {
    const inPlace = (record.kind === 'accept' || record.kind === 'learn') && isAtTail(record.decree);
    // The tail may be lent to the application: its memory is taken back first, at once if it must be.
    if (!inPlace && !this.#grants.reclaim(false)) this.#grants.revoke();
    this.#lastAppendAt = this.#parts.now();
    switch (record.kind) {
      case 'promise':
        this.#log.promised = Math.max(this.#log.promised, record.ballot);
        this.#log.append(RecordKind.promise, write, record.ballot, 0, null);
        break;
      case 'accept':
      case 'learn': {
        const { decree } = record;
        if (decree.configuration !== null && decree.source === null) {
          const payload = encodeConfiguration(decree.configuration);
          decree.bytes = payload.length;
          decree.checksum = this.#parts.crc32c(payload, 0, payload.length, 0);
          decree.source = new HeapPlace([payload]);
        }
        if (record.kind === 'accept') this.#log.promised = Math.max(this.#log.promised, record.ballot);
        const kind = record.kind === 'accept' ? RecordKind.accept : RecordKind.learn;
        this.#log.appendDecree(kind, write, record.ballot, record.slot, decree);
        break;
      }
      case 'genesis':
        this.#log.append(RecordKind.genesis, write, 0, 0, encodeConfiguration(record.configuration));
        break;
      default:
        unreachable(record);
    }
    if (!this.#log.hasStandby && !this.#storageFull) this.#log.prepareStandby();
  }

  #sendOn(link: Link, message: Message): void {
    const { connection } = link;
    const configuration = this.#core.configuration?.number ?? 0;
    const writer = this.#writer;
    switch (message.kind) {
      case 'accept':
      case 'promise-entry':
      case 'learn': {
        const { bytes, checksum, source } = message.decree;
        const headerBytes = writer.message(message, configuration, bytes, checksum);
        if (bytes === 0) {
          connection.send(writer.bytes, headerBytes);
        } else if (source instanceof LogPlace) {
          link.sending.push(source.segment);
          const memory = this.#log.resident.get(source.segment)!;
          connection.send(writer.bytes, headerBytes, memory.bytes, source.offset, source.offset + bytes);
        } else {
          const payload = this.#join(source);
          link.sending.push(-1);
          connection.send(writer.bytes, headerBytes, payload, 0, payload.length);
        }
        return;
      }
      case 'genesis':
        this.#sendBytes(link, message, encodeConfiguration(message.configuration));
        return;
      case 'join':
        this.#sendBytes(link, message, new TextEncoder().encode(`${message.id} ${message.incarnation}`));
        return;
      default:
        connection.send(writer.bytes, writer.message(message, configuration, 0, 0));
    }
  }

  #sendBytes(link: Link, message: Message, payload: Uint8Array): void {
    const checksum = this.#parts.crc32c(payload, 0, payload.length, 0);
    const headerBytes = this.#writer.message(
      message,
      this.#core.configuration?.number ?? 0,
      payload.length,
      checksum,
    );
    link.sending.push(-1);
    link.connection.send(this.#writer.bytes, headerBytes, payload, 0, payload.length);
  }

  #retain(decree: DecreeReference): void {
    if (isFrame(decree.source)) decree.source = new HeapPlace([this.#join(decree.source)]);
  }

  /** The payload in one piece of heap memory. */
  #join(source: unknown): Uint8Array {
    if (source instanceof HeapPlace && source.parts.length === 1) return source.parts[0]!;
    const parts: readonly { bytes: Uint8Array; start: number; end: number }[] =
      source instanceof HeapPlace
        ? source.parts.map((bytes) => ({ bytes, start: 0, end: bytes.length }))
        : (source as Pick<Frame, 'payload'>).payload;
    const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.end - part.start, 0));
    let at = 0;
    for (const { bytes, start, end } of parts) {
      this.#parts.copy(joined, at, bytes, start, end);
      at += end - start;
    }
    return joined;
  }

  #onStatus(role: Role, primary: MemberNumber, ballot: Ballot): void {
    const moved =
      primary !== this.#primary ||
      ballot !== this.#ballot ||
      (role === 'primary') !== (this.#role === 'primary');
    this.#role = role;
    this.#primary = primary;
    this.#ballot = ballot;
    if (role !== 'primary') {
      this.#grants.revoke();
      this.#submitter.forwarded.length = 0;
    }
    if (moved) this.#submitter.restart();
    const id = this.#idOf(primary);
    this.#parts.logger.info({ role, primary: id, ballot: formatBallot(ballot) }, 'role');
    this.#parts.emit({ kind: 'role', role, primary: id, ballot: formatBallot(ballot) });
  }

  #onConfiguration(configuration: Configuration, self: MemberNumber): void {
    this.#parts.bridge.self = self;
    this.#parts.logger.info(
      { configuration: configuration.number, self, members: configuration.members },
      'configuration',
    );
    for (const link of [...this.#byNumber.values()]) {
      const number = this.#numberOf(link);
      if (number === link.number) continue;
      this.#unlink(link);
      this.#link(link, number);
    }
  }

  // Peers.

  #hello(): Hello {
    return {
      cluster: this.#parts.options.cluster,
      id: this.#parts.options.replica,
      incarnation: this.#incarnation,
      start: this.#startNumber,
      sequence: this.#parts.recovered.verdict.nextSequence - 1,
      hasGenesis: this.#genesis !== null,
      durable: this.#parts.medium.durable,
    };
  }

  #numberOf(link: Link): number {
    const { id, incarnation } = link.peer!;
    const member = this.#core.configuration === null ? undefined : memberById(this.#core.configuration, id);
    if (member !== undefined && member.incarnation === incarnation) return member.number;
    return OUTSIDERS + this.#parts.options.members.findIndex((one) => one.id === id);
  }

  #onLinkUp(link: Link): void {
    this.#link(link, this.#numberOf(link));
    this.#parts.emit({ kind: 'peer', id: link.peer!.id, connected: true });
    if (this.#genesis !== null && !link.peer!.hasGenesis) {
      this.#sendOn(link, { kind: 'genesis', configuration: this.#genesis });
    }
    this.#drawUpGenesis();
  }

  #onLinkDown(link: Link): void {
    this.#fetches.onDown(link);
    if (this.#byNumber.get(link.number) === link) this.#unlink(link);
    if (link.peer !== null) this.#parts.emit({ kind: 'peer', id: link.peer.id, connected: false });
  }

  #link(link: Link, number: number): void {
    link.number = number;
    this.#byNumber.set(number, link);
    if (number === this.#primary) this.#submitter.restart();
    this.#core.step({ kind: 'peer-up', peer: number }, this.#parts.now());
  }

  #unlink(link: Link): void {
    this.#byNumber.delete(link.number);
    if (link.number === this.#primary) this.#submitter.restart();
    this.#core.step({ kind: 'peer-down', peer: link.number }, this.#parts.now());
  }

  /**
   * The replica with the least id draws up the first configuration, once it has met every member, each with its disk,
   * and none knows one already (docs/protocol.md, "The first configuration").
   */
  #drawUpGenesis(): void {
    const { options } = this.#parts;
    if (this.#genesis !== null || !this.#startWritten) return;
    if (options.members.some((member) => member.id < options.replica)) return;
    const disks = [{ id: options.replica, incarnation: this.#incarnation }];
    for (const { id } of options.members) {
      if (id === options.replica) continue;
      const peer = this.#links.up.get(id)?.peer;
      if (peer == null || peer.hasGenesis) return;
      disks.push({ id, incarnation: peer.incarnation });
    }
    const configuration = genesisConfiguration(disks);
    this.#genesis = configuration;
    const input = {
      kind: 'message',
      from: 0,
      configuration: 0,
      message: { kind: 'genesis', configuration },
    } as const;
    this.#core.step(input, this.#parts.now());
    // Behind the record of it: a member that votes under a configuration that its author forgot would be alone.
    this.#carryOut(this.#core.takeEffects());
    for (const link of this.#links.up.values()) this.#sendOn(link, { kind: 'genesis', configuration });
    this.#parts.schedule();
  }

  #idOf(number: MemberNumber): string | null {
    const { configuration } = this.#core;
    return configuration === null ? null : (memberByNumber(configuration, number)?.id ?? null);
  }

  // Storage.

  #onSegment(error: SynodError | null): void {
    if (this.#fenced !== null || this.#closing) return;
    if (error !== null && error.code !== 'ERR_SYNOD_STORAGE_FULL') {
      this.fence(error);
      return;
    }
    const full = error !== null;
    if (full !== this.#storageFull) {
      this.#storageFull = full;
      if (full) this.#parts.logger.error({ error }, 'storage full');
      else this.#parts.logger.info({}, 'storage has space again');
      this.#parts.emit({ kind: 'storage-full', full });
    }
    if (full) this.#storageRetryAt = this.#parts.now() + STORAGE_RETRY_MS;
    else if (this.#log.segment === -1) {
      this.#guard(() => {
        this.#log.roll();
        this.#log.append(RecordKind.start, 0, 0, this.#startNumber, null);
        this.#log.flush();
        this.#log.prepareStandby();
      });
    }
    this.#parts.schedule();
  }

  #checkStorage(now: number): void {
    if (this.#storageFull && now >= this.#storageRetryAt && !this.#log.hasStandby) {
      this.#storageRetryAt = now + STORAGE_RETRY_MS;
      this.#log.prepareStandby();
    }
    const able = !this.#storageFull || this.#log.hasRoom(this.#parts.options.limits.decreeBytesMax);
    this.#core.step({ kind: 'able', able }, now);
    this.#drawUpGenesis();
  }

  /** An idle log says what is chosen: after a restart less is proposed again, and what is damaged is told from torn. */
  #mark(now: number): void {
    const log = this.#log;
    if (
      !this.#startWritten ||
      !log.isIdle ||
      log.chosenRecorded >= log.chosen ||
      now - this.#lastAppendAt < MARK_AFTER_MS
    )
      return;
    if (!log.hasRoom(0) || !this.#grants.reclaim(false)) return;
    log.append(RecordKind.mark, 0, 0, log.chosen, null);
  }

  #dropUnused(): void {
    const { verdict } = this.#parts.recovered;
    const ignore = (error: SynodError | null): void => {
      if (error !== null) this.#parts.logger.warn({ error }, 'space of a finished segment not given back');
    };
    for (const segment of verdict.unused) this.#parts.medium.remove(segment, ignore);
    const last = verdict.line.at(-1);
    if (last !== undefined) this.#parts.medium.truncate(last.segment, last.bytes, ignore);
  }

  /** Gives back the memory of segments that nothing refers to any more. */
  #releaseSegments(): void {
    const { resident } = this.#log;
    if (resident.size <= 1) return;
    let oldest = Math.min(
      this.#log.persistedBelow,
      this.#grants.oldestSegment,
      this.#deliveries.oldestSegment,
    );
    // What is chosen and not handed over yet is read back if need be; what is open must stay.
    for (const slot of this.#core.accepted.keys()) {
      const segment = this.#reader.find(slot)?.segment;
      if (segment !== undefined && segment < oldest) oldest = segment;
    }
    for (const link of this.#links.up.values()) {
      for (const segment of link.sending) if (segment >= 0 && segment < oldest) oldest = segment;
    }
    for (const segment of resident.keys()) {
      if (segment >= oldest) continue;
      this.#parts.emit({ kind: 'memory-gone', segment });
      this.#log.release(segment);
    }
  }

  #checkCongestion(now: number): void {
    const { sendQueueBytesMax } = this.#parts.options.limits;
    for (const link of this.#links.up.values()) {
      const { queuedBytes } = link.connection;
      const congested = queuedBytes > (link.congested ? sendQueueBytesMax / 2 : sendQueueBytesMax);
      if (congested !== link.congested) {
        link.congested = congested;
        link.congestedSince = now;
        this.#core.step({ kind: 'congestion', peer: link.number, congested }, now);
      } else if (congested && now - link.congestedSince > SLOW_READER_MS) {
        this.#parts.logger.warn({ peer: link.peer?.id, queuedBytes }, 'peer reads too slowly');
        link.connection.close('reads too slowly');
      }
    }
  }

  /** A broken contract, or any other surprise, fences this replica and nothing else. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      const contract = error instanceof ContractViolation ? error.contract : 'unexpected';
      this.fence(
        new SynodError('ERR_SYNOD_CONTRACT', `broken contract "${contract}": ${String(error)}`, {
          cause: error,
        }),
      );
    }
  }
}

function isAtTail(decree: DecreeReference): boolean {
  return decree.source instanceof TailPlace;
}
