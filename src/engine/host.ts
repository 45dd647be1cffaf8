/**
 * Opens an engine on this thread: medium, recovery, transport, time. Used by the worker and by the inline engine alike.
 */

import { randomBytes } from 'node:crypto';
import { crc32c as portableCrc32c } from '../checksum.js';
import type { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import { loadAddon } from '../native/addon.js';
import { FileCheckpointStore } from '../storage/checkpoint-store.js';
import { checkpointDirectory, logDirectory } from '../storage/folders.js';
import type { LogMedium, SegmentSummary } from '../storage/log-medium.js';
import { openMedium } from '../storage/open-medium.js';
import { formatAddress } from '../transport/address.js';
import { openTransport } from '../transport/open-transport.js';
import { certificateRefusal, type TlsMaterial } from '../transport/tls.js';
import type { Address, Transport } from '../transport/transport.js';
import { type AddressAnswer, AddressResolver } from './address-resolver.js';
import type { Bridge } from './bridge.js';
import type { CopyOrder } from './checkpoint-demand.js';
import type { CheckpointNotice } from './checkpoints.js';
import { machineMs } from './clock.js';
import { Engine } from './engine.js';
import type { EngineEvent, EngineOptions } from './engine-types.js';
import { handshakeTimeoutMs } from './links.js';
import { type RecoveredLog, type RestoredCheckpoint, recoverLog } from './recover.js';
import { versionsOf } from './versions.js';

/** Plain data: it is sent to the worker. */
export interface HostOptions extends EngineOptions {
  readonly dataDir: string | null;
  /** Whoever opens the engine has locked `dataDir`, and unlocks it once the engine is closed. */
  readonly isLocked?: boolean | undefined;
  readonly listen: Address;
  readonly storage: {
    readonly kind: 'auto' | 'memory' | 'file' | 'uring' | 'pmem';
    readonly allowVolatile: boolean;
    readonly segmentBytes: number;
  };
  readonly transport: { readonly kind: 'auto' | 'tcp' | 'uring' };
  readonly tls: TlsMaterial | null;
  /** What the application restored before it opened the engine, and the checkpoints that are kept. */
  readonly checkpoint: { readonly restored: RestoredCheckpoint; readonly notice: CheckpointNotice } | null;
  /** Whether the application is asked where a member is, each time it is dialled. */
  readonly asksForAddresses: boolean;
  /** Whether the state machine makes and restores checkpoints. */
  readonly keepsCheckpoints: boolean;
}

export interface HostEnds {
  readonly bridge: Bridge;
  readonly logger: Logger;
  readonly emit: (event: EngineEvent) => void;
  readonly wakeApplication: () => void;
  readonly outbox: (chunk: number) => Uint8Array;
}

export interface EngineHost {
  readonly engine: Engine;
  readonly blockBytes: number;
  /** Takes a turn now: the application has something. */
  wake(): void;
  onCheckpoint(notice: CheckpointNotice): void;
  copyCheckpoint(order: CopyOrder): void;
  /** The application says where a member is. */
  onAddress(answer: AddressAnswer): void;
  /** Connections from now on use this. */
  setTls(material: TlsMaterial): void;
  close(): Promise<void>;
}

/** Resolves once the log was recovered, can be written to, and the listener stands. Rejects with `SynodError`. */
export async function openEngine(options: HostOptions, ends: HostEnds): Promise<EngineHost> {
  const started = performance.now();
  const { addon, reason } = loadAddon();
  if (addon === null) ends.logger.warn({ reason }, 'portable backends only');
  const crc32c = addon?.crc32c ?? portableCrc32c;
  const medium = openMedium({
    kind: options.storage.kind,
    directory: options.dataDir === null ? '' : logDirectory(options.dataDir),
    segmentBytes: options.storage.segmentBytes,
    isLocked: options.isLocked,
    allowVolatile: options.storage.allowVolatile,
  });
  const opening = new Opening(medium, ends);
  let transport: Transport | null = null;
  try {
    const segments = await opening.start();
    const recovered = await recover(medium, segments, options, crc32c);
    const { index, startNumber } = recovered.state;
    ends.logger.info(
      {
        storage: medium.kind,
        reason: medium.reason,
        verdict: recovered.verdict.kind,
        segments: segments.length,
        slots: index.size,
        starts: startNumber,
        bytes: recovered.bytesRead,
        ms: Math.round(performance.now() - started),
      },
      'log recovered',
    );
    const opened: Transport = openTransport({
      kind: options.transport.kind,
      ...(options.tls === null ? {} : { tls: options.tls }),
      onTlsRefused: (remote, reason) => ends.logger.warn({ remote, reason }, 'TLS handshake failed'),
    });
    transport = opened;
    return await run(options, ends, medium, opened, recovered, opening);
  } catch (error) {
    const opened = transport;
    if (opened !== null) await new Promise<void>((resolve) => opened.close(resolve));
    await new Promise<void>((resolve) => medium.close(() => resolve()));
    throw error;
  }
}

/** Before the engine is there, a medium that fails must reach whoever opens it. */
class Opening {
  engine: Engine | null = null;
  readonly #medium: LogMedium;
  readonly #ends: HostEnds;
  #failed: ((error: SynodError) => void) | null = null;

  constructor(medium: LogMedium, ends: HostEnds) {
    this.#medium = medium;
    this.#ends = ends;
  }

  start(): Promise<readonly SegmentSummary[]> {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#medium.start(
        {
          onPersisted: (ticket) => this.engine?.onPersisted(ticket),
          onFailure: (error) => {
            this.#failed?.(error);
            this.engine?.fence(error);
          },
          onRegionGone: (region) => this.#ends.emit({ kind: 'region-gone', region }),
        },
        (error, segments) => (error === null ? resolve(segments!) : reject(error)),
      );
    });
  }

  set failed(reject: ((error: SynodError) => void) | null) {
    this.#failed = reject;
  }

  /** Whoever opens it hears of a fault that the engine meets before it is ready; nobody else could. */
  fail(error: SynodError): void {
    this.#failed?.(error);
  }
}

