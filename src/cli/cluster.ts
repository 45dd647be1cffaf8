/**
 * `synod cluster`: a cluster on this machine, one process for each replica, for trying it out and for tests. The
 * processes are like those of a real one: each has its own folder, its own configuration file and only the network
 * between itself and the others, so that killing one shows what a lost machine does.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { formatAddress } from '../transport/address.js';
import type { ClusterCommand } from './arguments.js';
import {
  type ClusterPlan,
  type PlannedReplica,
  planCluster,
  shellWord,
  shortPath,
  takenAddresses,
} from './cluster-plan.js';
import { ClusterWatch, findPrimary, formatTable, type Observation } from './cluster-watch.js';
import type { Output } from './output.js';
import { handleSignals } from './signals.js';
import { fetchStatus, type StatusReport } from './status.js';

const STATUS_TIMEOUT_MS = 1000;
const WATCH_MS = 1000;
/** While something has just happened, what follows from it should show at once. */
const WATCH_CLOSELY_MS = 100;
const WATCH_CLOSELY_ROUNDS = 30;
const STARTUP_WORD_MS = 10_000;
const CLOSING_WORD_MS = 5000;
const RESTART_DELAY_MS = 1000;
/** Lines of a log that are shown when a replica cannot start. */
const LOG_TAIL_LINES = 5;

interface Running {
  readonly replica: PlannedReplica;
  child: ChildProcess | null;
  /** How the last process of this replica ended, in words; null while it runs. */
  ended: string | null;
}

class LocalCluster {
  readonly #command: ClusterCommand;
  readonly #plan: ClusterPlan;
  readonly #output: Output;
  readonly #main: string = fileURLToPath(new URL('./main.js', import.meta.url));
  readonly #running: Running[];
  #watch: ClusterWatch | null = null;
  #stopping = false;
  #closelyRounds = 0;
  #exits = 0;
  #wake: () => void = () => {};

  constructor(command: ClusterCommand, plan: ClusterPlan, output: Output) {
    this.#command = command;
    this.#plan = plan;
    this.#output = output;
    this.#running = plan.replicas.map((replica) => ({ replica, child: null, ended: null }));
  }

  /** Resolves with the exit code once the cluster was told to stop, and has. */
  async run(): Promise<number> {
    const release = handleSignals({
      onStop: () => {
        this.#stopping = true;
        this.#wake();
      },
      onForce: () => this.#killAll(),
    });
    try {
      for (const running of this.#running) this.#start(running);
      const failed = await this.#awaitPrimary();
      if (failed !== null) {
        await this.#reportFailure(failed);
        await this.#close();
        return 1;
      }
      if (!this.#stopping) await this.#watchUntilStopped();
      return await this.#close();
    } finally {
      release();
      // Nothing outlives this process, whatever went wrong in it.
      this.#killAll();
    }
  }

  #start(running: Running): void {
    try {
      this.#spawn(running);
    } catch (error) {
      // Its log file cannot be opened, say: thrown out of a timer, that would end this process, and the other replicas with it.
      running.ended = `could not be started: ${(error as Error).message}`;
      this.#onEnd(running, running.ended);
    }
  }

  #spawn(running: Running): void {
    const { replica } = running;
    const log = openSync(replica.logPath, 'a');
    // Without npm's mark: the child is told to stop once, not by npm.
    const { npm_lifecycle_event: _, ...env } = process.env;
    const child = spawn(
      process.execPath,
      [
        this.#main,
        'serve',
        '--config',
        replica.configPath,
        '--log-level',
        this.#command.logLevel,
        '--stop-with-stdin',
      ],
      // In a process group of its own, since the terminal sends Ctrl-C to this one's whole group, and the replicas
      // are to be told once, from here. Its standard input ends with this process, however that ends.
      { stdio: ['pipe', 'ignore', log], detached: true, env },
    );
    closeSync(log);
    running.child = child;
    running.ended = null;
    const onEnd = (how: string): void => {
      if (running.child !== child) return;
      running.child = null;
      running.ended = how;
      this.#onEnd(running, how);
    };
    child.on('exit', (code, signal) => onEnd(howItEnded(code, signal)));
    child.on('error', (error) => onEnd(`could not be started: ${error.message}`));
    // It may end before it reads.
    child.stdin?.on('error', () => {});
  }

