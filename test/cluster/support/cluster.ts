/** Clusters of `synod serve` processes, for tests: made, killed, started again, asked how they are. */

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endAll, isFree, type Run, start } from '../../cli/processes.js';
import { RespClient } from './resp-client.js';

export interface Status {
  readonly replica: string;
  readonly role: string;
  readonly primary: string | null;
  readonly ballot: string;
  readonly configuration: number;
  readonly chosen: number;
  readonly applied: number;
  readonly stateDigest: string;
  readonly storage: { readonly kind: string; readonly reason: string };
  readonly transport: { readonly kind: string; readonly reason: string };
  readonly peers: readonly {
    readonly id: string;
    readonly connected: boolean;
    readonly lag: number | null;
  }[];
  readonly bytesCopied: number;
  readonly bytesLogged: number;
}

export interface StorageSetting {
  readonly kind: string;
  readonly allowVolatile?: boolean;
  readonly segmentBytes?: number;
}

export interface ClusterOptions {
  readonly storage?: StorageSetting;
  readonly transport?: string;
  /** Of the processes, beside this one's own. */
  readonly env?: NodeJS.ProcessEnv;
  readonly electionTimeoutMs?: number;
  readonly limits?: Readonly<Record<string, number>>;
  readonly replicas?: number;
  /** Where the folder of data is made: a disk by default, /dev/shm for pmem. */
  readonly root?: string;
}

const SERVING = /"event":"serving"/;
const ids = ['a', 'b', 'c', 'd', 'e'];
const clusters = new Set<TestCluster>();

/** Below the range that the system draws ports from by itself: a replica that was killed finds its port free again. */
let nextPort = 10_000 + (process.pid % 400) * 50;

export async function takePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    nextPort = nextPort >= 31_000 ? 10_000 : nextPort + 1;
    if (await isFree(nextPort)) ports.push(nextPort);
  }
  return ports;
}

/** One replica: its configuration file, its folder, and its process while there is one. */
export class TestReplica {
  readonly id: string;
  readonly peerPort: number;
  readonly kvPort: number;
  readonly configPath: string;
  /** What goes into its configuration file at the next start. */
  config: Record<string, unknown>;
  env: NodeJS.ProcessEnv;
  /** All its processes, newest last. */
  readonly runs: Run[] = [];
  #alive = false;

  constructor(folder: string, id: string, ports: readonly [number, number], env: NodeJS.ProcessEnv) {
    this.id = id;
    [this.peerPort, this.kvPort] = ports;
    this.configPath = join(folder, `${id}.json`);
    this.config = {};
    this.env = env;
  }

  get dataDir(): string {
    return this.config.dataDir as string;
  }
  get isAlive(): boolean {
    return this.#alive;
  }
  get pid(): number {
    return this.runs.at(-1)!.child.pid!;
  }
  /** Standard error of its newest process. */
  get log(): string {
    return this.runs.at(-1)?.stderr ?? '';
  }
  /** Standard error of all its processes. */
  get logs(): string {
    return this.runs.map((run) => run.stderr).join('--- started again ---\n');
  }

  /** Starts the process; with `wait`, resolves once it serves. */
  async start(wait = true): Promise<void> {
    await writeFile(this.configPath, JSON.stringify(this.config));
    const { npm_lifecycle_event: _, ...environment } = process.env;
    // Its standard input ends with this process, whatever becomes of that.
    const run = start(['serve', '--config', this.configPath, '--stop-with-stdin'], {
      env: { ...environment, ...this.env },
    });
    this.runs.push(run);
    this.#alive = true;
    void run.exit.then(() => {
      if (this.runs.at(-1) === run) this.#alive = false;
    });
    if (wait) await run.until(SERVING);
  }

  /** Sends the signal and waits for the end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const run = this.runs.at(-1)!;
    run.child.kill(signal);
    await run.exit;
  }

  async status(): Promise<Status> {
    const client = await RespClient.connect(this.kvPort);
    try {
      return JSON.parse((await client.send('SYNOD', 'STATUS')) as string) as Status;
    } finally {
      client.close();
    }
  }

  /** Sends one command on a connection of its own. */
  async ask(...words: readonly (string | number)[]): Promise<unknown> {
    const client = await RespClient.connect(this.kvPort);
    try {
      return await client.send(...words);
    } finally {
      client.close();
    }
  }

  /** Resident memory of its process, in bytes. */
  residentBytes(): number {
    const pages = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(pages![1]) * 1024;
  }

  /** Processor time that its process has used, in milliseconds. */
  processorMs(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }
}

export class TestCluster {
  readonly folder: string;
  readonly replicas: readonly TestReplica[];

  private constructor(folder: string, replicas: readonly TestReplica[]) {
    this.folder = folder;
    this.replicas = replicas;
    clusters.add(this);
  }

