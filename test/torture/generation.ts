/** One cluster's life in a run: made with settings drawn from the seed, tortured in epochs with a quiet point after each, removed. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { takePorts } from '../cluster/support/cluster.js';
import { Random } from '../cluster/support/random.js';
import type { TortureOptions } from './arguments.js';
import {
  checkDigests,
  checkHistory,
  checkLogs,
  checkUsage,
  type Finding,
  Ledger,
  type UsageMaxima,
} from './checks.js';
import { Load } from './clients.js';
import {
  type ClusterSetting,
  describeSetting,
  drawSetting,
  type ReplicaSetting,
  replicaIds,
  TortureCluster,
} from './cluster.js';
import { clockEnvironment } from './faults/clocks.js';
import type { FaultKind } from './faults/fault.js';
import { History } from './history.js';
import type { Machine } from './machine.js';
import { Nemesis } from './nemesis.js';
import { NetnsNetwork } from './network/netns-network.js';
import type { Network, NetworkKind } from './network/network.js';
import { ProxyNetwork } from './network/proxy-network.js';
import { measureRecovery, type Recovery } from './recovery.js';
import { SmallDisk } from './small-disk.js';

const MEBIBYTE = 1024 * 1024;
const CLIENTS = 6;
const EPOCH_MS = 20_000;
const READY_MS_MAX = 60_000;
/** After the last fault was healed everybody must serve again, within this time. */
const RECOVERY_MS_MAX = 60_000;
const SETTLE_MS_MAX = 60_000;
const USAGE_MS = 2000;
export const usageBounds: UsageMaxima = { residentBytes: 512 * MEBIBYTE, descriptors: 256 };

export interface GenerationPlan {
  readonly number: number;
  readonly seed: number;
  readonly network: NetworkKind;
  readonly folder: string;
  readonly minutes: number;
}

export class Generation {
  readonly plan: GenerationPlan;
  readonly history = new History();
  readonly recoveries: Recovery[] = [];
  readonly maxima: UsageMaxima = { residentBytes: 0, descriptors: 0 };
  readonly nemesis: Nemesis;
  /** Quiet points that were reached. */
  epochs = 0;
  /** For people: what the cluster is. */
  description = '';
  readonly #options: TortureOptions;
  readonly #machine: Machine;
  readonly #ledger = new Ledger();
  readonly #found: Finding[] = [];
  #network: Network | null = null;
  #disk: SmallDisk | null = null;
  #cluster: TortureCluster | null = null;
  #load: Load | null = null;
  #stopping = false;

  constructor(
    plan: GenerationPlan,
    options: TortureOptions,
    machine: Machine,
    kinds: readonly FaultKind[],
    nowMs: () => number,
  ) {
    this.plan = plan;
    this.#options = options;
    this.#machine = machine;
    this.nemesis = new Nemesis({
      kinds,
      seed: plan.seed,
      nowMs,
      onHealed: () => this.#recover(),
      onFailure: (text) => this.#found.push({ check: 'fault-effect', text }),
    });
  }

  /** Runs to its end, or to the first quiet point with findings; yields them. */
  async run(): Promise<readonly Finding[]> {
    const cluster = await this.#make();
    const end = performance.now() + this.plan.minutes * 60_000;
    for (const replica of cluster.replicas) replica.start();
    if ((await cluster.untilSettled(READY_MS_MAX)) === null) {
      const text = `no cluster within ${READY_MS_MAX} ms after the first start`;
      return this.#stopping ? [] : [{ check: 'convergence', text }, ...checkLogs(cluster.replicas)];
    }
    const load = new Load(cluster, this.history, {
      clients: CLIENTS,
      perSecond: this.#options.rate,
      seed: this.plan.seed,
    });
    this.#load = load;
    const usage = setInterval(
      () => this.#found.push(...checkUsage(cluster, this.maxima, usageBounds)),
      USAGE_MS,
    );
    try {
      while (performance.now() < end && this.#found.length === 0 && !this.#stopping) {
        load.start();
        await this.nemesis.torture(cluster, Math.min(EPOCH_MS, Math.max(0, end - performance.now())));
        await load.stop();
        if (!this.#stopping) await this.#judge(cluster, performance.now() >= end);
      }
    } finally {
      clearInterval(usage);
      load.abort();
    }
    return this.#found;
  }

  /** What is at work now. */
  get active(): readonly string[] {
    return this.nemesis.active;
  }

  /** The end of each replica's log, for a report. */
  get lastLines(): readonly string[] {
    return (this.#cluster?.replicas ?? []).flatMap(({ id, state, lastLines }) => [
      `--- ${id} (${state})`,
      ...lastLines.slice(-20),
    ]);
  }

