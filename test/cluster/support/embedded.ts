/** Processes with an embedded replica, driven by messages: see embedded-replica.mjs. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReplicaOptions, ReplicaStatus } from '../../../src/index.js';
import { takePorts } from './cluster.js';
import type { Kind } from './kinds.js';

export interface Load {
  readonly acknowledged: number;
  readonly failed: readonly string[];
  readonly latencyMsMax: number;
}

export interface Burst {
  readonly results: readonly number[];
  readonly failed: readonly string[];
}

const script = fileURLToPath(new URL('./embedded-replica.mjs', import.meta.url));
const clusters = new Set<EmbeddedCluster>();

export class EmbeddedReplica {
  readonly options: ReplicaOptions;
  #child: ChildProcess | null = null;
  #log = '';
  #requests = 0;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();

  constructor(options: ReplicaOptions) {
    this.options = options;
  }

  get log(): string {
    return this.#log;
  }

  async start(env: NodeJS.ProcessEnv): Promise<void> {
    const child = fork(script, {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      env: { ...process.env, ...env },
    });
    this.#child = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
    child.on('message', (message) => {
      const { id, result, error } = message as {
        id: number;
        result?: unknown;
        error?: { code: string; message: string };
      };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(`${this.options.replica}: ${error.code} ${error.message}`));
    });
    child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`${this.options.replica} ended (${code ?? signal})\n${this.#log.slice(-4000)}`));
      this.#waiting.clear();
    });
    await this.call('open', this.options);
  }

  call<Result = void>(name: string, argument?: unknown): Promise<Result> {
    this.#requests += 1;
    const id = this.#requests;
    this.#child!.send({ id, name, argument });
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
    });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child!.kill(signal);
  }

  status(): Promise<ReplicaStatus> {
    return this.call('status');
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

export class EmbeddedCluster {
  readonly folder: string;
  readonly replicas: readonly EmbeddedReplica[];

  private constructor(folder: string, replicas: readonly EmbeddedReplica[]) {
    this.folder = folder;
    this.replicas = replicas;
    clusters.add(this);
  }

  static async start(kind: Kind, more: Partial<ReplicaOptions> = {}): Promise<EmbeddedCluster> {
    const root = kind.storage.kind === 'pmem' ? '/dev/shm' : tmpdir();
    const folder = await mkdtemp(join(root, 'synod-embedded-'));
    const ids = ['a', 'b', 'c'];
    const ports = await takePorts(3);
    const members = ids.map((id, index) => ({ id, address: `127.0.0.1:${ports[index]}` }));
    const replicas = ids.map(
      (replica) =>
        new EmbeddedReplica({
          cluster: 'embedded',
          replica,
          members,
          dataDir: join(folder, replica),
          storage: { segmentBytes: 16 * 1024 * 1024, ...kind.storage } as ReplicaOptions['storage'],
          ...more,
        }),
    );
    const cluster = new EmbeddedCluster(folder, replicas);
    await Promise.all(replicas.map((replica) => replica.start(kind.env)));
    return cluster;
  }

  /** Resolves with the primary that all know, and the others. */
  async untilReady(): Promise<{ primary: EmbeddedReplica; secondaries: readonly EmbeddedReplica[] }> {
    const end = performance.now() + 30_000;
    for (;;) {
      const statuses = await Promise.all(this.replicas.map((replica) => replica.status()));
      const id = statuses[0]!.primary;
      if (id !== null && statuses.every(({ primary }) => primary === id)) {
        const primary = this.replicas.find(({ options }) => options.replica === id)!;
        return { primary, secondaries: this.replicas.filter((replica) => replica !== primary) };
      }
      if (performance.now() > end)
        throw new Error(`no primary\n${JSON.stringify(statuses)}\n${this.describe()}`);
    }
  }

  /** Resolves once all have applied the same, with their statuses; nothing may be submitted meanwhile. */
  async untilEqual(): Promise<readonly ReplicaStatus[]> {
    const end = performance.now() + 30_000;
    for (;;) {
      const statuses = await Promise.all(this.replicas.map((replica) => replica.status()));
      const { applied, chosen } = statuses[0]!;
      if (statuses.every((status) => status.applied === applied && status.chosen === chosen)) return statuses;
      if (performance.now() > end)
        throw new Error(`not equal\n${statuses.map((status) => JSON.stringify(status)).join('\n')}`);
    }
  }

  describe(): string {
    return this.replicas.map(({ options, log }) => `--- ${options.replica}\n${log.slice(-4000)}`).join('\n');
  }

  async dispose(): Promise<void> {
    clusters.delete(this);
    await Promise.all(this.replicas.map((replica) => replica.end()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** For `afterEach`. */
export async function disposeEmbedded(): Promise<void> {
  await Promise.all([...clusters].map((cluster) => cluster.dispose()));
}
