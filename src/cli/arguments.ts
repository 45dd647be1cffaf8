/** The command line: what may stand on it, and the texts that say so. */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type LogLevel, logLevels } from '../logger.js';
import type { StorageOption, TransportOption } from '../options.js';
import { type AdminCommand, adminTexts, isAdminName, parseAdminCommand } from './admin-arguments.js';
import { isToolName, parseToolCommand, type ToolCommand, toolTexts } from './tool-arguments.js';
import { UsageError } from './usage-error.js';

export { UsageError };

export interface ServeCommand {
  readonly kind: 'serve';
  readonly config: string;
  readonly logLevel: LogLevel;
  readonly stopWithStdin: boolean;
}

export interface ClusterCommand {
  readonly kind: 'cluster';
  readonly replicas: number | undefined;
  readonly dir: string;
  readonly storage: StorageOption | undefined;
  readonly allowVolatile: boolean | undefined;
  readonly transport: TransportOption | undefined;
  readonly port: number | undefined;
  readonly restart: boolean;
  readonly logLevel: LogLevel;
}

export interface StatusCommand {
  readonly kind: 'status';
  readonly config: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
}

export interface LogCommand {
  readonly kind: 'log';
  readonly action: 'dump' | 'verify';
  /** One of the two is there. */
  readonly config: string | undefined;
  readonly dir: string | undefined;
  /** `dump`: only records about slots from here, up to there. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly json: boolean;
}

export type Command =
  | ServeCommand
  | ClusterCommand
  | StatusCommand
  | LogCommand
  | AdminCommand
  | ToolCommand
  | { readonly kind: 'help'; readonly command: string | undefined }
  | { readonly kind: 'version' };

/** The peers' ports of a local cluster begin this far above those of its key-value service. */
export const PEER_PORT_OFFSET = 700;
export const DEFAULT_KV_PORT = 6401;
export const DEFAULT_REPLICAS = 3;
export const REPLICAS_MAX = 7;

const general = `synod - a replicated log, and a key-value store on top of it

usage: synod COMMAND [OPTION...]

  synod cluster                  run a cluster on this machine, one process for each replica
  synod serve --config FILE      run one replica with the key-value service
  synod status --config FILE     print the state of a running replica as JSON
  synod member add ID=HOST:PORT  change the members of a running cluster; list, remove, replace
  synod bootstrap ID=HOST:PORT ...  give a cluster its first members
  synod promote, relinquish      change who leads it
  synod protocol                 show or raise the version of the protocol, after an upgrade
  synod log verify --dir DIR     check the log of a replica, running or not
  synod log dump --dir DIR       print its records
  synod checkpoint verify --dir DIR  check its checkpoints; show, latest, edit-members
  synod replay --dir DIR         execute its log again, up to a slot, through a state machine
  synod recover --dir DIR        after the loss of a majority: go on with this replica alone
  synod help [COMMAND]           print this text, or the options of a command
  synod --version                print the version

Exit code: 0 when all went well, 1 when it did not, 2 when the command line or the configuration is wrong,
3 when it is unknown what became of a change.
`;

const ownTexts: Readonly<Record<CommandName, string>> = {
  serve: `usage: synod serve --config FILE [--log-level LEVEL] [--stop-with-stdin]

Runs one replica and its key-value service (RESP: redis-cli and Redis clients can talk to it) in the
foreground. Events go to standard error, one line of JSON each.

  -c, --config FILE     the configuration (JSON), see below
      --log-level LEVEL trace, debug, info (default), warn, error or fatal
      --stop-with-stdin close when standard input ends: with the process that started this one

SIGTERM and SIGINT close the replica cleanly; a second one exits at once.

A configuration:

  { "cluster": "demo", "replica": "a",
    "members": [ { "id": "a", "address": "127.0.0.1:7101" },
                 { "id": "b", "address": "127.0.0.1:7102" },
                 { "id": "c", "address": "127.0.0.1:7103" } ],
    "dataDir": "data/a",
    "storage": { "kind": "auto" },
    "transport": { "kind": "auto" },
    "kv": { "listen": "127.0.0.1:6401" } }

Relative paths begin at the working directory. docs/configuration.md lists every key.
`,
  cluster: `usage: synod cluster [OPTION...]

Runs a cluster on this machine: one process for each replica, connected over loopback. It prints where to
connect, then one line for each change, until Ctrl-C closes it. Data and configuration files stay in DIR; when
DIR has them already, the cluster goes on from there, and an option given here changes just that in the files.

  -n, --replicas N      1 to ${REPLICAS_MAX} replicas (default: ${DEFAULT_REPLICAS})
  -d, --dir DIR         folder of data, configuration and logs (default: data)
      --storage KIND    auto (default), memory, file, uring or pmem
      --allow-volatile  let pmem use a path that is not persistent memory (nothing outlives a power cut)
      --transport KIND  auto (default), tcp or uring
  -p, --port P          the replicas' key-value services listen on ports P, P+1, ... (default: ${DEFAULT_KV_PORT}),
                        their peers' listeners on P+${PEER_PORT_OFFSET}, P+${PEER_PORT_OFFSET + 1}, ...
      --restart         start a replica again that has died
      --log-level LEVEL what the replicas write to their log files: trace, debug, info (default), ...
`,
  status: `usage: synod status (--config FILE | --port P [--host HOST])

Asks a running replica, through the port of its key-value service, and prints one JSON object: replica, role,
primary, ballot, configuration, version, chosen, applied, stateDigest, storage, transport, peers, bytesCopied,
bytesLogged, persists, outstandingBytes, alerts.

  -c, --config FILE     ask the replica that this configuration is for
  -p, --port P          ask the one whose key-value service listens on port P
      --host HOST       on this host (default: 127.0.0.1)

Exit code 1 and one line on standard error when it does not answer.
`,
  log: `usage: synod log verify (--dir DIR | --config FILE) [--json]
       synod log dump (--dir DIR | --config FILE) [--from SLOT] [--to SLOT] [--json]

Reads the log of a replica, checks every record as the replica does when it is opened, and changes nothing. The
replica may be running.

verify prints what the log is: clean, torn (writes that a crash interrupted, which were never acknowledged, follow
its end) or corrupt, and what its records add up to. A log whose beginning neither it nor a checkpoint has is
corrupt; whether the checkpoints are sound is for checkpoint verify. dump prints one line for each record, then
the same.

  -d, --dir DIR         the data directory of the replica
  -c, --config FILE     the one that this configuration names
      --from SLOT       only records about this slot or a later one
      --to SLOT         only records about this slot or an earlier one
      --json            one JSON object for each record, and one for the log

Exit code 1 when the log is corrupt, or when there is none.
`,
};

const texts: ReadonlyMap<string, string> = new Map(
  Object.entries({ ...ownTexts, ...adminTexts, ...toolTexts }),
);
const commandNames = `${[...texts.keys()].join(', ')} or help`;

/** The help text of a command, or the general one. */
export function helpText(command?: string): string {
  return (command === undefined ? undefined : texts.get(command)) ?? general;
}

type OptionTable = NonNullable<ParseArgsConfig['options']>;
type Values = Readonly<Record<string, string | boolean | undefined>>;

type CommandName = 'serve' | 'cluster' | 'status' | 'log';

const optionTables: Readonly<Record<CommandName, OptionTable>> = {
  serve: {
    config: { type: 'string', short: 'c' },
    'log-level': { type: 'string' },
    'stop-with-stdin': { type: 'boolean' },
  },
  cluster: {
    replicas: { type: 'string', short: 'n' },
    dir: { type: 'string', short: 'd' },
    storage: { type: 'string' },
    'allow-volatile': { type: 'boolean' },
    transport: { type: 'string' },
    port: { type: 'string', short: 'p' },
    restart: { type: 'boolean' },
    'log-level': { type: 'string' },
  },
  status: {
    config: { type: 'string', short: 'c' },
    port: { type: 'string', short: 'p' },
    host: { type: 'string' },
  },
  log: {
    config: { type: 'string', short: 'c' },
    dir: { type: 'string', short: 'd' },
    from: { type: 'string' },
    to: { type: 'string' },
    json: { type: 'boolean' },
  },
};

const storageKinds: readonly StorageOption[] = ['auto', 'memory', 'file', 'uring', 'pmem'];
const transportKinds: readonly TransportOption[] = ['auto', 'tcp', 'uring'];

function choice<T extends string>(
  command: string,
  values: Values,
  name: string,
  choices: readonly T[],
): T | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  const found = choices.find((each) => each === value);
  if (found === undefined)
    throw new UsageError(`--${name} ${value}: expected ${choices.join(', ')}`, command);
  return found;
}

