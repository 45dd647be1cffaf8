/** The engine's worker thread. */

import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Logger } from '../logger.js';
import { createEventIfAny, loadAddon } from '../native/addon.js';
import { Bridge } from './bridge.js';
import type { EngineHost } from './host.js';
import { openEngine } from './host.js';
import { Mailbox } from './mailbox.js';
import {
  errorFromData,
  errorToData,
  type FromWorker,
  type ToWorker,
  type WorkerSettings,
} from './messages.js';

const { settings, port } = workerData as { settings: WorkerSettings; port: MessagePort };
const outbox = new Map<number, Uint8Array>();
const { addon } = loadAddon();
const sender = addon === null || settings.wakeFd < 0 ? null : addon.openEventSender(settings.wakeFd);
let host: EngineHost | null = null;
let isClosing = false;

function post(message: FromWorker): void {
  port.postMessage(message);
}

function plain(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? errorToData(value) : value]),
  );
}

function log(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal') {
  return (fields: object, event: string): void => post({ kind: 'log', level, fields: plain(fields), event });
}

const logger: Logger = {
  trace: log('trace'),
  debug: log('debug'),
  info: log('info'),
  warn: log('warn'),
  error: log('error'),
  fatal: log('fatal'),
};

function onMessage(message: ToWorker): void {
  switch (message.kind) {
    case 'outbox':
      outbox.set(message.chunk, new Uint8Array(message.buffer));
      break;
    case 'wake':
      host?.wake();
      break;
    case 'status':
      if (host !== null) post({ kind: 'status', request: message.request, status: host.engine.status() });
      break;
    case 'health':
      if (host !== null) post({ kind: 'health', request: message.request, members: host.engine.health });
      break;
    case 'checkpoint':
      host?.onCheckpoint(message.notice);
      break;
    case 'copy':
      host?.copyCheckpoint(message.order);
      break;
    case 'lead':
      host?.engine.lead(message.order);
      break;
    case 'tls':
      host?.setTls(message.material);
      break;
    case 'address':
      host?.onAddress(message.answer);
      break;
    case 'bootstrap':
      host?.engine.bootstrap(message.order);
      break;
    case 'change':
      host?.engine.change(message.change);
      break;
    case 'fence':
      host?.engine.fence(errorFromData(message.error));
      break;
    case 'close':
      void close();
      break;
    default:
      message satisfies never;
  }
}

async function close(): Promise<void> {
  isClosing = true;
  // Still opening: `open` closes when it gets there.
  if (host === null) return;
  await host.close();
  event?.close();
  sender?.close();
  post({ kind: 'closed' });
  port.close();
}

const mailbox = new Mailbox<ToWorker>({
  receive: () => receiveMessageOnPort(port),
  isOfMemory: ({ kind }) => kind === 'outbox',
  take: onMessage,
  later: (call) => void setImmediate(call),
});

const event = sender === null ? null : createEventIfAny(addon, () => host?.wake());

async function open(): Promise<void> {
  try {
    host = await openEngine(settings.options, {
      bridge: new Bridge(settings.bridge),
      logger,
      emit: (one) => {
        if (one.kind === 'fenced') post({ kind: 'fenced', error: errorToData(one.error) });
        else post({ kind: 'event', event: one });
      },
      wakeApplication: () => {
        if (sender !== null) sender.signal();
        else post({ kind: 'wake' });
      },
      outbox: (chunk) => {
        if (!outbox.has(chunk)) mailbox.hear();
        return outbox.get(chunk)!;
      },
    });
  } catch (error) {
    post({ kind: 'failed', error: errorToData(error) });
    event?.close();
    sender?.close();
    port.close();
    return;
  }
  post({ kind: 'opened', blockBytes: host.blockBytes, wakeFd: event?.fd ?? -1 });
  if (isClosing) await close();
}

port.on('message', (message: ToWorker) => mailbox.onMessage(message));
void open();
