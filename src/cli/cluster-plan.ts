/**
 * What `synod cluster` runs: which replicas, at which ports, with which files. A configuration file is made once and
 * belongs to the user from then on: what is edited in it stays, and only an option that is given changes it.
 */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, relative, resolve } from 'node:path';
import type { ReplicaOptions } from '../options.js';
import { formatAddress, parseAddress } from '../transport/address.js';
import type { Address } from '../transport/transport.js';
import {
  type ClusterCommand,
  DEFAULT_KV_PORT,
  DEFAULT_REPLICAS,
  PEER_PORT_OFFSET,
  UsageError,
} from './arguments.js';
import { type ConfigFile, parseConfig, parseJson } from './config-file.js';

const ids: readonly string[] = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const HOST = '127.0.0.1';

export interface PlannedReplica {
  readonly id: string;
  readonly kv: Address;
  readonly peers: Address;
  readonly dataDir: string;
  readonly configPath: string;
  readonly logPath: string;
}

export interface ClusterPlan {
  readonly cluster: string;
  /** False where the folder had a cluster already. */
  readonly fresh: boolean;
  readonly replicas: readonly PlannedReplica[];
}

type ConfigObject = Omit<ReplicaOptions, 'logger' | 'members'> & {
  readonly members: NonNullable<ReplicaOptions['members']>;
  readonly kv: { readonly listen: string };
};

async function readExisting(path: string): Promise<ConfigObject | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  parseConfig(text, path);
  const config = parseJson(text) as ConfigObject;
  if (config.members === undefined)
    throw new UsageError(`${path} names no members: a cluster of this command has them`, 'cluster');
  return config;
}

function freshConfig(id: string, index: number, count: number, dir: string): ConfigObject {
  const address = (i: number): string =>
    formatAddress({ host: HOST, port: DEFAULT_KV_PORT + PEER_PORT_OFFSET + i });
  return {
    cluster: 'local',
    replica: id,
    members: ids.slice(0, count).map((member, i) => ({ id: member, address: address(i) })),
    dataDir: join(dir, id),
    storage: { kind: 'auto' },
    transport: { kind: 'auto' },
    kv: { listen: formatAddress({ host: HOST, port: DEFAULT_KV_PORT + index }) },
  };
}

/** The configuration with what the command line says instead of what it said. */
function withCommand(config: ConfigObject, index: number, command: ClusterCommand): ConfigObject {
  const { port, storage, allowVolatile, transport } = command;
  return {
    ...config,
    ...(port === undefined
      ? {}
      : {
          members: config.members.map((member, i) => ({
            ...member,
            address: formatAddress({ host: HOST, port: port + PEER_PORT_OFFSET + i }),
          })),
          kv: { listen: formatAddress({ host: HOST, port: port + index }) },
        }),
    storage: {
      ...config.storage,
      ...(storage === undefined ? {} : { kind: storage }),
      ...(allowVolatile === undefined ? {} : { allowVolatile }),
    },
    transport: { ...config.transport, ...(transport === undefined ? {} : { kind: transport }) },
  };
}

/** Makes the folder and the configuration files, as far as they are missing or the command line changes them. */
export async function planCluster(command: ClusterCommand): Promise<ClusterPlan> {
  const dir = resolve(command.dir);
  await mkdir(dir, { recursive: true });
  const configPath = (id: string): string => join(dir, `${id}.json`);
  const found = await Promise.all(ids.map((id) => readExisting(configPath(id))));
  const existing = found.indexOf(null) < 0 ? ids.length : found.indexOf(null);
  const beyond = ids.find((_, index) => index > existing && found[index] !== null);
  // Made anew, the one that is missing would have other ports and members than the rest.
  if (beyond !== undefined)
    throw new UsageError(
      `${command.dir} has ${beyond}.json, and no ${ids[existing]}.json before it`,
      'cluster',
    );
  if (existing > 0 && command.replicas !== undefined && command.replicas !== existing) {
    throw new UsageError(
      `${command.dir} has a cluster of ${existing} already: choose another --dir, or --replicas ${existing}`,
      'cluster',
    );
  }
  const count = existing > 0 ? existing : (command.replicas ?? DEFAULT_REPLICAS);
  const replicas: PlannedReplica[] = [];
  let cluster = '';
  for (const [index, id] of ids.slice(0, count).entries()) {
    const before = found[index] ?? freshConfig(id, index, count, dir);
    const config = withCommand(before, index, command);
    const text = `${JSON.stringify(config, null, 2)}\n`;
    const path = configPath(id);
    const checked: ConfigFile = parseConfig(text, path);
    if (config.replica !== id)
      throw new UsageError(`${path} is for replica ${config.replica}, not ${id}`, 'cluster');
    if (found[index] === null || JSON.stringify(found[index]) !== JSON.stringify(config)) {
      // Never half a file, should the disk fill up.
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    }
    const self = config.members.find((member) => member.id === id);
    cluster = config.cluster;
    replicas.push({
      id,
      kv: checked.kv.listen,
      peers: parseAddress(config.listen ?? self!.address)!,
      dataDir: resolve(config.dataDir ?? join(dir, id)),
      configPath: path,
      logPath: join(dir, `${id}.log`),
    });
  }
  return { cluster, fresh: existing === 0, replicas };
}

function isFree(address: Address): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ host: address.host, port: address.port, exclusive: true }, () =>
      server.close(() => done(true)),
    );
  });
}

/** What of the plan's addresses is in use by another process, in words. */
export async function takenAddresses(plan: ClusterPlan): Promise<readonly string[]> {
  const taken: string[] = [];
  for (const replica of plan.replicas) {
    if (!(await isFree(replica.kv)))
      taken.push(`${formatAddress(replica.kv)} (key-value service of ${replica.id})`);
    if (!(await isFree(replica.peers)))
      taken.push(`${formatAddress(replica.peers)} (peers of ${replica.id})`);
  }
  return taken;
}

/** A path as it is shortest to type here. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short !== '' && short.length < path.length && !short.startsWith('../../..') ? short : path;
}

/** A word of a command line that is shown to be copied: a path may have blanks in it. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
