/**
 * The bridge: memory that the application's thread and the engine share. Commands go one way in batches, chosen
 * decrees come the other way as descriptors; payloads stay where they are and only places are passed.
 *
 * Batches are kept in a ring of blocks. A block's state says whose it is:
 *
 *     free --app--> writing --app--> ready --engine--> sealed --engine--> free
 *                      ^---app---------+
 *     writing | ready --engine--> revoked --app--> free
 *
 * The application writes into the batch of the newest block during one burst of `replicate` calls (`writing`) and
 * leaves it `ready`; the engine takes it when it can propose, so batches grow by themselves under load and wait for
 * nothing when idle. A burst goes on in a batch that was not taken yet.
 *
 * The batch's bytes lie either in memory of the application (an outbox chunk) or, on a primary, in the log itself:
 * the engine grants the memory behind its log's tail. The grant is open while `grantEpoch` is not 0. The
 * application first makes a block `writing`, then reads the epoch; the engine first closes the epoch, then reads the
 * block's state. So a block that the engine sees `free` after closing cannot be written under the closed grant.
 */

import { requires } from '../contracts.js';
import { STATISTICS_BYTES, StatisticsBoard } from '../statistics.js';

export const BlockState = { free: 0, writing: 1, ready: 2, sealed: 3, revoked: 4 } as const;

/** Space before the commands of a batch in granted memory: record header (80) and group header (32). */
export const GROUP_HEADER_BYTES = 32;

const BLOCKS = 4096;
const DELIVERIES = 8192;
const BLOCK_WORDS = 8;
const DELIVERY_FIELDS = 6;

const Word = {
  engineAsleep: 0,
  applicationAsleep: 1,
  grantEpoch: 2,
  grantSegment: 3,
  grantStart: 4,
  grantLimit: 5,
  delivered: 6,
  taken: 7,
  self: 8,
  deliveryBlocked: 9,
  readsAsked: 10,
  readsAnswered: 11,
  leaseReadsAsked: 12,
  leaseReadsAnswered: 13,
} as const;
const WORDS = 16;

const Field = {
  applied: 0,
  resolved: 1,
  session: 2,
  chosen: 3,
  bytesCopied: 4,
  released: 5,
  promised: 6,
  readSlot: 7,
  lastDecree: 8,
  leaseReadSlot: 9,
} as const;
const FIELDS = 10;

/** Reads that a lease may answer have numbers of their own. */
export type ReadKind = 'read' | 'lease-read';

export const readKinds: readonly ReadKind[] = ['read', 'lease-read'];

const readWords = {
  read: { asked: Word.readsAsked, answered: Word.readsAnswered, slot: Field.readSlot },
  'lease-read': { asked: Word.leaseReadsAsked, answered: Word.leaseReadsAnswered, slot: Field.leaseReadSlot },
} as const;

const BLOCKS_AT = WORDS * 4 + FIELDS * 8;
const DELIVERIES_AT = BLOCKS_AT + BLOCKS * BLOCK_WORDS * 4;
const STATISTICS_AT = DELIVERIES_AT + DELIVERIES * DELIVERY_FIELDS * 8;
const BYTES = STATISTICS_AT + STATISTICS_BYTES;
/** A batch notes in so many units of a millisecond, modulo 2^32, when it was begun. */
const STAMPS_PER_MS = 10_000;
/** Flags of a batch stand above 24 bits of its first sequence number. */
const FLAG_UNIT = 0x100_0000;

/** Kind of a delivery that is no decree: the state behind its slot is to be restored from the checkpoint. */
export const CHECKPOINT_DELIVERY = 255;

/** A chosen decree, as told to the application. */
export interface Delivery {
  slot: number;
  /** A segment's number, or `-1 - chunk` for a chunk of read-back memory. */
  memory: number;
  offset: number;
  bytes: number;
  commands: number;
  kind: number;
}

export interface BatchBlock {
  /** A segment's number where the batch lies in granted memory, `-1 - chunk` where it lies in an outbox chunk. */
  memory: number;
  /** Where the commands begin. */
  offset: number;
  bytes: number;
  count: number;
  first: number;
  /** Of `GroupFlag`. A batch with flags holds one command. */
  flags: number;
}

