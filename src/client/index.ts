/** The client of a service, and what a service attaches to its replica for it. */

export { CommandBatch } from '../command-batch.js';
export { type ErrorCode, type Outcome, SynodError } from '../errors.js';
export { Client } from './client.js';
export type { ClientOptions } from './client-options.js';
export type { ResultBatch } from './request.js';
export {
  type ClientService,
  type ClientServiceStatistics,
  type ServedReplica,
  serveClients,
} from './service.js';
export type { ClientServiceEvent, ClientServiceOptions, EncodeResult } from './service-options.js';
