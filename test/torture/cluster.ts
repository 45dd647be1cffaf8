/** A cluster that is tortured: made, asked how it is, and waited for. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../cluster/support/cluster.js';
import type { Random } from '../cluster/support/random.js';
import type { Network } from './network/network.js';
import { ReplicaProcess } from './replica-process.js';
import type { SmallDisk } from './small-disk.js';

/** How a replica is run; another one at its next start is fine. */
export interface ReplicaSetting {
  readonly storage: string;
  readonly transport: string;
  readonly engine: string;
  /** Of `checkpoints`: small ones, so that many are made. */
  readonly checkpoints: { readonly everyBytes: number; readonly everyMs?: number; readonly retain: number };
  /** Without the addon: then storage and transport are portable ones. */
  readonly portable: boolean;
}

/** Kinds that work here and that this run may use. */
export interface Choices {
  readonly storages: readonly string[];
  readonly transports: readonly string[];
}

export interface ClusterSetting {
  readonly segmentBytes: number;
  readonly replicas: readonly ReplicaSetting[];
  readonly choices: Choices;
  readonly smallDisk: SmallDiskSetting;
  readonly clocks: Clocks;
}

/** The file that sets a replica's clock, and the environment that makes it do so; or why there is none. */
export interface Clocks {
  readonly pathOf: ((id: string) => string) | null;
  readonly environmentOf: ((id: string) => NodeJS.ProcessEnv) | null;
  readonly obstacle: string | null;
}

/** The replica whose data is on a file system of its own, or why there is none. */
export interface SmallDiskSetting {
  readonly id: string | null;
  readonly disk: SmallDisk | null;
  readonly obstacle: string | null;
}

const MEBIBYTE = 1024 * 1024;
/** All processes measure time by one clock, which no fault changes. */
const CLOCK_DRIFT_MAX = 0.01;
/** The most that there may be between two checkpoints: no run comes so far. */
const CHECKPOINT_BYTES_NEVER = 1024 * 1024 * MEBIBYTE;

export const replicaIds: readonly string[] = ['a', 'b', 'c', 'd', 'e'];

export function drawSetting({ storages, transports }: Choices, random: Random): ReplicaSetting {
  const setting = {
    storage: random.pick(storages),
    transport: random.pick(transports),
    engine: random.pick(['worker', 'worker', 'worker', 'inline']),
    portable: random.below(6) === 0,
    checkpoints: drawCheckpoints(random),
  };
  const { portable } = setting;
  return portable && storages.includes('file')
    ? { ...setting, storage: 'file', transport: 'tcp' }
    : { ...setting, portable: false };
}

/** Often one each second, though there is little to drop; or by bytes alone. */
function drawCheckpoints(random: Random): ReplicaSetting['checkpoints'] {
  const everyMs = random.pick([1000, 3000, null]);
  const retain = random.pick([1, 2]);
  return { everyBytes: MEBIBYTE, ...(everyMs === null ? {} : { everyMs }), retain };
}

export function describeSetting({ storage, transport, engine, portable }: ReplicaSetting): string {
  return `${storage}/${transport}${engine === 'inline' ? '/inline' : ''}${portable ? '/portable' : ''}`;
}

export class TortureCluster {
  readonly folder: string;
  readonly network: Network;
  readonly setting: ClusterSetting;
  readonly replicas: readonly ReplicaProcess[];
  /** Ids of those that a fault is at work on. */
  readonly busy = new Set<string>();
  /** The id of the one whose disk was lost since the last quiet point: never more than one, so that no majority is. */
  diskLost: string | null = null;

  private constructor(
    folder: string,
    network: Network,
    setting: ClusterSetting,
    replicas: readonly ReplicaProcess[],
  ) {
    this.folder = folder;
    this.network = network;
    this.setting = setting;
    this.replicas = replicas;
  }