/** One end of the bridge. Both threads make one on the same buffer. */
export class Bridge {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #fields: Float64Array;
  readonly #blocks: Int32Array;
  readonly #deliveries: Float64Array;
  readonly statistics: StatisticsBoard;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    requires(buffer.byteLength === BYTES, 'bridge-layout');
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, WORDS);
    this.#fields = new Float64Array(buffer, WORDS * 4, FIELDS);
    this.#blocks = new Int32Array(buffer, BLOCKS_AT, BLOCKS * BLOCK_WORDS);
    this.#deliveries = new Float64Array(buffer, DELIVERIES_AT, DELIVERIES * DELIVERY_FIELDS);
    this.statistics = new StatisticsBoard(buffer, STATISTICS_AT);
  }

  // Wake-ups. The sleeper announces that it sleeps, then looks once more; the waker clears the announcement.

  setEngineAsleep(asleep: boolean): void {
    Atomics.store(this.#words, Word.engineAsleep, asleep ? 1 : 0);
  }
  /** True once for each sleep: the caller signals. */
  takeEngineAsleep(): boolean {
    return (
      Atomics.load(this.#words, Word.engineAsleep) === 1 &&
      Atomics.exchange(this.#words, Word.engineAsleep, 0) === 1
    );
  }
  setApplicationAsleep(asleep: boolean): void {
    Atomics.store(this.#words, Word.applicationAsleep, asleep ? 1 : 0);
  }
  takeApplicationAsleep(): boolean {
    return (
      Atomics.load(this.#words, Word.applicationAsleep) === 1 &&
      Atomics.exchange(this.#words, Word.applicationAsleep, 0) === 1
    );
  }

  // The grant.

  get grantEpoch(): number {
    return Atomics.load(this.#words, Word.grantEpoch);
  }
  get grantSegment(): number {
    return this.#words[Word.grantSegment]!;
  }
  get grantStart(): number {
    return this.#words[Word.grantStart]!;
  }
  get grantLimit(): number {
    return Atomics.load(this.#words, Word.grantLimit);
  }
  openGrant(epoch: number, segment: number, start: number, limit: number): void {
    this.#words[Word.grantSegment] = segment;
    this.#words[Word.grantStart] = start;
    this.#words[Word.grantLimit] = limit;
    Atomics.store(this.#words, Word.grantEpoch, epoch);
  }
  /** The open grant goes further than it did. */
  extendGrant(limit: number): void {
    Atomics.store(this.#words, Word.grantLimit, limit);
  }
  closeGrant(): void {
    Atomics.store(this.#words, Word.grantEpoch, 0);
  }

  // Blocks. Indexes only grow; the ring is theirs modulo its size.

  blockState(index: number): number {
    return Atomics.load(this.#blocks, (index % BLOCKS) * BLOCK_WORDS);
  }
  /** True where the state was `from`. */
  changeBlockState(index: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#blocks, (index % BLOCKS) * BLOCK_WORDS, from, to) === from;
  }
  setBlockState(index: number, to: number): void {
    Atomics.store(this.#blocks, (index % BLOCKS) * BLOCK_WORDS, to);
  }
  writeBlock(
    index: number,
    memory: number,
    offset: number,
    bytes: number,
    count: number,
    first: number,
    flags = 0,
  ): void {
    const at = (index % BLOCKS) * BLOCK_WORDS;
    const blocks = this.#blocks;
    blocks[at + 1] = memory;
    blocks[at + 2] = offset;
    blocks[at + 3] = bytes;
    blocks[at + 4] = count;
    blocks[at + 5] = first % 0x4000_0000;
    // A sequence number has 53 bits at most: the word has room for flags.
    blocks[at + 6] = Math.floor(first / 0x4000_0000) + flags * FLAG_UNIT;
  }
  /** When the first command of the batch was taken; by the engine's clock. */
  stampBlock(index: number, nowMs: number): void {
    this.#blocks[(index % BLOCKS) * BLOCK_WORDS + 7] = (nowMs * STAMPS_PER_MS) | 0;
  }
  /** Milliseconds since the stamp, modulo 429 seconds. */
  blockAgeMs(index: number, nowMs: number): number {
    const stamp = this.#blocks[(index % BLOCKS) * BLOCK_WORDS + 7]!;
    return ((((nowMs * STAMPS_PER_MS) | 0) - stamp) | 0) / STAMPS_PER_MS;
  }
  readBlock(index: number): BatchBlock {
    const at = (index % BLOCKS) * BLOCK_WORDS;
    const blocks = this.#blocks;
    return {
      memory: blocks[at + 1]!,
      offset: blocks[at + 2]!,
      bytes: blocks[at + 3]!,
      count: blocks[at + 4]!,
      first: (blocks[at + 6]! % FLAG_UNIT) * 0x4000_0000 + blocks[at + 5]!,
      flags: Math.floor(blocks[at + 6]! / FLAG_UNIT),
    };
  }

  // Deliveries. The engine alone writes and counts `delivered`, the application alone `taken`; both wrap at 2^31.

  get deliveriesOpen(): number {
    return (Atomics.load(this.#words, Word.delivered) - Atomics.load(this.#words, Word.taken)) & 0x7fff_ffff;
  }
  get canDeliver(): boolean {
    return this.deliveriesOpen < DELIVERIES;
  }
  deliver(slot: number, memory: number, offset: number, bytes: number, commands: number, kind: number): void {
    const index = Atomics.load(this.#words, Word.delivered);
    const at = (index % DELIVERIES) * DELIVERY_FIELDS;
    const deliveries = this.#deliveries;
    deliveries[at] = slot;
    deliveries[at + 1] = memory;
    deliveries[at + 2] = offset;
    deliveries[at + 3] = bytes;
    deliveries[at + 4] = commands;
    deliveries[at + 5] = kind;
    Atomics.store(this.#words, Word.delivered, (index + 1) & 0x7fff_ffff);
  }
  /** The oldest delivery that was not taken, into `into`; false where there is none. It stays until `take`. */
  peekDelivery(into: Delivery): boolean {
    const index = Atomics.load(this.#words, Word.taken);
    if (Atomics.load(this.#words, Word.delivered) === index) return false;
    const at = (index % DELIVERIES) * DELIVERY_FIELDS;
    const deliveries = this.#deliveries;
    into.slot = deliveries[at]!;
    into.memory = deliveries[at + 1]!;
    into.offset = deliveries[at + 2]!;
    into.bytes = deliveries[at + 3]!;
    into.commands = deliveries[at + 4]!;
    into.kind = deliveries[at + 5]!;
    return true;
  }
  /** The engine waits for deliveries to be executed: the executor wakes it. */
  setDeliveryBlocked(): void {
    Atomics.store(this.#words, Word.deliveryBlocked, 1);
  }
  takeDeliveryBlocked(): boolean {
    return (
      Atomics.load(this.#words, Word.deliveryBlocked) === 1 &&
      Atomics.exchange(this.#words, Word.deliveryBlocked, 0) === 1
    );
  }
  take(): void {
    const index = Atomics.load(this.#words, Word.taken);
    Atomics.store(this.#words, Word.taken, (index + 1) & 0x7fff_ffff);
  }

  // Reads, by number. Both counts wrap at 2^31 in memory; `known` is the full count as it was before.

  readsAsked(known: number, kind: ReadKind = 'read'): number {
    return known + ((Atomics.load(this.#words, readWords[kind].asked) - known) & 0x7fff_ffff);
  }
  /** The application makes reads up to number `read`. */
  askReads(read: number, kind: ReadKind = 'read'): void {
    Atomics.store(this.#words, readWords[kind].asked, read % 0x8000_0000);
  }
  readsAnswered(known: number, kind: ReadKind = 'read'): number {
    return known + ((Atomics.load(this.#words, readWords[kind].answered) - known) & 0x7fff_ffff);
  }
  /** Of the reads that were answered last; never less than before. To be asked after `readsAnswered`. */
  readSlot(kind: ReadKind = 'read'): number {
    return this.#fields[readWords[kind].slot]!;
  }
  /** Reads up to number `read` are to be made once `slot` is applied. The slot is there before the number. */
  answerReads(read: number, slot: number, kind: ReadKind = 'read'): void {
    this.#fields[readWords[kind].slot] = slot;
    Atomics.store(this.#words, readWords[kind].answered, read % 0x8000_0000);
  }

  // Figures. Each has one writer.

  get applied(): number {
    return this.#fields[Field.applied]!;
  }
  /** The application has executed every decree up to this slot. */
  set applied(slot: number) {
    this.#fields[Field.applied] = slot;
  }
  get resolved(): number {
    return this.#fields[Field.resolved]!;
  }
  /** The application's own commands up to this sequence number were executed. */
  set resolved(sequence: number) {
    this.#fields[Field.resolved] = sequence;
  }
  get session(): number {
    return this.#fields[Field.session]!;
  }
  set session(session: number) {
    this.#fields[Field.session] = session;
  }
  get chosen(): number {
    return this.#fields[Field.chosen]!;
  }
  set chosen(slot: number) {
    this.#fields[Field.chosen] = slot;
  }
  get bytesCopied(): number {
    return this.#fields[Field.bytesCopied]!;
  }
  /** Bytes of commands that the application's thread copied out of callers' buffers, and again after a revocation. */
  set bytesCopied(bytes: number) {
    this.#fields[Field.bytesCopied] = bytes;
  }
  get released(): number {
    return this.#fields[Field.released]!;
  }
  /** Batches up to this sequence number are no longer needed by the engine: outbox chunks behind it are free again. */
  set released(sequence: number) {
    this.#fields[Field.released] = sequence;
  }
  get promised(): number {
    return this.#fields[Field.promised]!;
  }
  /** The highest ballot that the engine has promised. For checkpoints' headers. */
  set promised(ballot: number) {
    this.#fields[Field.promised] = ballot;
  }
  get lastDecree(): number {
    return this.#fields[Field.lastDecree]!;
  }
  /** The newest decree that was executed here whose command was given with `last`. Set before `applied` says so. */
  set lastDecree(slot: number) {
    this.#fields[Field.lastDecree] = slot;
  }
  get self(): number {
    return Atomics.load(this.#words, Word.self);
  }
  set self(member: number) {
    Atomics.store(this.#words, Word.self, member);
  }
}

export const BLOCK_COUNT: number = BLOCKS;
export const DELIVERY_COUNT: number = DELIVERIES;