function integer(
  command: string,
  values: Values,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  const number = /^[0-9]{1,9}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) {
    throw new UsageError(`--${name} ${value}: expected a number from ${min} to ${max}`, command);
  }
  return number;
}

function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

function readOptions(command: CommandName, rest: readonly string[]): Values {
  try {
    const { values } = parseArgs({
      args: [...rest],
      options: { ...optionTables[command], help: { type: 'boolean', short: 'h' } },
      strict: true,
      allowPositionals: false,
    });
    return values as Values;
  } catch (error) {
    // Node's messages go on with advice about "--"; the first sentence is what was wrong.
    throw new UsageError((error as Error).message.split(/\. /)[0]!.replace(/\n/g, ' '), command);
  }
}

function filled(command: string, values: Values, name: string): string | undefined {
  const value = text(values, name);
  if (value === '') throw new UsageError(`--${name} is empty`, command);
  return value;
}

/** A slot, that is a whole number; undefined where the option is not there. */
function slot(values: Values, name: string): number | undefined {
  const value = text(values, name);
  if (value === undefined) return undefined;
  const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new UsageError(`--${name} ${value}: expected a slot`, 'log');
  return number;
}

function parseLogCommand(rest: readonly string[]): Command {
  const [action, ...options] = rest;
  if (action === '--help' || action === '-h') return { kind: 'help', command: 'log' };
  if (action !== 'dump' && action !== 'verify') {
    throw new UsageError(
      action === undefined ? 'log dump or log verify?' : `no such command: log ${action}`,
      'log',
    );
  }
  const values = readOptions('log', options);
  if (values.help === true) return { kind: 'help', command: 'log' };
  const config = filled('log', values, 'config');
  const dir = filled('log', values, 'dir');
  if ((config === undefined) === (dir === undefined)) {
    throw new UsageError(`log ${action} needs either --dir DIR or --config FILE`, 'log');
  }
  const from = slot(values, 'from');
  const to = slot(values, 'to');
  if (action === 'verify' && (from !== undefined || to !== undefined)) {
    throw new UsageError('--from and --to go with dump', 'log');
  }
  return { kind: 'log', action, config, dir, from, to, json: values.json === true };
}

