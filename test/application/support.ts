/** Replicas in this process, and a state machine that remembers everything. */

import { createServer } from 'node:net';
import type { Decree, Logger, ReplicaOptions, StateMachine } from '../../src/index.js';
import { Replica, SynodError } from '../../src/index.js';

export const silentLogger: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
};

/** Remembers every command and replies with its position and its text. */
export class Recorder implements StateMachine<string> {
  readonly commands: string[] = [];
  readonly slots: number[] = [];
  readonly decrees: { readonly slot: number; readonly count: number }[] = [];
  /** Throws at the command with this text. */
  poison: string | null = null;
  /** Commands with this text get no reply. */
  mute: string | null = null;

  apply(decree: Decree<string>): void {
    this.slots.push(decree.slot);
    this.decrees.push({ slot: decree.slot, count: decree.count });
    for (let index = 0; index < decree.count; index += 1) {
      const text = Buffer.from(decree.command(index)).toString('latin1');
      if (text === this.poison) throw new Error(`poisoned by ${text}`);
      this.commands.push(text);
      if (text !== this.mute) decree.reply(index, `${this.commands.length}:${text}`);
    }
  }

  /** `count`: how many commands there were. */
  read(query: unknown): unknown {
    if (query === 'throw') throw new Error('as asked');
    if (query === 'reject') return Promise.reject(new Error('as asked, later'));
    if (query === 'later') return Promise.resolve(this.commands.length);
    return this.commands.length;
  }

  digest(): string {
    return `${this.commands.length}`;
  }
}

export const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** Ports that nobody listens on, most likely. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer();
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export interface Member {
  readonly replica: Replica<string>;
  readonly stateMachine: Recorder;
}

const opened: Replica<string>[] = [];

/** Opens `count` replicas of one cluster in this process; `own` has the options that are each one's own. */
export async function openCluster(
  count: number,
  more: Partial<ReplicaOptions> = {},
  own: (id: string) => Partial<ReplicaOptions> = () => ({}),
): Promise<readonly Member[]> {
  const ids = ['a', 'b', 'c'].slice(0, count);
  const ports = await freePorts(count);
  const members = ids.map((id, index) => ({ id, address: `127.0.0.1:${ports[index]}` }));
  return Promise.all(
    ids.map(async (id) => {
      const stateMachine = new Recorder();
      const replica = await Replica.open(
        {
          cluster: 'here',
          replica: id,
          members,
          storage: { kind: 'memory', segmentBytes: 1024 * 1024 },
          transport: { kind: 'tcp' },
          engine: 'inline',
          logger: silentLogger,
          ...more,
          ...own(id),
        },
        stateMachine,
      );
      opened.push(replica);
      return { replica, stateMachine };
    }),
  );
}

/** For `afterEach`. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
}

/** Polls until `probe` holds. */
export async function until(
  what: string,
  probe: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What became of a call: `resolved`, or the code of its error and the outcome where it has one. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return SynodError.is(error) ? `${error.code} ${error.outcome ?? ''}`.trim() : String(error);
  }
}

/** What nobody caught, and the process is told of, while `action` runs and shortly after it. */
export async function uncaughtDuring(action: () => Promise<void>): Promise<string[]> {
  const caught: string[] = [];
  const note = (error: unknown): void => void caught.push(String(error));
  const names = ['uncaughtException', 'unhandledRejection'] as const;
  const before = names.map((name) => process.listeners(name as 'uncaughtException'));
  for (const name of names) process.removeAllListeners(name).on(name, note);
  try {
    await action();
    await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    for (const [index, name] of names.entries()) {
      process.removeAllListeners(name);
      for (const listener of before[index]!) process.on(name, listener);
    }
  }
  return caught;
}
