/** One replica of a tortured cluster: its configuration, its folder, its process while there is one, and what it says. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Status } from '../cluster/support/cluster.js';
import { RespClient } from '../cluster/support/resp-client.js';
import { type Excuse, judgeLine } from './log-line.js';

const STATUS_TIMEOUT_MS = 2000;
const LAST_LINES = 60;

export interface ReplicaPlace {
  readonly id: string;
  readonly host: string;
  readonly kvPort: number;
  readonly configPath: string;
  readonly logPath: string;
  /** Words in front of the command line. */
  readonly command: readonly string[];
  readonly program: string;
}

export type ReplicaState = 'ended' | 'running' | 'paused';

export class ReplicaProcess {
  readonly place: ReplicaPlace;
  /** What goes into its configuration file at the next start. */
  config: Record<string, unknown>;
  env: NodeJS.ProcessEnv = {};
  /** What its log and its end may say until the next quiet point. */
  readonly excused = new Set<Excuse>();
  /** What was found in its log, or in how it ended, and is not excused. */
  readonly findings: { readonly excuse: Excuse | null; readonly text: string }[] = [];
  readonly lastLines: string[] = [];
  starts = 0;
  /** Lines of its log so far. */
  said = 0;
  #state: ReplicaState = 'ended';
  #child: ChildProcess | null = null;
  #exit: Promise<unknown> = Promise.resolve();
  /** The signal that this side sent to end it. */
  #killedBy: NodeJS.Signals | null = null;

  constructor(place: ReplicaPlace, config: Record<string, unknown>) {
    this.place = place;
    this.config = config;
  }

  get id(): string {
    return this.place.id;
  }
  get state(): ReplicaState {
    return this.#state;
  }
  get dataDir(): string {
    return this.config.dataDir as string;
  }

  /** Starts the process; does not wait for it to serve. */
  start(): void {
    if (this.#state !== 'ended') throw new Error(`${this.id} runs already`);
    const { configPath, command, program } = this.place;
    writeFileSync(configPath, JSON.stringify(this.config, null, 2));
    const { npm_lifecycle_event: _, ...environment } = process.env;
    // Its standard input ends with this process, whatever becomes of that.
    const words = [
      ...command,
      process.execPath,
      program,
      'serve',
      '--config',
      configPath,
      '--stop-with-stdin',
    ];
    const child = spawn(words[0]!, words.slice(1), {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...environment, ...this.env },
    });
    this.starts += 1;
    this.#child = child;
    this.#state = 'running';
    this.#killedBy = null;
    child.stdin!.on('error', () => {});
    let rest = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      appendFileSync(this.place.logPath, text);
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#onLine(line);
    });
    this.#exit = once(child, 'close').then(([code, signal]) => {
      this.#onLine(rest);
      this.#onEnd(code as number | null, signal as NodeJS.Signals | null);
    });
  }

  /** Sends a signal that ends it; resolves once it has ended. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.#state === 'ended') return;
    this.#killedBy = signal;
    this.#child!.kill(signal);
    // What stands still does not hear a SIGTERM.
    if (this.#state === 'paused') this.resume();
    await this.#exit;
  }

  pause(): void {
    if (this.#state !== 'running') return;
    this.#child!.kill('SIGSTOP');
    this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#child!.kill('SIGCONT');
    this.#state = 'running';
  }

  /** Resolves once it has ended by itself; rejects where it does not in time. */
  async untilEnded(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.id} did not end in ${timeoutMs} ms`)), timeoutMs);
    });
    await Promise.race([this.#exit, late]).finally(() => clearTimeout(timer));
  }

  /** For an exit handler: nothing is waited for. */
  endNow(): void {
    this.#killedBy = 'SIGKILL';
    if (this.#state !== 'ended') this.#child!.kill('SIGKILL');
  }

  connect(timeoutMs: number): Promise<RespClient> {
    return RespClient.connect(this.place.kvPort, timeoutMs, this.place.host);
  }

  /** Null where it does not answer in time. */
  async status(): Promise<Status | null> {
    if (this.#state !== 'running') return null;
    const reply = await this.ask(STATUS_TIMEOUT_MS, 'SYNOD', 'STATUS').catch(() => null);
    return reply === null ? null : (JSON.parse(reply as string) as Status);
  }

  /** One command on a connection of its own; rejects where there is no reply in time. */
  async ask(timeoutMs: number, ...words: readonly (string | number)[]): Promise<unknown> {
    const client = await this.connect(timeoutMs);
    const timer = setTimeout(() => client.close(), timeoutMs);
    try {
      return await client.send(...words);
    } finally {
      clearTimeout(timer);
      client.close();
    }
  }

  /** Resident memory in bytes and open file descriptors, or null where there is no process. */
  usage(): { readonly residentBytes: number; readonly descriptors: number } | null {
    const pid = this.#child?.pid;
    if (this.#state === 'ended' || pid === undefined) return null;
    try {
      const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
      if (resident === null) return null;
      return {
        residentBytes: Number(resident[1]) * 1024,
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
      };
    } catch {
      return null;
    }
  }

  #onLine(line: string): void {
    this.said += 1;
    this.lastLines.push(line);
    if (this.lastLines.length > LAST_LINES) this.lastLines.shift();
    const verdict = judgeLine(line);
    if (verdict !== null) this.findings.push({ excuse: verdict.excuse, text: `log: ${verdict.text}` });
  }

  #onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    this.#state = 'ended';
    this.#child = null;
    const asked = signal === null ? code === 0 && this.#killedBy === 'SIGTERM' : signal === this.#killedBy;
    if (asked) return;
    this.findings.push({
      excuse: signal === null && code === 1 ? 'ends' : null,
      text: `ended by itself: ${signal === null ? `exit code ${code}` : `signal ${signal}`}`,
    });
  }
}
