/**
 * Copies a checkpoint from a peer, chunk by chunk, checking it on the way, and gives it its name when it is whole and durable.
 * A copy that was interrupted goes on where it was, from any peer that has the same one.
 */

import { BlockReader } from '../checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../checkpoint/format.js';
import { readCheckpointHeader } from '../checkpoint/header.js';
import type { Crc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import { ROUND_OF_PEERS_MAX, roundOf } from '../protocol/ballot.js';
import type { Slot } from '../protocol/decree.js';
import type { CheckpointFile, CheckpointStore } from '../storage/checkpoint-store.js';
import type { CheckpointChunk, CheckpointFetch, CheckpointName } from '../wire/codec.js';
import { decodeConfiguration, withCookie } from '../wire/configuration-codec.js';
import type { ProtocolVersions } from '../wire/frame.js';
import { isSame, type ServedCheckpoint } from './checkpoint-server.js';
import type { Link } from './links.js';
import type { RestoredCheckpoint } from './recover.js';
import { tooNew } from './versions.js';

/** Names of unfinished copies in the store: of one that this replica catches up by, and of one that the application asked for. */
export const COPY_NAME = 'copy';
export const ASKED_NAME = 'asked';

export interface CheckpointInstallerOptions {
  readonly store: CheckpointStore;
  /** Of the unfinished copy. */
  readonly name: string;
  readonly crc32c: Crc32c;
  readonly logger: Logger;
  readonly cluster: string;
  /** Of the protocol, that this build speaks. */
  readonly versions: ProtocolVersions;
  /** Bytes of one chunk to ask for. */
  readonly chunkBytesMax: number;
  /** Whether a checkpoint of that slot is to be copied. */
  readonly isWanted: (slot: Slot) => boolean;
  readonly ask: (link: Link, fetch: CheckpointFetch) => void;
  readonly isUp: (link: Link) => boolean;
  /** A chunk of use arrived from the peer. */
  readonly onProgress: (link: Link) => void;
  readonly onInstalled: (checkpoint: RestoredCheckpoint, served: ServedCheckpoint) => void;
  /** The copy came to nothing: the peer's is damaged, or it cannot be stored here. */
  readonly onLost: (error: SynodError) => void;
}

interface Copy extends CheckpointName {
  readonly bytes: number;
  readonly file: CheckpointFile;
  reader: BlockReader | null;
  restored: RestoredCheckpoint | null;
}

export class CheckpointInstaller {
  readonly #options: CheckpointInstallerOptions;
  #copy: Copy | null = null;
  /** The store is at work: what arrives meanwhile is passed over, and asked for again. */
  #busy = false;
  /** The copy that the store is at work for is to be deleted. */
  #isGivenUp = false;
  #isCommitting = false;
  /** Whoever waits for the store to have done its work. */
  #waiting: (() => void)[] = [];

  constructor(options: CheckpointInstallerOptions) {
    this.#options = options;
  }

  get isAtWork(): boolean {
    return this.#copy !== null;
  }

  /** Nothing is being copied, nor deleted. */
  get isIdle(): boolean {
    return this.#copy === null && !this.#busy;
  }

  /** All of it has arrived, and is becoming durable: it cannot be given up any more. */
  get isCommitting(): boolean {
    return this.#isCommitting;
  }

  isCopyOf(name: CheckpointName): boolean {
    return this.#copy !== null && isSame(this.#copy, name);
  }

  /** Nothing more of it is wanted. What is whole by now stays, and is told of. */
  giveUp(): void {
    if (this.#isCommitting) return;
    if (this.#busy) this.#isGivenUp = true;
    else if (this.#copy !== null) this.#drop(this.#copy);
  }

  /** From time to time. What is not wanted any more never ends: its chunks are passed over, and nobody is asked for them. */
  tick(): void {
    if (this.#copy !== null && !this.#options.isWanted(this.#copy.slot)) this.giveUp();
  }

  /** It was given up. Calls back once the store is not at work for it any more: what is whole has its name by then, the rest is gone. */
  whenIdle(call: () => void): void {
    this.#waiting.push(call);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.isIdle) for (const call of this.#waiting.splice(0)) call();
  }

  /** `payload` stays as it is. */
  onChunk(link: Link, chunk: CheckpointChunk, payload: Uint8Array): void {
    if (this.#busy || !this.#options.isWanted(chunk.slot)) return;
    const copy = this.#copy;
    if (copy !== null && isSame(copy, chunk)) {
      this.#options.onProgress(link);
      if (chunk.offset === copy.file.bytes) this.#append(link, copy, payload);
      // Another peer begins at the beginning, or this one sent the same chunk twice.
      else this.#ask(link, copy);
    } else if (chunk.offset === 0) {
      this.#options.onProgress(link);
      this.#begin(link, chunk, payload);
    }
  }

  #begin(link: Link, chunk: CheckpointChunk, payload: Uint8Array): void {
    const { store, logger, name } = this.#options;
    const { slot, nonceLow, nonceHigh, bytes } = chunk;
    this.#busy = true;
    const create = (): void =>
      store.create(slot, name, (error, file) => {
        this.#busy = false;
        if (error !== null) return this.#fail(null, error);
        const copy = { slot, nonceLow, nonceHigh, bytes, file: file!, reader: null, restored: null };
        if (this.#isDropped(copy)) return;
        logger.info({ slot, bytes, peer: link.peer?.id }, 'copying a checkpoint');
        this.#copy = copy;
        this.#append(link, copy, payload);
      });
    const before = this.#copy;
    this.#copy = null;
    if (before === null) create();
    else before.file.abandon(create);
  }

  #append(link: Link, copy: Copy, payload: Uint8Array): void {
    const damage = this.#check(copy, payload);
    if (damage !== null) {
      this.#refuse(link, copy, damage);
      return;
    }
    this.#busy = true;
    copy.file.append(payload, (error) => {
      this.#busy = false;
      if (error !== null) return this.#fail(copy, error);
      if (this.#isDropped(copy)) return;
      if (copy.file.bytes < copy.bytes) return this.#ask(link, copy);
      if (copy.reader?.state.kind !== 'complete') return this.#refuse(link, copy, 'it has no end');
      this.#commit(copy);
    });
  }

  /** What is wrong with the bytes that come next, or null. */
  #check(copy: Copy, payload: Uint8Array): string | null {
    const { crc32c, cluster } = this.#options;
    let body = payload;
    if (copy.reader === null) {
      const reading = readCheckpointHeader(payload, crc32c);
      if (reading.kind !== 'valid') return `its header is ${reading.kind}`;
      const { header, chain } = reading;
      const configuration = decodeConfiguration(header.configuration);
      const firstConfiguration = decodeConfiguration(header.firstConfiguration);
      if (configuration === null || firstConfiguration === null) return 'it has no configuration';
      const error = tooNew(configuration, this.#options.versions);
      if (error !== null) return error.message;
      if (header.cluster !== cluster) return `it is of cluster "${header.cluster}"`;
      if (!isSame(header, copy)) return 'it is not the one that was announced';
      // This replica must always find a ballot above it.
      if (roundOf(header.ballot) > ROUND_OF_PEERS_MAX) return 'its ballot is out of bounds';
      const restored = { slot: header.slot, configuration, firstConfiguration, promised: header.ballot };
      copy.restored = restored;
      copy.reader = new BlockReader(chain, CHECKPOINT_HEADER_BYTES, crc32c, {
        onCookie: (cookie) => {
          restored.configuration = withCookie(configuration, cookie);
        },
        onSessions: () => {},
        onState: () => {},
      });
      body = payload.subarray(CHECKPOINT_HEADER_BYTES);
    }
    const state = copy.reader.push(body);
    return state.kind === 'damaged' ? `byte ${state.offset}: ${state.reason}` : null;
  }

  #commit(copy: Copy): void {
    const { slot, nonceLow, nonceHigh, bytes } = copy;
    this.#busy = true;
    this.#isCommitting = true;
    copy.file.commit((error) => {
      this.#busy = false;
      this.#isCommitting = false;
      this.#copy = null;
      if (error !== null) return this.#fail(null, error);
      this.#options.logger.info({ slot, bytes }, 'checkpoint copied');
      this.#options.onInstalled(copy.restored!, { slot, nonceLow, nonceHigh, bytes });
      this.#tellIdle();
    });
  }

  #ask(link: Link, { slot, nonceLow, nonceHigh, file }: Copy): void {
    const { ask, isUp, chunkBytesMax } = this.#options;
    if (isUp(link)) ask(link, { slot, nonceLow, nonceHigh, offset: file.bytes, bytesMax: chunkBytesMax });
  }

  /** The peer's is damaged. Nothing of it is kept; when the time for an answer is over, another peer is asked. */
  #refuse(link: Link, copy: Copy, reason: string): void {
    const { logger, onLost } = this.#options;
    const peer = link.peer?.id;
    logger.error({ peer, slot: copy.slot, reason }, 'checkpoint of a peer refused');
    this.#drop(copy);
    onLost(new SynodError('ERR_SYNOD_NOT_COPIED', `the checkpoint of "${peer}" is damaged: ${reason}`));
  }

  /** No space, or a failing disk: the log is another file and says so itself. It is tried again when asked for again. */
  #fail(copy: Copy | null, error: SynodError): void {
    this.#options.logger.error({ error }, 'checkpoint cannot be stored');
    this.#isGivenUp = false;
    if (copy !== null) this.#drop(copy);
    this.#options.onLost(error);
    this.#tellIdle();
  }

  /** The store has answered: true where nothing more of the copy is wanted. */
  #isDropped(copy: Copy): boolean {
    if (!this.#isGivenUp) return false;
    this.#isGivenUp = false;
    this.#drop(copy);
    return true;
  }

  #drop(copy: Copy): void {
    this.#copy = null;
    this.#busy = true;
    copy.file.abandon(() => {
      this.#busy = false;
      this.#isGivenUp = false;
      this.#tellIdle();
    });
  }
}
