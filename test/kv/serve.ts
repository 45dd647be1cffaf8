/** Servers over fake replicas, and clients of them, that a test opens and does not have to close. */

import { expect } from 'vitest';
import type { ReplicaLike } from '../../src/kv/replica-like.js';
import { KeyValueServer } from '../../src/kv/server.js';
import type { KeyValueServerEvent, KeyValueServerOptions } from '../../src/kv/server-options.js';
import { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import { BatchingReplica, InstantReplica } from './fake-replica.js';
import { RawClient } from './raw-client.js';

const open: { close(): Promise<void> }[] = [];
const clients: RawClient[] = [];
/** Closes what a test has opened. */
export async function closeAll(): Promise<void> {
  for (const client of clients.splice(0)) client.destroy();
  for (const server of open.splice(0)) await server.close();
}

export async function serve<R extends ReplicaLike>(
  makeReplica: (machine: KeyValueStateMachine) => R,
  options: KeyValueServerOptions = {},
): Promise<{
  server: KeyValueServer;
  replica: R;
  port: number;
  events: KeyValueServerEvent[];
  machine: KeyValueStateMachine;
}> {
  const machine = new KeyValueStateMachine();
  const replica = makeReplica(machine);
  const events: KeyValueServerEvent[] = [];
  const server = new KeyValueServer(
    replica,
    { closeTimeoutMs: 200, onEvent: (event) => events.push(event), ...options },
    machine,
  );
  open.push(server);
  const { port, host } = await server.listen('127.0.0.1:0');
  expect(host).toBe('127.0.0.1');
  return { server, replica, port, events, machine };
}

export async function connect(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  clients.push(client);
  return client;
}

export const instant = (machine: KeyValueStateMachine): InstantReplica => new InstantReplica(machine);
export const batching = (machine: KeyValueStateMachine): BatchingReplica => new BatchingReplica(machine);
