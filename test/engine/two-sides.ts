/**
 * The application's side and the engine's side of one replica in one thread, over one shared buffer, driven step by
 * step. Between any two accesses of one side to the bridge the other side may take a whole step, as it may where they run
 * in two threads.
 */

import { CommandWriter } from '../../src/application/command-writer.js';
import { memoryOf } from '../../src/application/memory-map.js';
import { crc32c } from '../../src/checksum.js';
import { Bridge, GROUP_HEADER_BYTES } from '../../src/engine/bridge.js';
import { Grants } from '../../src/engine/grants.js';
import { type Group, readGroupHeader } from '../../src/engine/group.js';
import type { Link } from '../../src/engine/links.js';
import { LogPlace } from '../../src/engine/places.js';
import { type ForwardedBatch, Submitter } from '../../src/engine/submitter.js';
import { RecordKind } from '../../src/log/format.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { SessionTable } from '../../src/protocol/sessions.js';
import { decodeForward, FrameWriter, joinPayload } from '../../src/wire/codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { LogRig } from './log-rig.js';

export const SELF = 1;
export const PEER = 2;
const SESSION = 1;
const PIPELINE_DECREES_MAX = 8;

/** A bridge that calls `between` before each access. */
class WatchedBridge extends Bridge {
  between: () => void = () => {};

  override takeEngineAsleep(): boolean {
    this.between();
    return super.takeEngineAsleep();
  }
  override get grantEpoch(): number {
    this.between();
    return super.grantEpoch;
  }
  override get grantSegment(): number {
    this.between();
    return super.grantSegment;
  }
  override get grantStart(): number {
    this.between();
    return super.grantStart;
  }
  override get grantLimit(): number {
    this.between();
    return super.grantLimit;
  }
  override openGrant(epoch: number, segment: number, start: number, limit: number): void {
    this.between();
    super.openGrant(epoch, segment, start, limit);
    this.between();
  }
  override extendGrant(limit: number): void {
    this.between();
    super.extendGrant(limit);
    this.between();
  }
  override closeGrant(): void {
    this.between();
    super.closeGrant();
    this.between();
  }
  override blockState(index: number): number {
    this.between();
    return super.blockState(index);
  }
  override changeBlockState(index: number, from: number, to: number): boolean {
    this.between();
    const changed = super.changeBlockState(index, from, to);
    this.between();
    return changed;
  }
  override setBlockState(index: number, to: number): void {
    this.between();
    super.setBlockState(index, to);
  }
}

export interface PlacedGroup extends Group {
  /** The commands, with their lengths, as they were submitted. */
  readonly commands: Uint8Array;
}

export interface TwoSidesOptions {
  readonly segmentBytes?: number;
  readonly blockBytes?: number;
  readonly decreeBytesMax?: number;
  readonly batchBytesTarget?: number;
  readonly batchCommandsMax?: number;
  readonly decreeCommandsMax?: number;
  readonly chunkBytes?: number;
}

export class TwoSides {
  readonly rig: LogRig;
  readonly writer: CommandWriter;
  readonly grants: Grants;
  readonly submitter: Submitter;
  readonly applicationBridge: WatchedBridge;
  readonly engineBridge: WatchedBridge;
  /** Every command that was given to the writer and taken, in order. */
  readonly written: Uint8Array[] = [];
  /** Every command of this replica that was executed, in order. */
  readonly executed: Uint8Array[] = [];
  /** Groups under way, each with its decree's commands: proposed here, or sent to the primary. */
  /** Flags of each decree that was proposed here. */
  readonly proposedFlags: number[] = [];
  proposed: PlacedGroup[][] = [];
  /** Groups whose decree is chosen and not executed yet. */
  readonly chosen: PlacedGroup[] = [];
  role: 'primary' | 'secondary' = 'secondary';
  canPropose = true;
  now = 0;
  engineWakes = 0;
  readonly #outbox = new Map<number, Uint8Array>();
  readonly #sessions = new SessionTable();
  readonly #frames = new FrameReader(crc32c, 1024 * 1024, () => {});
  readonly #link: Link;
  #endBurst: (() => void) | null = null;
  #slot = 0;

