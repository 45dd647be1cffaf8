/** One replica of a benchmark, in a process of its own, told by its parent what to do. */

import { readFileSync } from 'node:fs';
import { createLogger, Replica, type ReplicaOptions, type ReplicaStatus, type StateMachine } from 'synod';
import { type ClientService, serveClients } from 'synod/client';
import { drive, type LoadResult, type LoadSettings } from './load.js';

export type ReplicaSettings = Required<
  Pick<ReplicaOptions, 'cluster' | 'replica' | 'members' | 'dataDir' | 'storage' | 'transport' | 'engine'>
> &
  Pick<ReplicaOptions, 'limits'>;

export interface Usage {
  readonly cpuSeconds: number;
  /** Calls of read and write alike, as the kernel counts them; those of io_uring are none. */
  readonly readsAndWrites: number;
  readonly contextSwitches: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
  /** Of it, what no file lies behind: all but the mapped log, and programs. */
  readonly anonymousBytes: number;
}

export type ReplicaCommand =
  | { readonly kind: 'open'; readonly settings: ReplicaSettings; readonly keepsLog: boolean }
  | { readonly kind: 'serve' }
  | { readonly kind: 'load'; readonly settings: LoadSettings }
  | { readonly kind: 'status' }
  | { readonly kind: 'usage' }
  | { readonly kind: 'close' };

export type ReplicaReport =
  | { readonly kind: 'opened' }
  | { readonly kind: 'serving'; readonly port: number }
  | { readonly kind: 'loaded'; readonly result: LoadResult }
  | { readonly kind: 'status'; readonly status: ReplicaStatus }
  | { readonly kind: 'usage'; readonly usage: Usage }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string };

/** Adds up the first byte of each command: enough that no replica can skip reading them. */
class Sum implements StateMachine<number> {
  count = 0;
  sum = 0;

  apply(decree: Parameters<StateMachine<number>['apply']>[0]): void {
    const { bytes } = decree;
    for (let index = 0; index < decree.count; index += 1) {
      this.count += 1;
      this.sum = (this.sum + bytes[decree.start(index)]!) | 0;
      decree.reply(index, this.count);
    }
  }

  digest(): string {
    return `${this.count}:${this.sum}`;
  }
}

/** With checkpoints, so that the log is dropped behind them: a run of any length fits on the disk. */
class KeptSum extends Sum {
  *takeCheckpoint(): Iterable<Uint8Array> {
    yield new Uint8Array(new Float64Array([this.count, this.sum]).buffer);
  }

  async restore(state: AsyncIterable<Uint8Array>): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of state) pieces.push(piece.slice());
    const bytes = new Uint8Array(Buffer.concat(pieces));
    const [count, sum] = new Float64Array(bytes.buffer);
    this.count = count ?? 0;
    this.sum = sum ?? 0;
  }
}

let replica: Replica<number> | null = null;
let service: ClientService<number> | null = null;

function send(report: ReplicaReport): void {
  process.send!(report);
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const { voluntaryContextSwitches, involuntaryContextSwitches } = process.resourceUsage();
  const { heapUsed, rss } = process.memoryUsage();
  const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const counted = /syscr: (\d+)\nsyscw: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'));
  return {
    cpuSeconds: (user + system) / 1e6,
    readsAndWrites: counted === null ? 0 : Number(counted[1]) + Number(counted[2]),
    contextSwitches: voluntaryContextSwitches + involuntaryContextSwitches,
    heapBytes: heapUsed,
    residentBytes: rss,
    anonymousBytes: anonymous === null ? 0 : Number(anonymous[1]) * 1024,
  };
}

async function obey(command: ReplicaCommand): Promise<void> {
  switch (command.kind) {
    case 'open':
      replica = await Replica.open(
        { ...command.settings, logger: createLogger({ replica: command.settings.replica, level: 'warn' }) },
        command.keepsLog ? new Sum() : new KeptSum(),
      );
      send({ kind: 'opened' });
      break;
    case 'serve':
      service = await serveClients(replica!, {
        cluster: 'bench',
        port: 0,
        resultBytesMax: 8,
        encodeResult: (count, _bytes, view, at) => {
          view.setFloat64(at, count, true);
          return at + 8;
        },
      });
      send({ kind: 'serving', port: service.port });
      break;
    case 'load': {
      const target = replica!;
      const result = await drive(
        {
          one: (bytes) => target.replicate(bytes),
          many: (commands) => target.replicateBatch(commands),
        },
        command.settings,
      );
      send({ kind: 'loaded', result });
      break;
    }
    case 'status':
      send({ kind: 'status', status: await replica!.status() });
      break;
    case 'usage':
      send({ kind: 'usage', usage: usage() });
      break;
    case 'close':
      await service?.close();
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
process.on('disconnect', () => process.exit(0));
