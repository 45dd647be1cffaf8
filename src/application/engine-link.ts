/** The application's way to its engine: in a worker thread, or on this thread. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { AddressAnswer } from '../engine/address-resolver.js';
import type { Bridge } from '../engine/bridge.js';
import type { CopyOrder } from '../engine/checkpoint-demand.js';
import type { CheckpointNotice } from '../engine/checkpoints.js';
import type { LeadershipOrder } from '../engine/engine-leadership.js';
import { type EngineEvent, type EngineStatus, isOfMemory } from '../engine/engine-types.js';
import type { BootstrapOrder } from '../engine/first-configuration.js';
import type { MemberHealth } from '../engine/health.js';
import { type EngineHost, type HostOptions, openEngine } from '../engine/host.js';
import { Mailbox } from '../engine/mailbox.js';
import {
  errorFromData,
  errorToData,
  type FromWorker,
  type ToWorker,
  type WorkerSettings,
} from '../engine/messages.js';
import { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import {
  createEventIfAny,
  loadAddon,
  type NativeAddon,
  type NativeEvent,
  type NativeEventSender,
} from '../native/addon.js';
import type { MemberChange, VersionRaise } from '../protocol/reconfiguration.js';
import type { TlsMaterial } from '../transport/tls.js';

export interface EngineLinkHandler {
  onEvent(event: EngineEvent): void;
  /** There may be something on the bridge. */
  onWake(): void;
}

export interface EngineLink {
  readonly blockBytes: number;
  wakeEngine(): void;
  sendChunk(chunk: number, buffer: SharedArrayBuffer): void;
  /** Takes in the events that wait behind the present call. */
  hear(): void;
  status(): Promise<EngineStatus>;
  health(): Promise<readonly MemberHealth[]>;
  onCheckpoint(notice: CheckpointNotice): void;
  copyCheckpoint(order: CopyOrder): void;
  lead(order: LeadershipOrder): void;
  setTls(material: TlsMaterial): void;
  onAddress(answer: AddressAnswer): void;
  change(change: MemberChange | VersionRaise): void;
  bootstrap(order: BootstrapOrder): void;
  fence(error: SynodError): void;
  close(): Promise<void>;
}

/** On this thread. */
export async function openInline(
  options: HostOptions,
  bridge: Bridge,
  logger: Logger,
  handler: EngineLinkHandler,
): Promise<EngineLink> {
  const chunks = new Map<number, Uint8Array>();
  let wakeScheduled = false;
  const host: EngineHost = await openEngine(options, {
    bridge,
    logger,
    emit: (event) => handler.onEvent(event),
    wakeApplication: () => {
      // Not at once: the engine is in the middle of its turn, and what the application does may start another.
      if (wakeScheduled) return;
      wakeScheduled = true;
      queueMicrotask(() => {
        wakeScheduled = false;
        handler.onWake();
      });
    },
    outbox: (chunk) => chunks.get(chunk)!,
  });
  return {
    blockBytes: host.blockBytes,
    wakeEngine: () => host.wake(),
    sendChunk: (chunk, buffer) => void chunks.set(chunk, new Uint8Array(buffer)),
    hear: () => {},
    status: async () => host.engine.status(),
    health: async () => host.engine.health,
    onCheckpoint: (notice) => host.onCheckpoint(notice),
    copyCheckpoint: (order) => host.copyCheckpoint(order),
    lead: (order) => host.engine.lead(order),
    setTls: (material) => host.setTls(material),
    onAddress: (answer) => host.onAddress(answer),
    change: (change) => host.engine.change(change),
    bootstrap: (order) => host.engine.bootstrap(order),
    fence: (error) => host.engine.fence(error),
    close: () => host.close(),
  };
}

/** In a worker thread. */
export function openWorker(
  options: HostOptions,
  bridge: Bridge,
  logger: Logger,
  handler: EngineLinkHandler,
): Promise<EngineLink> {
  return new WorkerLink(options, bridge, logger, handler).opened;
}

/** The worker runs compiled code, also where this module was loaded from its source. */
function workerFile(): URL {
  const beside = new URL('../engine/worker.js', import.meta.url);
  if (existsSync(fileURLToPath(beside))) return beside;
  return new URL('../../dist/engine/worker.js', import.meta.url);
}

class WorkerLink implements EngineLink {
  readonly opened: Promise<EngineLink>;
  blockBytes = 0;

  readonly #handler: EngineLinkHandler;
  readonly #logger: Logger;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #event: NativeEvent | null;
  #sender: NativeEventSender | null = null;
  #requests = 0;
  readonly #waiting: Map<number, { resolve: (answer: never) => void; reject: (error: SynodError) => void }> =
    new Map();
  #settleOpen: { resolve: (link: EngineLink) => void; reject: (error: SynodError) => void };
  readonly #exited: Promise<void>;
  readonly #mailbox: Mailbox<FromWorker>;
  #gone = false;

