/** The public API. */

export { CommandBatch } from './command-batch.js';
export type { DiskState, MemberHealth } from './engine/health.js';
export { type ErrorCode, type Outcome, SynodError } from './errors.js';
export { Histogram } from './histogram.js';
export type { Limits } from './limits.js';
export type { LogFunction, Logger, LoggerOptions, LogLevel } from './logger.js';
export { createLogger } from './logger.js';
export type {
  AlertOptions,
  CheckpointOptions,
  EngineOption,
  LeadershipOptions,
  LeaseOptions,
  MemberOptions,
  ReplicaOptions,
  ResolveMember,
  StorageOption,
  StorageOptions,
  TransportOption,
  TransportOptions,
} from './options.js';
export {
  type BootstrapOptions,
  type BootstrapResult,
  type ChangeOptions,
  type CheckpointCopy,
  type ConfigurationMember,
  type Consistency,
  type CopyOptions,
  type DiskAlert,
  type DiskAlertKind,
  type MemberSet,
  type MemberSetChange,
  type PromoteOptions,
  type RaiseOptions,
  type ReadOptions,
  type ReadResult,
  type RelinquishOptions,
  Replica,
  type ReplicaEvents,
  type ReplicaRole,
  type ReplicaStatus,
  type ReplicateOptions,
} from './replica.js';
export type { CommandView, Decree, StateMachine } from './state-machine.js';
export { type CounterName, type Counters, type StageName, Statistics, stageNames } from './statistics.js';
export { parseToken, type Token } from './token.js';
export type { TlsOptions } from './transport/tls.js';