function recover(
  medium: LogMedium,
  segments: readonly SegmentSummary[],
  options: HostOptions,
  crc32c: typeof portableCrc32c,
): Promise<RecoveredLog> {
  return new Promise((resolve, reject) => {
    recoverLog(
      medium,
      segments,
      {
        cluster: options.cluster,
        replica: options.replica,
        checkpoint: options.checkpoint?.restored ?? null,
        versions: versionsOf(options),
      },
      crc32c,
      (error, recovered) => (error === null ? resolve(recovered!) : reject(error)),
    );
  });
}

async function run(
  options: HostOptions,
  ends: HostEnds,
  medium: LogMedium,
  transport: Transport,
  recovered: RecoveredLog,
  opening: Opening,
): Promise<EngineHost> {
  const { addon } = loadAddon();
  const counters = addon?.counters ?? null;
  const copiedIndex = addon?.counterIndex.bytesCopied ?? 0;
  let bytesCopied = 0;
  let turnScheduled = false;
  const runTurn = (): void => {
    turnScheduled = false;
    engine.turn();
  };
  const schedule = (): void => {
    if (turnScheduled) return;
    turnScheduled = true;
    setImmediate(runTurn);
  };
  const origin = performance.now();
  ends.bridge.statistics.engineOriginMs = machineMs() - (performance.now() - origin);
  let { tls } = options;
  const resolver = new AddressResolver({
    ask: (request, { id, address }) =>
      ends.emit({ kind: 'resolve', request, id, address: formatAddress(address) }),
    timeoutMs: handshakeTimeoutMs(options),
    startTimer: (timeoutMs, call) => {
      const timer = setTimeout(call, timeoutMs);
      return () => clearTimeout(timer);
    },
  });
  const engine: Engine = new Engine({
    options,
    medium,
    transport,
    bridge: ends.bridge,
    recovered,
    diskIncarnation: recovered.diskIncarnation ?? randomBytes(16),
    logger: ends.logger,
    checkpoints:
      options.dataDir === null || !options.keepsCheckpoints
        ? null
        : {
            store: new FileCheckpointStore(checkpointDirectory(options.dataDir, options.storage.kind)),
            notice: options.checkpoint?.notice ?? null,
          },
    crc32c: addon?.crc32c ?? portableCrc32c,
    copy:
      addon?.copy ??
      ((target, at, source, start, end) => {
        target.set(start === 0 && end === source.length ? source : source.subarray(start, end), at);
        bytesCopied += end - start;
      }),
    bytesCopied: () => (counters === null ? bytesCopied : counters[copiedIndex]!),
    ...(tls === null
      ? {}
      : { authenticate: ({ certificate }, id) => certificateRefusal(tls!, id, certificate) }),
    ...(options.asksForAddresses ? { resolve: resolver.resolve } : {}),
    now: () => performance.now() - origin,
    wallNow: Date.now,
    random: Math.random,
    drawNonce: () => {
      const words = randomBytes(8);
      return [words.readUInt32LE(0), words.readUInt32LE(4)];
    },
    schedule,
    later: (afterMs, call) => void setTimeout(call, afterMs),
    wakeApplication: ends.wakeApplication,
    emit: (event) => {
      if (event.kind === 'fenced') {
        resolver.close();
        opening.fail(event.error);
      }
      ends.emit(event);
    },
    outbox: ends.outbox,
  });
  opening.engine = engine;
  // From now on: a replica that is opened on a full disk waits for space.
  const timer = setInterval(
    () => engine.tick(),
    Math.max(2, Math.min(10, Math.floor(options.heartbeatMs / 4))),
  );
  await new Promise<void>((resolve, reject) => {
    opening.failed = reject;
    const handler = {
      onConnection: engine.onConnection.bind(engine),
      onConnectFailed: engine.onConnectFailed.bind(engine),
      onReceived: engine.onReceived.bind(engine),
      onPayloadsSent: engine.onPayloadsSent.bind(engine),
      onClosed: engine.onClosed.bind(engine),
      onTurnEnd: () => engine.turn(),
    };
    transport.listen(handler, options.listen, (error) => {
      if (error !== null) reject(error);
      else engine.start(resolve);
    });
  }).catch((error: unknown) => {
    clearInterval(timer);
    resolver.close();
    throw error;
  });
  opening.failed = null;
  ends.bridge.setEngineAsleep(true);
  schedule();
  let closed: Promise<void> | null = null;
  return {
    engine,
    blockBytes: medium.blockBytes,
    wake: () => engine.turn(),
    onCheckpoint: (notice) => engine.checkpoints?.onNotice(notice),
    copyCheckpoint: (order) => engine.checkpoints?.copy(order),
    onAddress: (answer) => {
      resolver.onAnswer(answer);
      schedule();
    },
    setTls: (material) => {
      tls = material;
      transport.setTls?.(material);
    },
    close: () => {
      closed ??= new Promise((resolve) => {
        clearInterval(timer);
        resolver.close();
        engine.close(resolve);
      });
      return closed;
    },
  };
}