  /** Makes folders and configurations; starts nothing. */
  static async plan(
    folder: string,
    network: Network,
    setting: ClusterSetting,
    ports: { readonly peerPortOf: (id: string) => number; readonly kvPortOf: (id: string) => number },
    program: string,
  ): Promise<TortureCluster> {
    const ids = replicaIds.slice(0, setting.replicas.length);
    await network.open(ids);
    mkdirSync(folder, { recursive: true });
    const replicas = setting.replicas.map((replicaSetting, index) => {
      const id = ids[index]!;
      const host = network.hostOf(id);
      const replica = new ReplicaProcess(
        {
          id,
          host,
          kvPort: ports.kvPortOf(id),
          configPath: join(folder, `${id}.json`),
          logPath: join(folder, `${id}.log`),
          command: network.commandOf(id),
          program,
        },
        {
          cluster: 'torture',
          replica: id,
          members: ids.map((other) => ({ id: other, address: network.addressOf(id, other) })),
          dataDir: join(folder, id),
          leases: { clockDriftMax: CLOCK_DRIFT_MAX },
          kv: { listen: `${host}:${ports.kvPortOf(id)}`, administration: 'any' },
        },
      );
      configure(replica, replicaSetting, setting);
      mkdirSync(replica.dataDir, { recursive: true });
      return replica;
    });
    return new TortureCluster(folder, network, setting, replicas);
  }

  get running(): readonly ReplicaProcess[] {
    return this.replicas.filter(({ state }) => state === 'running');
  }
  get majority(): number {
    return Math.floor(this.replicas.length / 2) + 1;
  }

  /** Statuses of those that answer. */
  async statuses(): Promise<Status[]> {
    const answers = await Promise.all(this.replicas.map((replica) => replica.status()));
    return answers.filter((status) => status !== null);
  }

  /** The one that most take for the primary now, or null. */
  async primary(): Promise<ReplicaProcess | null> {
    const statuses = await this.statuses();
    const leader = statuses.find(({ role, replica }) => role === 'primary' && !this.busy.has(replica));
    return this.replicas.find(({ id }) => id === leader?.replica) ?? null;
  }

  /** Starts and resumes whatever does not run. */
  startAll(): void {
    for (const replica of this.replicas) {
      if (replica.state === 'ended') replica.start();
      replica.resume();
    }
  }

  /** Resolves once all replicas are voting members that have applied the same; null where they do not in time, or one ended. */
  async untilSettled(timeoutMs: number): Promise<readonly Status[] | null> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const statuses = await this.statuses();
      if (statuses.length === this.replicas.length && isSettled(statuses)) return statuses;
      if (performance.now() > end || this.replicas.some(({ state }) => state === 'ended')) return null;
      await delay(50);
    }
  }

  /** Ends all processes at once. */
  async endAll(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.end('SIGKILL')));
  }
}

/** What holds from the next start of the replica on. */
export function configure(
  replica: ReplicaProcess,
  { storage, transport, engine, portable, checkpoints }: ReplicaSetting,
  { segmentBytes, clocks }: ClusterSetting,
): void {
  replica.config = {
    ...replica.config,
    storage: { kind: storage, segmentBytes, ...(storage === 'pmem' ? { allowVolatile: true } : {}) },
    transport: { kind: transport },
    // What keeps nothing must not be kept alive by its checkpoints.
    checkpoints: storage === 'memory' ? { everyBytes: CHECKPOINT_BYTES_NEVER, retain: 1 } : checkpoints,
    engine,
  };
  replica.env = {
    ...(clocks.environmentOf?.(replica.id) ?? {}),
    ...(portable ? { SYNOD_NATIVE: '0' } : {}),
  };
}

function isSettled(statuses: readonly Status[]): boolean {
  const first = statuses[0]!;
  return (
    first.primary !== null &&
    statuses.every(
      ({ primary, configuration, role, applied, chosen }) =>
        (role === 'primary' || role === 'secondary') &&
        primary === first.primary &&
        configuration === first.configuration &&
        chosen === first.chosen &&
        applied === chosen,
    )
  );
}
