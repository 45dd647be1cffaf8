/** One cluster of replica processes, and load from within the primary or from client processes. */

import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { EngineOption, ReplicaOptions, ReplicaStatus, StorageOption, TransportOption } from 'synod';
import { Child } from './child.js';
import type { ClientCommand, ClientReport } from './client-process.js';
import { freePort } from './free-port.js';
import type { LoadResult, LoadSettings } from './load.js';
import type { ReplicaCommand, ReplicaReport, ReplicaSettings, Usage } from './replica-process.js';

export interface ClusterSettings {
  readonly storage: string;
  readonly transport: string;
  readonly engine: string;
  readonly replicas: number;
  readonly load: string;
  readonly clients: number;
  readonly size: number;
  readonly outstanding: number;
  readonly batch: number;
  /** Commands given in a second; 0: a closed loop. */
  readonly rate: number;
  readonly form: 'array' | 'packed';
  /** `trim`: checkpoints are made, and the log is dropped behind them. */
  readonly log: 'trim' | 'keep';
  /** Of V8's young generation; 0: as Node has it, 16. */
  readonly semiSpace: number;
  /** What is not named is as it is by default. */
  readonly limits?: NonNullable<ReplicaOptions['limits']>;
  /** Parent of the data directories. */
  readonly dir: string;
  /** Gets what V8 prints of each collection of garbage in a replica's process. */
  readonly onCollection?: (replica: string, line: string) => void;
}

export interface Run {
  readonly loads: readonly LoadResult[];
  /** Before and after, of the primary and then of the others. */
  readonly status: readonly [before: ReplicaStatus, after: ReplicaStatus];
  readonly usage: readonly (readonly [before: Usage, after: Usage])[];
  readonly clientCpuSeconds: number;
}

type ReplicaChild = Child<ReplicaCommand, ReplicaReport>;
type ClientChild = Child<ClientCommand, ClientReport>;

export class BenchCluster {
  readonly #settings: ClusterSettings;
  readonly #root: string;
  readonly #replicas: ReplicaChild[] = [];
  readonly #clients: ClientChild[] = [];
  #primary: ReplicaChild | undefined;

  private constructor(settings: ClusterSettings) {
    this.#settings = settings;
    this.#root = mkdtempSync(path.join(settings.dir, 'synod-bench-'));
  }

  static async open(settings: ClusterSettings): Promise<BenchCluster> {
    const cluster = new BenchCluster(settings);
    try {
      await cluster.#open();
    } catch (error) {
      cluster.kill();
      throw error;
    }
    return cluster;
  }

  async #open(): Promise<void> {
    const {
      storage,
      transport,
      engine,
      replicas,
      load,
      clients,
      log,
      semiSpace,
      limits = {},
      onCollection,
    } = this.#settings;
    const ids = Array.from({ length: replicas }, (_, index) => `r${index + 1}`);
    const members: { id: string; address: string }[] = [];
    for (const id of ids) members.push({ id, address: `127.0.0.1:${await freePort()}` });
    await Promise.all(
      ids.map(async (id) => {
        const child: ReplicaChild = new Child(
          `replica ${id}`,
          './replica-process.js',
          semiSpace,
          onCollection === undefined ? undefined : (line) => onCollection(`replica ${id}`, line),
        );
        this.#replicas.push(child);
        const settings: ReplicaSettings = {
          cluster: 'bench',
          replica: id,
          members,
          dataDir: path.join(this.#root, id),
          storage: { kind: storage as StorageOption, allowVolatile: true },
          transport: { kind: transport as TransportOption },
          engine: engine as EngineOption,
          limits,
        };
        await child.ask({ kind: 'open', settings, keepsLog: log === 'keep' }, 'opened');
      }),
    );
    for (let attempt = 0; this.#primary === undefined; attempt += 1) {
      if (attempt > 300) throw new Error('no primary within 15 s');
      await new Promise((resolve) => setTimeout(resolve, 50));
      for (const child of this.#replicas) {
        if ((await child.ask({ kind: 'status' }, 'status')).status.role === 'primary') this.#primary = child;
      }
    }
    if (load !== 'network') return;
    const servers = await Promise.all(
      this.#replicas.map(async (child) => {
        const { port } = await child.ask({ kind: 'serve' }, 'serving');
        return { id: child.name.slice('replica '.length), address: `127.0.0.1:${port}` };
      }),
    );
    await Promise.all(
      Array.from({ length: clients }, async (_, index) => {
        const child: ClientChild = new Child(`client ${index + 1}`, './client-process.js', semiSpace);
        this.#clients.push(child);
        await child.ask({ kind: 'connect', options: { cluster: 'bench', servers } }, 'connected');
      }),
    );
  }

  /** The primary first. */
  get #ordered(): readonly ReplicaChild[] {
    return [this.#primary!, ...this.#replicas.filter((child) => child !== this.#primary)];
  }

  /** Of the replicas, the primary first. */
  get names(): readonly string[] {
    return this.#ordered.map(({ name }) => name);
  }

  /** One secondary stands still until `resume`. */
  pauseSecondary(): void {
    this.#ordered[1]!.signal('SIGSTOP');
  }
  resumeSecondary(): void {
    this.#ordered[1]!.signal('SIGCONT');
  }
  killPrimary(): void {
    this.#primary!.kill();
  }

  /** Load alone: nothing is asked of the replicas, which may be gone. */
  async load(seconds: number): Promise<readonly LoadResult[]> {
    const { size, outstanding, batch, form, load, clients, rate } = this.#settings;
    const loads = load === 'network' ? clients : 1;
    const share = Math.max(1, Math.floor(outstanding / loads));
    const settings: LoadSettings = { size, batch, form, seconds, outstanding: share, rate: rate / loads };
    if (load === 'embedded') {
      const { result } = await this.#primary!.ask({ kind: 'load', settings }, 'loaded');
      return [result];
    }
    return Promise.all(
      this.#clients.map(async (child) => (await child.ask({ kind: 'load', settings }, 'loaded')).result),
    );
  }

  async run(seconds: number, isPaused: boolean): Promise<Run> {
    const asked = isPaused ? this.#ordered.filter((_, index) => index !== 1) : this.#ordered;
    const usages = (): Promise<Usage[]> =>
      Promise.all(asked.map(async (child) => (await child.ask({ kind: 'usage' }, 'usage')).usage));
    const statusOf = async (): Promise<ReplicaStatus> =>
      (await this.#primary!.ask({ kind: 'status' }, 'status')).status;
    const clientCpu = async (): Promise<number> => {
      const all = this.#clients.map((child) => child.ask({ kind: 'usage' }, 'usage'));
      return (await Promise.all(all)).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
    };
    const [statusBefore, before, cpuBefore] = [await statusOf(), await usages(), await clientCpu()];
    const loads = await this.load(seconds);
    const [after, statusAfter, cpuAfter] = [await usages(), await statusOf(), await clientCpu()];
    return {
      loads,
      status: [statusBefore, statusAfter],
      usage: before.map((one, index) => [one, after[index]!]),
      clientCpuSeconds: cpuAfter - cpuBefore,
    };
  }

  async close(): Promise<void> {
    try {
      await Promise.all(this.#clients.map((child) => child.ask({ kind: 'close' }, 'closed')));
      await Promise.all(this.#replicas.map((child) => child.ask({ kind: 'close' }, 'closed')));
      await Promise.all([...this.#clients, ...this.#replicas].map((child) => child.end()));
    } finally {
      this.kill();
    }
  }

  kill(): void {
    for (const child of [...this.#clients, ...this.#replicas]) child.kill();
    rmSync(this.#root, { recursive: true, force: true });
  }
}
