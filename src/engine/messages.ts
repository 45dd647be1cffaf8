/** What the application's thread and the engine's worker send each other, beside the bridge. Plain data. */

import { type ErrorCode, SynodError, textOf } from '../errors.js';
import type { LogLevel } from '../logger.js';
import type { MemberChange, VersionRaise } from '../protocol/reconfiguration.js';
import type { TlsMaterial } from '../transport/tls.js';
import type { AddressAnswer } from './address-resolver.js';
import type { CopyOrder } from './checkpoint-demand.js';
import type { CheckpointNotice } from './checkpoints.js';
import type { LeadershipOrder } from './engine-leadership.js';
import type { EngineEvent, EngineStatus } from './engine-types.js';
import type { BootstrapOrder } from './first-configuration.js';
import type { MemberHealth } from './health.js';
import type { HostOptions } from './host.js';

/** The error behind one. Whoever hears of it may ask for the code of the system, which `structuredClone` leaves out. */
interface CauseData {
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly syscall?: string;
}

/** An error that survives `structuredClone`. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly path?: string;
  readonly offset?: number;
  readonly cause?: CauseData;
}

export function errorToData(error: unknown): ErrorData {
  if (!SynodError.is(error)) {
    return {
      code: 'ERR_SYNOD_CONTRACT',
      message: error instanceof Error ? (error.stack ?? error.message) : textOf(error),
    };
  }
  const { cause } = error;
  return {
    code: error.code,
    message: error.message,
    ...(error.path === undefined ? {} : { path: error.path }),
    ...(error.offset === undefined ? {} : { offset: error.offset }),
    ...(cause === undefined ? {} : { cause: causeToData(cause) }),
  };
}

function causeToData(cause: unknown): CauseData {
  if (!(cause instanceof Error)) return { message: textOf(cause) };
  const { message, stack, code, syscall } = cause as NodeJS.ErrnoException;
  return {
    message,
    ...(typeof stack === 'string' ? { stack } : {}),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof syscall === 'string' ? { syscall } : {}),
  };
}

export function errorFromData({ code, message, path, offset, cause }: ErrorData): SynodError {
  return new SynodError(code, message, {
    ...(path === undefined ? {} : { path }),
    ...(offset === undefined ? {} : { offset }),
    ...(cause === undefined ? {} : { cause: Object.assign(new Error(cause.message), cause) }),
  });
}

export interface WorkerSettings {
  readonly options: HostOptions;
  readonly bridge: SharedArrayBuffer;
  /** Descriptor of the application's wake-up event; -1 where wake-ups are messages. */
  readonly wakeFd: number;
}

export type ToWorker =
  | { readonly kind: 'outbox'; readonly chunk: number; readonly buffer: SharedArrayBuffer }
  | { readonly kind: 'wake' }
  | { readonly kind: 'status'; readonly request: number }
  | { readonly kind: 'health'; readonly request: number }
  | { readonly kind: 'checkpoint'; readonly notice: CheckpointNotice }
  | { readonly kind: 'copy'; readonly order: CopyOrder }
  | { readonly kind: 'lead'; readonly order: LeadershipOrder }
  | { readonly kind: 'tls'; readonly material: TlsMaterial }
  | { readonly kind: 'address'; readonly answer: AddressAnswer }
  | { readonly kind: 'bootstrap'; readonly order: BootstrapOrder }
  | { readonly kind: 'change'; readonly change: MemberChange | VersionRaise }
  | { readonly kind: 'fence'; readonly error: ErrorData }
  | { readonly kind: 'close' };

export type FromWorker =
  | { readonly kind: 'opened'; readonly blockBytes: number; readonly wakeFd: number }
  | { readonly kind: 'failed'; readonly error: ErrorData }
  | { readonly kind: 'event'; readonly event: Exclude<EngineEvent, { kind: 'fenced' }> }
  | { readonly kind: 'fenced'; readonly error: ErrorData }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly fields: object; readonly event: string }
  | { readonly kind: 'wake' }
  | { readonly kind: 'status'; readonly request: number; readonly status: EngineStatus }
  | { readonly kind: 'health'; readonly request: number; readonly members: readonly MemberHealth[] }
  | { readonly kind: 'closed' };