  constructor(options: TwoSidesOptions = {}) {
    const { segmentBytes = 64 * 1024, blockBytes = 64, decreeBytesMax = 8192 } = options;
    this.rig = new LogRig({ segmentBytes, blockBytes });
    const { rig } = this;
    rig.log.roll();
    rig.log.append(RecordKind.start, 0, 0, 1, null);
    rig.log.flush();
    rig.settle();
    this.applicationBridge = new WatchedBridge();
    this.engineBridge = new WatchedBridge(this.applicationBridge.buffer);
    this.engineBridge.session = SESSION;
    this.engineBridge.self = SELF;
    this.writer = new CommandWriter({
      bridge: this.applicationBridge,
      blockBytes,
      batchBytesTarget: options.batchBytesTarget ?? 2048,
      batchCommandsMax: options.batchCommandsMax ?? 50,
      chunkBytes: options.chunkBytes ?? 1024 * 1024,
      memory: (segment) => memoryOf(rig.log.resident.get(segment)!.bytes),
      onChunk: (chunk, buffer) => void this.#outbox.set(chunk, new Uint8Array(buffer)),
      wakeEngine: () => {
        this.engineWakes += 1;
      },
      onBurst: (end) => {
        this.#endBurst = end;
      },
    });
    this.grants = new Grants(this.engineBridge, rig.log, decreeBytesMax);
    const memory = (number: number): Uint8Array =>
      number >= 0 ? rig.log.resident.get(number)!.bytes : this.#outbox.get(-1 - number)!;
    this.submitter = new Submitter({
      log: rig.log,
      grants: this.grants,
      writer: new FrameWriter(crc32c),
      crc32c,
      limits: { decreeBytesMax, decreeCommandsMax: options.decreeCommandsMax ?? 1000 },
      forwardBytesMax: 16_384,
      bridge: this.engineBridge,
      memory,
      session: () => SESSION,
      self: () => SELF,
      canPropose: () => this.canPropose && this.proposed.length < PIPELINE_DECREES_MAX,
      propose: (decree, flags) => this.#propose(decree, flags),
    });
    this.#link = {
      sending: [],
      connection: {
        send: (header: Uint8Array, headerBytes: number, payload: Uint8Array, start: number, end: number) => {
          const bytes = Buffer.concat([header.subarray(0, headerBytes), payload.subarray(start, end)]);
          this.#frames.push(bytes, 0, bytes.length, 0);
        },
      },
    } as unknown as Link;
  }

  // The application's steps.

  /** True where the writer took it. */
  write(command: Uint8Array, flags = 0): boolean {
    const sequence = this.writer.write(command, flags);
    if (sequence === 0) return false;
    this.written.push(command);
    if (sequence !== this.written.length) throw new Error(`sequence ${sequence} of ${this.written.length}`);
    return true;
  }

  /** Memory that the application has sent the engine. */
  get chunks(): number {
    return this.#outbox.size;
  }

  get inBurst(): boolean {
    return this.#endBurst !== null;
  }

  endBurst(): void {
    const end = this.#endBurst;
    this.#endBurst = null;
    end?.();
  }

  /** Executes what is chosen. */
  execute(): void {
    for (const group of this.chosen.splice(0)) {
      if (!this.#sessions.admit(group.origin, group.session, group.first, group.count)) continue;
      if (group.origin !== SELF) continue;
      const view = new DataView(group.commands.buffer, group.commands.byteOffset, group.commands.length);
      for (let at = 0; at < group.commands.length; ) {
        const length = view.getUint32(at, true);
        this.executed.push(group.commands.subarray(at + 4, at + 4 + length));
        at += 4 + length;
      }
      this.applicationBridge.resolved = group.first + group.count - 1;
    }
  }

  // The engine's steps.

  /** One turn, as the engine takes it. */
  turn(): void {
    const { count, bytes } = this.grants.settle(this.engineBridge.resolved);
    this.submitter.settle(count, bytes);
    this.grants.release(new Set());
    if (this.role === 'primary') this.submitter.propose(this.now);
    else this.#forward();
    this.rig.log.flush();
    this.rig.settle();
  }

  becomePrimary(): void {
    this.role = 'primary';
    this.submitter.restart();
  }

  /** What was under way is lost, or comes up later: the caller keeps it. */
  becomeSecondary(): PlacedGroup[][] {
    this.role = 'secondary';
    const lost = this.proposed;
    this.proposed = [];
    this.grants.revoke();
    this.submitter.forwarded.length = 0;
    this.submitter.restart();
    return lost;
  }

  /** The first `count` decrees that are under way are chosen. */
  choose(count: number): void {
    for (const groups of this.proposed.splice(0, count)) this.chosen.push(...groups);
  }

  /** Another record is written: the tail is needed. */
  appendMark(): void {
    if (!this.rig.log.hasRoom(0)) return;
    if (!this.grants.reclaim(false)) this.grants.revoke();
    this.rig.log.append(RecordKind.mark, 0, 0, 0, null);
  }

  /** A peer's commands arrive. */
  addForwarded(batch: Partial<ForwardedBatch>, commands: Uint8Array): void {
    this.submitter.forwarded.push({
      origin: PEER,
      session: 1,
      first: 1,
      count: 1,
      flags: 0,
      pieces: [{ bytes: commands, start: 0, end: commands.length }],
      bytes: commands.length,
      isKept: true,
      at: this.now,
      ...batch,
    });
  }

  /** Gives back the memory of all segments that nothing refers to. */
  releaseSegments(): void {
    const used = new Set<number>();
    this.grants.addSegments(used);
    const { log } = this.rig;
    for (const segment of [...log.resident.keys()]) {
      if (segment < log.persistedBelow && !used.has(segment)) {
        log.resident.get(segment)!.bytes.fill(0xdd);
        log.release(segment);
      }
    }
  }

  #propose(decree: DecreeReference, flags: number): void {
    this.#slot += 1;
    const { log } = this.rig;
    const inPlace = decree.source !== null && 'offset' in (decree.source as object);
    if (!inPlace && !this.grants.reclaim(false)) this.grants.revoke();
    log.appendDecree(RecordKind.accept, this.#slot, 0x1_0001, this.#slot, decree);
    const { segment, offset } = decree.source as LogPlace;
    if (!(decree.source instanceof LogPlace)) throw new Error('no place in the log');
    const payload = log.resident.get(segment)!.bytes.slice(offset, offset + decree.bytes);
    if (crc32c(payload, 0, payload.length, 0) !== decree.checksum)
      throw new Error('checksum of a proposed decree');
    const groups = readGroups(payload);
    if (groups.reduce((sum, group) => sum + group.count, 0) !== decree.commands)
      throw new Error('decree.commands');
    const isAlone = groups.length === 1 && groups[0]!.count === 1;
    if (groups.some(({ flags }) => flags !== 0) && !isAlone) throw new Error('exclusive, and not alone');
    if (groups.at(-1)!.flags !== flags) throw new Error('flags of a proposed decree');
    this.proposedFlags.push(flags);
    this.proposed.push(groups);
  }

  #forward(): void {
    this.submitter.forward(this.#link, 0);
    for (let frame = this.#frames.next(); frame !== null; frame = this.#frames.next()) {
      const { session, first, count, flags } = decodeForward(frame);
      const commands = joinPayload(frame);
      this.proposed.push([{ origin: SELF, session, first, count, bytes: commands.length, flags, commands }]);
    }
  }
}

function readGroups(payload: Uint8Array): PlacedGroup[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const groups: PlacedGroup[] = [];
  for (let at = 0; at < payload.length; ) {
    const group: Group = { origin: 0, count: 0, session: 0, first: 0, bytes: 0, flags: 0 };
    readGroupHeader(view, at, group);
    at += GROUP_HEADER_BYTES;
    groups.push({ ...group, commands: payload.slice(at, at + group.bytes) });
    at += group.bytes;
  }
  return groups;
}