  /** Makes the folder and the configuration of each replica; starts nothing. */
  static async plan(options: ClusterOptions = {}): Promise<TestCluster> {
    const storage = { segmentBytes: 4 * 1024 * 1024, ...(options.storage ?? { kind: 'file' }) };
    const root = options.root ?? (storage.kind === 'pmem' ? '/dev/shm' : tmpdir());
    const folder = await mkdtemp(join(root, 'synod-cluster-'));
    const count = options.replicas ?? 3;
    const ports = await takePorts(2 * count);
    const replicas = ids
      .slice(0, count)
      .map(
        (id, index) =>
          new TestReplica(folder, id, [ports[2 * index]!, ports[2 * index + 1]!], options.env ?? {}),
      );
    const members = replicas.map(({ id, peerPort }) => ({ id, address: `127.0.0.1:${peerPort}` }));
    for (const replica of replicas) {
      replica.config = {
        cluster: 'test',
        replica: replica.id,
        members,
        dataDir: join(folder, replica.id),
        storage,
        transport: { kind: options.transport ?? 'auto' },
        ...(options.electionTimeoutMs === undefined ? {} : { electionTimeoutMs: options.electionTimeoutMs }),
        ...(options.limits === undefined ? {} : { limits: options.limits }),
        kv: { listen: `127.0.0.1:${replica.kvPort}` },
      };
      await mkdir(replica.dataDir, { recursive: true });
    }
    return new TestCluster(folder, replicas);
  }

  /** Plans, starts, and waits for a primary. */
  static async start(options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = await TestCluster.plan(options);
    await cluster.startAll();
    await cluster.untilReady();
    return cluster;
  }

  get alive(): readonly TestReplica[] {
    return this.replicas.filter((replica) => replica.isAlive);
  }

  get(id: string): TestReplica {
    const found = this.replicas.find((replica) => replica.id === id);
    if (found === undefined) throw new Error(`no replica ${id}`);
    return found;
  }

  async startAll(): Promise<void> {
    await Promise.all(this.replicas.filter((replica) => !replica.isAlive).map((replica) => replica.start()));
  }

  /** Statuses of the replicas that answer. */
  async statuses(): Promise<Status[]> {
    const answers = await Promise.all(this.alive.map((replica) => replica.status().catch(() => null)));
    return answers.filter((status) => status !== null);
  }

  /** Resolves with the primary that all live replicas agree on. */
  async untilReady(timeoutMs = 30_000): Promise<TestReplica> {
    let primary: TestReplica | null = null;
    await this.until(
      'one primary that all know',
      async () => {
        const statuses = await this.statuses();
        const first = statuses[0]?.primary ?? null;
        if (first === null || statuses.length < this.alive.length) return false;
        if (statuses.some((status) => status.primary !== first)) return false;
        primary = this.get(first);
        return primary.isAlive;
      },
      timeoutMs,
    );
    return primary!;
  }

  /** Resolves once all live replicas have applied the same, with their statuses; nothing may be written meanwhile. */
  async untilEqual(timeoutMs = 30_000): Promise<readonly Status[]> {
    let settled: Status[] = [];
    await this.until(
      'all replicas have applied the same',
      async () => {
        const statuses = await this.statuses();
        settled = statuses;
        return (
          statuses.length === this.alive.length &&
          statuses.every(
            ({ applied, chosen }) => applied === statuses[0]!.applied && chosen === statuses[0]!.chosen,
          )
        );
      },
      timeoutMs,
    );
    return settled;
  }

  /** Polls; on failure the error has the statuses and the end of every log. */
  async until(what: string, probe: () => Promise<boolean> | boolean, timeoutMs = 30_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!(await probe())) {
      if (performance.now() > end)
        throw new Error(`${what}: not within ${timeoutMs} ms\n${await this.describe()}`);
      await delay(10);
    }
  }

  /** Everything that helps to understand a failure. */
  async describe(): Promise<string> {
    const statuses = await this.statuses();
    const logs = this.replicas.map(
      ({ id, isAlive, logs }) => `--- ${id} (${isAlive ? 'alive' : 'ended'})\n${logs.slice(-6000)}`,
    );
    return [...statuses.map((status) => JSON.stringify(status)), ...logs].join('\n');
  }

  /** Ends all processes at once and deletes the folder. */
  async dispose(): Promise<void> {
    clusters.delete(this);
    await Promise.all(this.alive.map((replica) => replica.kill()));
    if (existsSync(this.folder)) await rm(this.folder, { recursive: true, force: true });
  }
}

/** For `afterEach`: whatever a test started ends, also where it failed. */
export async function disposeAll(): Promise<void> {
  await Promise.all([...clusters].map((cluster) => cluster.dispose()));
  await endAll();
}
