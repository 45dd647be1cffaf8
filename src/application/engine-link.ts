/** The application's way to its engine: in a worker thread, or on this thread. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { AddressAnswer } from '../engine/address-resolver.js';
import type { Bridge } from '../engine/bridge.js';
import { brokenContract } from '../engine/broken-contract.js';
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
import { SynodError, textOf } from '../errors.js';
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

/** In a worker thread. Rejects with `ERR_SYNOD_FENCED` where that cannot be started, or ends before the engine is open. */
export async function openWorker(
  options: HostOptions,
  bridge: Bridge,
  logger: Logger,
  handler: EngineLinkHandler,
): Promise<EngineLink> {
  return await new WorkerLink(startThread(options, bridge, handler), logger, handler).opened;
}

interface EngineThread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly event: NativeEvent | null;
}

function startThread(options: HostOptions, bridge: Bridge, handler: EngineLinkHandler): EngineThread {
  const { port1, port2 } = new MessageChannel();
  let event: NativeEvent | null = null;
  try {
    const { addon } = loadAddon();
    // Without one each end wakes the other by a message.
    event = createEventIfAny(addon, () => handler.onWake());
    const settings: WorkerSettings = { options, bridge: bridge.buffer, wakeFd: event?.fd ?? -1 };
    const file = workerFile();
    const asText = takesTextOnly();
    const worker = new Worker(asText ? `import(${JSON.stringify(file.href)})` : file, {
      eval: asText,
      workerData: { settings, port: port2 },
      transferList: [port2],
      name: `synod engine ${options.replica}`,
    });
    return { worker, port: port1, event };
  } catch (error) {
    // Node may forbid threads, or no descriptor be left. What is open would keep the process alive.
    event?.close();
    port1.close();
    throw new SynodError('ERR_SYNOD_FENCED', `the engine's thread cannot be started: ${textOf(error)}`, {
      cause: error,
    });
  }
}

/** The worker runs compiled code, also where this module was loaded from its source. */
function workerFile(): URL {
  const beside = new URL('../engine/worker.js', import.meta.url);
  if (existsSync(fileURLToPath(beside))) return beside;
  return new URL('../../dist/engine/worker.js', import.meta.url);
}

/** With `--input-type`, which threads inherit, Node runs programs that are given as text, and refuses files. */
function takesTextOnly(): boolean {
  return [process.env.NODE_OPTIONS ?? '', ...process.execArgv].some((one) => one.includes('--input-type'));
}

/**
 * An engine that is closed holds nothing any more. Its thread ends at once, or when the system has answered where a host is, which takes long
 * where nobody answers: that is not waited for.
 */
const THREAD_END_MS = 1_000;

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
  /** The thread has ended, or is closed and lasts. */
  readonly #ended: Promise<void>;
  #end: () => void = () => {};
  #endTimer: NodeJS.Timeout | undefined;
  readonly #mailbox: Mailbox<FromWorker>;
  /** Why the worker says nothing any more; null as long as it may. */
  #gone: SynodError | null = null;

  constructor({ worker, port, event }: EngineThread, logger: Logger, handler: EngineLinkHandler) {
    this.#handler = handler;
    this.#logger = logger;
    this.#worker = worker;
    this.#port = port;
    this.#event = event;
    this.#mailbox = new Mailbox({
      receive: () => receiveMessageOnPort(port),
      isOfMemory: (message) => message.kind === 'event' && isOfMemory(message.event),
      take: (message) => this.#take(message),
      later: (call) => void setImmediate(call),
    });
    this.#settleOpen = { resolve: () => {}, reject: () => {} };
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpen = { resolve, reject };
    });
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#worker.once('exit', (code) => {
      // Of an application that is busy it ends before its last words are heard: why the engine was not opened, say.
      this.#mailbox.takeRest();
      this.#onGone(new SynodError('ERR_SYNOD_FENCED', `the engine's thread ended with code ${code}`));
      // Not before: whoever hears that opening failed gives the data directory back, and nothing may be written there any more.
      this.#settleOpen.reject(this.#gone!);
      clearTimeout(this.#endTimer);
      this.#end();
    });
    this.#worker.once('error', (error) => {
      this.#mailbox.takeRest();
      this.#onGone(
        new SynodError('ERR_SYNOD_FENCED', `the engine's thread failed: ${String(error)}`, { cause: error }),
      );
    });
    port.on('message', (message: FromWorker) => this.#mailbox.onMessage(message));
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
      if (this.#gone !== null) {
        reject(this.#gone);
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
    await this.#ended;
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
    if (this.#gone === null) this.#port.postMessage(message);
  }

  /** From the event loop: what is thrown there would end the process. */
  #take(message: FromWorker): void {
    try {
      this.#onMessage(message);
    } catch (cause) {
      const error = brokenContract(cause);
      this.fence(error);
      this.#handler.onEvent({ kind: 'fenced', error });
    }
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
        this.#worker.unref();
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
        // Nor need the process wait.
        this.#worker.unref();
        this.#endTimer = setTimeout(this.#end, THREAD_END_MS);
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
    if (this.#gone !== null) return;
    this.#gone = error;
    this.#event?.close();
    this.#sender?.close();
    this.#port.close();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    // After a regular close nobody minds.
    this.#handler.onEvent({ kind: 'fenced', error });
  }
}
