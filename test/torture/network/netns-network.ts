/**
 * A network of namespaces: each replica has its own, with one end of a veth pair; the other ends hang on a bridge, where
 * clients are too. Needs root and iproute2.
 *
 * A pair is blocked in one direction by a hardware address that nobody has, in the neighbour table of the sender: its packets
 * are sent, and arrive nowhere.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { BlockedPairs, type LinkTrouble, type Network } from './network.js';

const NOBODY = '02:00:00:00:00:99';
/** Names of interfaces have at most 15 characters: `syt<pid>x<id>`. */
const PREFIX = 'syt';

function ip(...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

function run(command: string, words: readonly string[]): string | null {
  const { status, stderr, error } = spawnSync(command, words, { encoding: 'utf8' });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

/** Why there can be no namespaces here, or null. Makes one, and a veth pair into it, to know. */
export function whyNoNamespaces(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  sweep();
  const name = `${PREFIX}${process.pid}x`;
  try {
    ip('netns', 'add', name);
    ip('link', 'add', `${name}0`, 'type', 'veth', 'peer', 'name', `${name}1`, 'netns', name);
    ip('link', 'add', `${name}b`, 'type', 'bridge');
    ip('link', 'set', `${name}0`, 'master', `${name}b`);
    return run('nsenter', [`--net=/run/netns/${name}`, 'true']);
  } catch (error) {
    return (error as Error).message;
  } finally {
    for (const device of [`${name}0`, `${name}b`]) run('ip', ['link', 'del', device]);
    run('ip', ['netns', 'del', name]);
  }
}

/** Removes what a run left behind that was killed and is no more. */
function sweep(): void {
  const names = [
    ...(existsSync('/run/netns') ? readdirSync('/run/netns') : []),
    ...readdirSync('/sys/class/net'),
  ];
  for (const name of names) {
    const pid = new RegExp(`^${PREFIX}(\\d+)x`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    if (existsSync(`/run/netns/${name}`)) run('ip', ['netns', 'del', name]);
    if (existsSync(`/sys/class/net/${name}`)) run('ip', ['link', 'del', name]);
  }
}

export class NetnsNetwork implements Network {
  readonly kind = 'netns';
  readonly troubles: readonly LinkTrouble[] = ['interface-down', 'slow'];

  readonly #peerPortOf: (id: string) => number;
  readonly #net: string;
  readonly #name: string;
  #ids: readonly string[] = [];
  readonly #blocked: BlockedPairs;
  #disposed = false;

  /** `serial` tells the networks of one process apart. */
  constructor(peerPortOf: (id: string) => number, serial: number) {
    this.#peerPortOf = peerPortOf;
    this.#name = `${PREFIX}${process.pid}x`;
    this.#net = `10.${64 + (process.pid % 128)}.${serial % 256}`;
    this.#blocked = new BlockedPairs((from, to, blocked) => this.#setBlocked(from, to, blocked));
  }

  async open(ids: readonly string[]): Promise<void> {
    this.#ids = ids;
    const bridge = `${this.#name}br`;
    ip('link', 'add', bridge, 'type', 'bridge');
    ip('addr', 'add', `${this.#net}.254/24`, 'dev', bridge);
    ip('link', 'set', bridge, 'up');
    for (const id of ids) {
      const space = this.#space(id);
      ip('netns', 'add', space);
      ip('link', 'add', this.#outer(id), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
      ip('link', 'set', this.#outer(id), 'master', bridge, 'up');
      ip('-n', space, 'link', 'set', 'lo', 'up');
      ip('-n', space, 'addr', 'add', `${this.hostOf(id)}/24`, 'dev', 'eth0');
      ip('-n', space, 'link', 'set', 'eth0', 'up');
    }
  }

  hostOf(id: string): string {
    return `${this.#net}.${this.#ids.indexOf(id) + 1}`;
  }

  addressOf(_from: string, to: string): string {
    return `${this.hostOf(to)}:${this.#peerPortOf(to)}`;
  }

  commandOf(id: string): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.#space(id)}`];
  }

  block(from: string, to: string): void {
    this.#blocked.block(from, to);
  }

  unblock(from: string, to: string): void {
    this.#blocked.unblock(from, to);
  }

  trouble(kind: LinkTrouble, from: string, _to: string | null, amount: number): void {
    if (kind === 'interface-down') ip('link', 'set', this.#outer(from), 'down');
    else if (kind === 'slow') {
      const rate = `${Math.round(amount)}kbit`;
      const words = ['root', 'tbf', 'rate', rate, 'burst', '8kb', 'latency', '200ms'];
      const failed = run('tc', ['-n', this.#space(from), 'qdisc', 'replace', 'dev', 'eth0', ...words]);
      if (failed !== null) throw new Error(`tc: ${failed}`);
    }
  }

  calm(kind: LinkTrouble, from: string): void {
    if (kind === 'interface-down') ip('link', 'set', this.#outer(from), 'up');
    else if (kind === 'slow') run('tc', ['-n', this.#space(from), 'qdisc', 'del', 'dev', 'eth0', 'root']);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const id of this.#ids) {
      run('ip', ['link', 'del', this.#outer(id)]);
      run('ip', ['netns', 'del', this.#space(id)]);
    }
    run('ip', ['link', 'del', `${this.#name}br`]);
  }

  #setBlocked(from: string, to: string, blocked: boolean): void {
    const neighbour = ['-n', this.#space(from), 'neigh'];
    const words = [this.hostOf(to), 'dev', 'eth0'];
    if (blocked) ip(...neighbour, 'replace', ...words, 'lladdr', NOBODY, 'nud', 'permanent');
    else ip(...neighbour, 'del', ...words);
  }

  #space(id: string): string {
    return `${this.#name}${id}`;
  }
  #outer(id: string): string {
    return `${this.#name}${id}`;
  }
}
