/** One replica of a benchmark, in a process of its own, told by its parent what to do. */

import { createLogger, Replica, type ReplicaOptions, type ReplicaStatus, type StateMachine } from 'synod';
import { Latencies, type Percentiles } from './percentiles.js';

export type ReplicaSettings = Required<
  Pick<ReplicaOptions, 'cluster' | 'replica' | 'members' | 'dataDir' | 'storage' | 'transport' | 'engine'>
>;

export interface LoadResult {
  readonly commands: number;
  readonly seconds: number;
  readonly decrees: number;
  readonly latencyUs: Percentiles;
}

export type ReplicaCommand =
  | { readonly kind: 'open'; readonly settings: ReplicaSettings }
  | { readonly kind: 'load'; readonly size: number; readonly outstanding: number; readonly seconds: number }
  | { readonly kind: 'status' }
  | { readonly kind: 'usage' }
  | { readonly kind: 'close' };

export type ReplicaReport =
  | { readonly kind: 'opened' }
  | { readonly kind: 'loaded'; readonly result: LoadResult }
  | { readonly kind: 'status'; readonly status: ReplicaStatus }
  | { readonly kind: 'usage'; readonly cpuSeconds: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string };

/** Adds up the first byte of each command: enough that no replica can skip reading them. */
class Sum implements StateMachine<number> {
  #count = 0;
  #sum = 0;

  apply(decree: Parameters<StateMachine<number>['apply']>[0]): void {
    const { bytes } = decree;
    for (let index = 0; index < decree.count; index += 1) {
      this.#count += 1;
      this.#sum = (this.#sum + bytes[decree.start(index)]!) | 0;
      decree.reply(index, this.#count);
    }
  }

  digest(): string {
    return `${this.#count}:${this.#sum}`;
  }
}

let replica: Replica<number> | null = null;

function send(report: ReplicaReport): void {
  process.send!(report);
}

async function load(size: number, outstanding: number, seconds: number): Promise<LoadResult> {
  const target = replica!;
  const command = new Uint8Array(size).fill(7);
  const latencies = new Latencies();
  const decreesBefore = (await target.status()).chosen;
  const started = performance.now();
  let isOver = false;
  setTimeout(() => {
    isOver = true;
  }, seconds * 1000);
  let commands = 0;
  const client = async (_: unknown, index: number): Promise<void> => {
    // The clock costs a tenth of what a command does: one client in sixteen is timed.
    const isTimed = index % 16 === 0;
    while (!isOver) {
      const before = isTimed ? performance.now() : 0;
      await target.replicate(command);
      if (isTimed) latencies.add((performance.now() - before) * 1000);
      commands += 1;
    }
  };
  await Promise.all(Array.from({ length: outstanding }, client));
  const elapsed = (performance.now() - started) / 1000;
  const decrees = (await target.status()).chosen - decreesBefore;
  return { commands, seconds: elapsed, decrees, latencyUs: latencies.percentiles() };
}

async function obey(command: ReplicaCommand): Promise<void> {
  switch (command.kind) {
    case 'open':
      replica = await Replica.open(
        { ...command.settings, logger: createLogger({ replica: command.settings.replica, level: 'warn' }) },
        new Sum(),
      );
      send({ kind: 'opened' });
      break;
    case 'load':
      send({ kind: 'loaded', result: await load(command.size, command.outstanding, command.seconds) });
      break;
    case 'status':
      send({ kind: 'status', status: await replica!.status() });
      break;
    case 'usage': {
      const { user, system } = process.cpuUsage();
      send({ kind: 'usage', cpuSeconds: (user + system) / 1e6 });
      break;
    }
    case 'close':
      await replica!.close();
      send({ kind: 'closed' });
      process.disconnect();
      break;
    default:
      command satisfies never;
  }
}

process.on('message', (command: ReplicaCommand) => {
  obey(command).catch((error: unknown) => send({ kind: 'failed', message: String(error) }));
});