  constructor(options: HostOptions, bridge: Bridge, logger: Logger, handler: EngineLinkHandler) {
    this.#handler = handler;
    this.#logger = logger;
    const { addon } = loadAddon();
    // Without one each end wakes the other by a message.
    this.#event = createEventIfAny(addon, () => handler.onWake());
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#mailbox = new Mailbox({
      receive: () => receiveMessageOnPort(port1),
      isOfMemory: (message) => message.kind === 'event' && isOfMemory(message.event),
      take: (message) => this.#onMessage(message),
      later: (call) => void setImmediate(call),
    });
    const settings: WorkerSettings = { options, bridge: bridge.buffer, wakeFd: this.#event?.fd ?? -1 };
    this.#worker = new Worker(workerFile(), {
      workerData: { settings, port: port2 },
      transferList: [port2],
      name: `synod engine ${options.replica}`,
    });
    this.#settleOpen = { resolve: () => {}, reject: () => {} };
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpen = { resolve, reject };
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#mailbox.takeAll();
        this.#onGone(new SynodError('ERR_SYNOD_FENCED', `the engine's thread ended with code ${code}`));
        resolve();
      });
    });
    this.#worker.once('error', (error) => {
      this.#mailbox.takeAll();
      this.#onGone(
        new SynodError('ERR_SYNOD_FENCED', `the engine's thread failed: ${String(error)}`, { cause: error }),
      );
    });
    port1.on('message', (message: FromWorker) => this.#mailbox.onMessage(message));
  }

  wakeEngine(): void {
    if (this.#sender !== null) this.#sender.signal();
    else this.#post({ kind: 'wake' });
  }

  sendChunk(chunk: number, buffer: SharedArrayBuffer): void {
    this.#post({ kind: 'outbox', chunk, buffer });
  }

  hear(): void {
    this.#mailbox.hear();
  }

  status(): Promise<EngineStatus> {
    return this.#request('status');
  }

  health(): Promise<readonly MemberHealth[]> {
    return this.#request('health');
  }

  #request<Answer>(kind: 'status' | 'health'): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#gone) {
        reject(new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed'));
        return;
      }
      this.#requests += 1;
      this.#waiting.set(this.#requests, { resolve, reject });
      this.#post({ kind, request: this.#requests });
    });
  }

  onCheckpoint(notice: CheckpointNotice): void {
    this.#post({ kind: 'checkpoint', notice });
  }

  copyCheckpoint(order: CopyOrder): void {
    this.#post({ kind: 'copy', order });
  }

  lead(order: LeadershipOrder): void {
    this.#post({ kind: 'lead', order });
  }

  setTls(material: TlsMaterial): void {
    this.#post({ kind: 'tls', material });
  }

  onAddress(answer: AddressAnswer): void {
    this.#post({ kind: 'address', answer });
  }

  change(change: MemberChange | VersionRaise): void {
    this.#post({ kind: 'change', change });
  }

  bootstrap(order: BootstrapOrder): void {
    this.#post({ kind: 'bootstrap', order });
  }

  fence(error: SynodError): void {
    this.#post({ kind: 'fence', error: errorToData(error) });
  }

  async close(): Promise<void> {
    this.#post({ kind: 'close' });
    await this.#exited;
  }

  /** Null where no descriptor is left, say: the engine is woken by messages then. Thrown here, it would end the process. */
  #openSender(addon: NativeAddon, wakeFd: number): NativeEventSender | null {
    try {
      return addon.openEventSender(wakeFd);
    } catch (error) {
      this.#logger.warn({ error }, 'no event to wake the engine by');
      return null;
    }
  }

  #post(message: ToWorker): void {
    if (!this.#gone) this.#port.postMessage(message);
  }

  #onMessage(message: FromWorker): void {
    switch (message.kind) {
      case 'opened': {
        this.blockBytes = message.blockBytes;
        const { addon } = loadAddon();
        if (addon !== null && message.wakeFd >= 0) this.#sender = this.#openSender(addon, message.wakeFd);
        this.#settleOpen.resolve(this);
        break;
      }
      case 'failed':
        this.#settleOpen.reject(errorFromData(message.error));
        this.#onGone(errorFromData(message.error));
        break;
      case 'event':
        this.#handler.onEvent(message.event);
        break;
      case 'fenced':
        this.#handler.onEvent({ kind: 'fenced', error: errorFromData(message.error) });
        break;
      case 'log':
        this.#logger[message.level](message.fields, message.event);
        break;
      case 'wake':
        this.#handler.onWake();
        break;
      case 'status':
        this.#answer(message.request, message.status);
        break;
      case 'health':
        this.#answer(message.request, message.members);
        break;
      case 'closed':
        this.#onGone(new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed'));
        break;
      default:
        message satisfies never;
    }
  }

  #answer(request: number, answer: unknown): void {
    this.#waiting.get(request)?.resolve(answer as never);
    this.#waiting.delete(request);
  }

  /** The worker says nothing any more. */
  #onGone(error: SynodError): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#event?.close();
    this.#sender?.close();
    this.#port.close();
    for (const { reject } of this.#waiting.values())
      reject(new SynodError('ERR_SYNOD_CLOSED', error.message));
    this.#waiting.clear();
    this.#settleOpen.reject(error);
    // After a regular close nobody minds.
    this.#handler.onEvent({ kind: 'fenced', error });
  }
}