  /** The run is broken off: nothing more is judged. */
  stop(): void {
    this.#stopping = true;
    this.nemesis.stop();
    this.#load?.abort();
  }

  /** Ends all processes and gives back what was made, but the folder. Synchronous, for exit handlers too. */
  dispose(): void {
    this.stop();
    for (const replica of this.#cluster?.replicas ?? []) replica.endNow();
    this.#network?.dispose();
  }

  /** The file system in memory goes; with `keep`, what is on it is copied to where it was mounted. */
  unmount(keep: boolean): void {
    this.#disk?.dispose(keep);
  }

  async #make(): Promise<TortureCluster> {
    const { plan } = this;
    const random = new Random(plan.seed);
    const setting = this.#draw(random);
    const count = setting.replicas.length;
    const ports = await takePorts(2 * count);
    const peerPortOf = (id: string): number => ports[2 * replicaIds.indexOf(id)]!;
    const kvPortOf = (id: string): number => ports[2 * replicaIds.indexOf(id) + 1]!;
    const network =
      plan.network === 'proxy' ? new ProxyNetwork(peerPortOf) : new NetnsNetwork(peerPortOf, plan.number);
    this.#network = network;
    const { program } = this.#options;
    const cluster = await TortureCluster.plan(
      plan.folder,
      network,
      setting,
      { peerPortOf, kvPortOf },
      program,
    );
    this.#cluster = cluster;
    const kinds = setting.replicas.map(describeSetting);
    this.description = `${count} replicas (${kinds.join(' ')}), ${plan.network}, segments of ${setting.segmentBytes / MEBIBYTE} MiB`;
    return cluster;
  }

  #draw(random: Random): ClusterSetting {
    const { folder } = this.plan;
    const { choices, clockLibrary, noClocks, noSmallDisk } = this.#machine;
    const count = this.#options.replicas ?? (random.below(3) === 0 ? 5 : 3);
    const segmentBytes = random.pick([1, 4, 4, 16]) * MEBIBYTE;
    mkdirSync(folder, { recursive: true });
    const clockOf = (id: string): string => join(folder, `${id}.clock`);
    const replicas = replicaIds.slice(0, count).map((id): ReplicaSetting => {
      writeFileSync(clockOf(id), '+0\n');
      return drawSetting(choices, random);
    });
    const small = replicaIds[random.below(count)]!;
    this.#disk = noSmallDisk === null ? new SmallDisk(join(folder, small)) : null;
    return {
      segmentBytes,
      replicas,
      choices,
      smallDisk: { id: this.#disk === null ? null : small, disk: this.#disk, obstacle: noSmallDisk },
      clocks: {
        pathOf: clockLibrary === null ? null : clockOf,
        environmentOf: clockLibrary === null ? null : (id) => clockEnvironment(clockLibrary, clockOf(id)),
        obstacle: noClocks,
      },
    };
  }

  async #recover(): Promise<void> {
    if (this.#stopping) return;
    const recovery = await measureRecovery(this.#cluster!, RECOVERY_MS_MAX);
    if (recovery !== null) this.recoveries.push(recovery);
    else if (!this.#stopping) {
      const ended = this.#cluster!.replicas.filter(({ state }) => state === 'ended').map(({ id }) => id);
      const text =
        ended.length > 0
          ? `ended by themselves: ${ended.join(' ')}`
          : `not all replicas serve ${RECOVERY_MS_MAX} ms after the last fault was healed`;
      this.#found.push({ check: 'recovery', text });
      this.nemesis.stop();
    }
  }

  async #judge(cluster: TortureCluster, last: boolean): Promise<void> {
    const random = new Random(this.plan.seed + this.epochs);
    cluster.startAll();
    const statuses = await cluster.untilSettled(SETTLE_MS_MAX);
    if (statuses === null) {
      const now = JSON.stringify(await cluster.statuses());
      this.#found.push({
        check: 'convergence',
        text: `not settled, at most ${SETTLE_MS_MAX} ms later: ${now}`,
      });
    } else {
      this.#found.push(...checkDigests(statuses));
      this.#found.push(...(await checkHistory(this.history, random.pick(cluster.replicas), this.#ledger)));
      if (last) this.#found.push(...(await this.#ledger.check(random.pick(cluster.replicas))));
      cluster.diskLost = null;
    }
    // What replicas write at last has a moment to come.
    await delay(50);
    this.#found.push(...checkLogs(cluster.replicas));
    this.epochs += 1;
  }
}