/** What the command line asks for. Throws `UsageError`. */
export function parseCommandLine(args: readonly string[]): Command {
  const [command, ...rest] = args;
  switch (command) {
    case undefined:
      throw new UsageError(`which command? ${commandNames}`);
    case 'help':
    case '--help':
    case '-h': {
      const topic = rest[0];
      if (topic !== undefined && !texts.has(topic)) throw new UsageError(`no such command: ${topic}`);
      return { kind: 'help', command: topic };
    }
    case '--version':
    case '-V':
    case 'version':
      return { kind: 'version' };
    case 'serve':
    case 'cluster':
    case 'status':
      break;
    case 'log':
      return parseLogCommand(rest);
    default:
      if (isAdminName(command)) return parseAdminCommand(command, rest) ?? { kind: 'help', command };
      if (isToolName(command)) return parseToolCommand(command, rest) ?? { kind: 'help', command };
      throw new UsageError(
        command.startsWith('-')
          ? `unknown option ${command}`
          : `no such command: ${command} (${commandNames})`,
      );
  }
  const values = readOptions(command, rest);
  if (values.help === true) return { kind: 'help', command };
  const logLevel = choice(command, values, 'log-level', logLevels) ?? 'info';
  switch (command) {
    case 'serve': {
      const config = filled(command, values, 'config');
      if (config === undefined) throw new UsageError('serve needs --config FILE', command);
      return { kind: 'serve', config, logLevel, stopWithStdin: values['stop-with-stdin'] === true };
    }
    case 'cluster':
      return {
        kind: 'cluster',
        replicas: integer(command, values, 'replicas', 1, REPLICAS_MAX),
        dir: filled(command, values, 'dir') ?? 'data',
        storage: choice(command, values, 'storage', storageKinds),
        allowVolatile: values['allow-volatile'] === true ? true : undefined,
        transport: choice(command, values, 'transport', transportKinds),
        port: integer(command, values, 'port', 1, 65_535 - PEER_PORT_OFFSET - REPLICAS_MAX),
        restart: values.restart === true,
        logLevel,
      };
    case 'status': {
      const config = filled(command, values, 'config');
      const port = integer(command, values, 'port', 1, 65_535);
      if ((config === undefined) === (port === undefined)) {
        throw new UsageError('status needs either --config FILE or --port P', command);
      }
      if (config !== undefined && values.host !== undefined)
        throw new UsageError('--host goes with --port', command);
      return { kind: 'status', config, port, host: filled(command, values, 'host') ?? '127.0.0.1' };
    }
  }
}