  #onEnd(running: Running, how: string): void {
    this.#closelyRounds = WATCH_CLOSELY_ROUNDS;
    this.#exits += 1;
    if (!this.#stopping && this.#watch !== null) {
      const restart = this.#command.restart;
      this.#say(
        this.#watch.onExit(running.replica.id, how, restart ? null : this.#startCommand(running.replica)),
      );
      if (restart) {
        setTimeout(() => {
          if (!this.#stopping && running.child === null) this.#start(running);
        }, RESTART_DELAY_MS).unref();
      }
    }
    this.#wake();
  }

  async #observe(): Promise<Observation> {
    const reports = await Promise.all(
      this.#plan.replicas.map((replica) => fetchStatus(replica.kv, STATUS_TIMEOUT_MS).catch(() => null)),
    );
    return new Map(this.#plan.replicas.map((replica, index) => [replica.id, reports[index] ?? null]));
  }

  /** Sleeps, but not beyond a signal or the end of a child. */
  async #pause(ms: number): Promise<void> {
    const controller = new AbortController();
    this.#wake = () => controller.abort();
    await delay(ms, undefined, { signal: controller.signal }).catch(() => {});
    this.#wake = () => {};
  }

  /** Null once there is a primary and all answer; else the replica that ended before. */
  async #awaitPrimary(): Promise<Running | null> {
    const began = performance.now();
    let wordAt = began + STARTUP_WORD_MS;
    this.#output.progress(`starting ${this.#plan.replicas.length} replicas, waiting for a primary`);
    while (!this.#stopping) {
      const failed = this.#running.find((running) => running.ended !== null);
      if (failed !== undefined) return failed;
      const observation = await this.#observe();
      const primary = findPrimary(observation);
      const silent = [...observation].filter(([, report]) => report === null).map(([id]) => id);
      if (primary !== null && silent.length === 0) {
        this.#output.progress(null);
        this.#introduce(observation, primary);
        this.#watch = new ClusterWatch([...observation.keys()], primary);
        return null;
      }
      if (performance.now() > wordAt) {
        wordAt += STARTUP_WORD_MS;
        const seconds = Math.round((performance.now() - began) / 1000);
        const why = silent.length > 0 ? `${silent.join(', ')} not answering yet` : 'no primary yet';
        this.#output.progress(`waiting for ${seconds} s: ${why}`);
      }
      await this.#pause(WATCH_CLOSELY_MS);
    }
    return null;
  }

  #introduce(observation: Observation, primary: string): void {
    const { replicas, cluster, fresh } = this.#plan;
    const report = (id: string): StatusReport => observation.get(id)!;
    const rows = [['replica', 'role', 'pid', 'key-value', 'peers', 'storage', 'transport', 'data']];
    for (const { replica, child } of this.#running) {
      const { role, storage, transport } = report(replica.id);
      rows.push([
        replica.id,
        role,
        String(child?.pid ?? '-'),
        formatAddress(replica.kv),
        formatAddress(replica.peers),
        storage.kind,
        transport.kind,
        shortPath(replica.dataDir),
      ]);
    }
    const first = replicas[0]!;
    const leader = this.#running.find((running) => running.replica.id === primary)!;
    const { storage, transport } = report(primary);
    const main = this.#mainCommand();
    this.#output.line(
      `Cluster "${cluster}" is up${fresh ? '' : ', with the data it had'}: ${primary} is the primary.\n`,
    );
    this.#output.line(formatTable(rows));
    this.#output.line('');
    this.#output.line(
      formatTable([
        ['storage', withKind(storage)],
        ['transport', withKind(transport)],
        ['connect', `redis-cli -p ${first.kv.port}   (any replica serves any client)`],
        ['status', `${main} status --port ${first.kv.port}`],
        ['kill the primary', `kill -9 ${leader.child?.pid ?? '-'}   (another one takes over)`],
        ['start it again', this.#startCommand(leader.replica)],
        ['logs', replicas.map((replica) => shellWord(shortPath(replica.logPath))).join(' ')],
      ]),
    );
    this.#output.line('\nCtrl-C closes the cluster.\n');
  }

  #mainCommand(): string {
    return `node ${shellWord(shortPath(this.#main))}`;
  }

  #startCommand(replica: PlannedReplica): string {
    return `${this.#mainCommand()} serve --config ${shellWord(shortPath(replica.configPath))}`;
  }

  #say(lines: readonly string[]): void {
    for (const line of lines) this.#output.line(`${new Date().toTimeString().slice(0, 8)} ${line}`);
  }

  async #watchUntilStopped(): Promise<void> {
    while (!this.#stopping) {
      const closely = this.#closelyRounds > 0;
      if (closely) this.#closelyRounds -= 1;
      await this.#pause(closely ? WATCH_CLOSELY_MS : WATCH_MS);
      if (this.#stopping) return;
      const exits = this.#exits;
      const observation = await this.#observe();
      // An answer from before a replica's end would make it look like it was up again.
      if (exits === this.#exits && !this.#stopping) this.#say(this.#watch!.onObservation(observation));
    }
  }

  async #reportFailure(failed: Running): Promise<void> {
    const { replica, ended } = failed;
    this.#output.progress(null);
    this.#output.error(`${replica.id} ${ended}. The end of ${shortPath(replica.logPath)}:`);
    const log = await readFile(replica.logPath, 'utf8').catch(() => '');
    for (const line of log.trimEnd().split('\n').slice(-LOG_TAIL_LINES)) this.#output.error(`  ${line}`);
  }

  /** Tells every replica to close and waits for it. The exit code: 0 when all of them closed cleanly. */
  async #close(): Promise<number> {
    this.#stopping = true;
    this.#output.progress(null);
    const alive = this.#running.filter((running) => running.child !== null);
    if (alive.length > 0)
      this.#output.line(`closing ${alive.map((running) => running.replica.id).join(', ')}`);
    const ends = await Promise.all(
      alive.map(async ({ replica, child }) => {
        const exited = new Promise<string | null>((resolve) => {
          child!.once('exit', (code, signal) =>
            // SIGTERM ends it only where it does not listen for signals yet, and so before it has opened anything.
            resolve(code === 0 || signal === 'SIGTERM' ? null : howItEnded(code, signal)),
          );
        });
        // Before the pipe: its end would tell the child the same, a second time.
        child!.kill('SIGTERM');
        const word = setInterval(
          () => this.#output.line(`${replica.id} is still closing (Ctrl-C again ends it at once)`),
          CLOSING_WORD_MS,
        );
        const how = await exited;
        clearInterval(word);
        this.#output.line(
          how === null ? `${replica.id} closed` : `${replica.id} did not close cleanly: it ${how}`,
        );
        return how;
      }),
    );
    return ends.every((how) => how === null) ? 0 : 1;
  }

  #killAll(): void {
    for (const { child } of this.#running) child?.kill('SIGKILL');
  }
}

function howItEnded(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
}

/** What was taken and why, on one line; most reasons name the kind themselves. */
function withKind({ kind, reason }: { readonly kind: string; readonly reason: string }): string {
  return reason.includes(kind) ? reason : `${kind}: ${reason}`;
}

/** Resolves with the exit code once the cluster was told to stop, and has. */
export async function runCluster(command: ClusterCommand, output: Output): Promise<number> {
  const plan = await planCluster(command);
  const taken = await takenAddresses(plan);
  if (taken.length > 0) {
    output.error(
      `in use by another process: ${taken.join(', ')}. Close it, or choose other ports with --port.`,
    );
    return 1;
  }
  return await new LocalCluster(command, plan, output).run();
}
