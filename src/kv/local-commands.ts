/** The commands that a connection answers by itself. */

// biome-ignore-all lint/correctness/noVoidTypeReturn: a reply ends the work on a request, in one line.

import {
  ADMINISTRATION_HELP,
  administer,
  changesSomething,
  isOfThisMachine,
  parseAdministration,
  refusalOf,
} from './administration.js';
import type { CommandSpecification } from './command-table.js';
import { commandNamed, commands } from './command-table.js';
import type { Connection, ConnectionHost } from './connection.js';
import { matchesGlob } from './glob.js';
import { parseInteger } from './integers.js';
import { describeConsistency, parseConsistency } from './read-consistency.js';
import type { RespParser } from './resp-parser.js';
import type { RespWriter } from './resp-writer.js';

/** What clients are told that this server can do: commands and replies as this version of Redis has them. */
export const REDIS_VERSION = '7.0.0';

const SYNTAX = 'ERR syntax error';
const NO_AUTHENTICATION = 'ERR AUTH called without any password configured: this server has no users';

export function runLocalCommand(
  connection: Connection,
  host: ConnectionHost,
  command: CommandSpecification,
  parser: RespParser,
): void {
  switch (command.local) {
    case 'ping':
      return ping(connection, parser);
    case 'echo':
      return connection.reply().bulkBytes(parser.bytes, parser.starts[1] as number, parser.ends[1] as number);
    case 'hello':
      return hello(connection, parser);
    case 'auth':
      return connection.refuse(NO_AUTHENTICATION);
    case 'select':
      return select(connection, parser);
    case 'client':
      return client(connection, host, parser);
    case 'command':
      return describeCommands(connection, parser);
    case 'config':
      return config(connection, parser);
    case 'info':
      return info(connection, host, parser);
    case 'synod':
      return synod(connection, host, parser);
    case 'quit':
      connection.reply().ok();
      return connection.quit();
    case 'multi':
      if (connection.transaction.active) return connection.refuseAlone('ERR MULTI calls can not be nested');
      connection.transaction.begin();
      return connection.reply().ok();
    case 'exec':
      return exec(connection);
    case 'discard':
      if (!connection.transaction.active) return connection.refuse('ERR DISCARD without MULTI');
      connection.transaction.end();
      return connection.reply().ok();
    case 'watch':
      if (connection.transaction.active)
        return connection.refuseAlone('ERR WATCH inside MULTI is not allowed');
      return connection.refuse('ERR WATCH is not supported: use MULTI and EXEC without it');
    case 'unwatch':
      return connection.reply().ok();
    case null:
      return;
  }
}

function text(parser: RespParser, index: number): string {
  return parser.bytes.toString('latin1', parser.starts[index] as number, parser.ends[index] as number);
}

function ping(connection: Connection, parser: RespParser): void {
  if (parser.argumentCount > 2) return connection.refuse("ERR wrong number of arguments for 'ping' command");
  const reply = connection.reply();
  if (parser.argumentCount === 1) reply.simple('PONG');
  else reply.bulkBytes(parser.bytes, parser.starts[1] as number, parser.ends[1] as number);
}

function select(connection: Connection, parser: RespParser): void {
  const index = parseInteger(parser.bytes, parser.starts[1] as number, parser.ends[1] as number);
  if (index === undefined) return connection.refuse('ERR value is not an integer or out of range');
  if (index !== 0) return connection.refuse('ERR DB index is out of range');
  connection.reply().ok();
}

function exec(connection: Connection): void {
  const transaction = connection.transaction;
  if (!transaction.active) return connection.refuse('ERR EXEC without MULTI');
  if (transaction.spoilt) {
    transaction.end();
    return connection.refuse('EXECABORT Transaction discarded because of previous errors.');
  }
  if (transaction.operations.operations === 0) connection.reply().array(0);
  else connection.executeTransaction();
  transaction.end();
}

function hello(connection: Connection, parser: RespParser): void {
  const count = parser.argumentCount;
  let version = connection.version;
  if (count > 1) {
    const wanted = parseInteger(parser.bytes, parser.starts[1] as number, parser.ends[1] as number);
    if (wanted === undefined)
      return connection.refuse('ERR Protocol version is not an integer or out of range');
    if (wanted !== 2 && wanted !== 3) return connection.refuse('NOPROTO unsupported protocol version');
    version = wanted;
  }
  let name: string | null = null;
  for (let index = 2; index < count; ) {
    const option = text(parser, index).toLowerCase();
    if (option === 'auth' && index + 2 < count) return connection.refuse(NO_AUTHENTICATION);
    if (option !== 'setname' || index + 1 >= count) {
      return connection.refuse(`ERR Syntax error in HELLO option '${text(parser, index)}'`);
    }
    name = text(parser, index + 1);
    const reason = refusalOfName('Client names', name);
    if (reason !== null) return connection.refuse(reason);
    index += 2;
  }
  if (name !== null) connection.name = name;
  connection.version = version;
  const reply = connection.reply();
  reply.map(7);
  reply.bulk('server');
  reply.bulk('synod');
  reply.bulk('version');
  reply.bulk(REDIS_VERSION);
  reply.bulk('proto');
  reply.integer(version);
  reply.bulk('id');
  reply.integer(connection.id);
  reply.bulk('mode');
  reply.bulk('standalone');
  reply.bulk('role');
  // Whatever its part in the cluster, every replica takes writes.
  reply.bulk('master');
  reply.bulk('modules');
  reply.array(0);
}

/** Each name is repeated to whoever lists the clients, as often as it asks. */
const NAME_LENGTH_MAX = 256;

/** Null where it is one. */
function refusalOfName(subject: string, name: string): string | null {
  if (name.length > NAME_LENGTH_MAX)
    return `ERR ${subject} cannot be longer than ${NAME_LENGTH_MAX} characters.`;
  if (/^[!-~]*$/.test(name)) return null;
  return `ERR ${subject} cannot contain spaces, newlines or special characters.`;
}

function client(connection: Connection, host: ConnectionHost, parser: RespParser): void {
  const count = parser.argumentCount;
  const subcommand = text(parser, 1).toLowerCase();
  const expected = CLIENT_ARITIES[subcommand];
  if (expected === undefined) {
    return connection.refuse(`ERR unknown subcommand '${text(parser, 1).slice(0, 128)}'. Try CLIENT HELP.`);
  }
  if (expected < 0 ? count < -expected : count !== expected) {
    return connection.refuse(`ERR wrong number of arguments for 'client|${subcommand}' command`);
  }
  switch (subcommand) {
    case 'id':
      return connection.reply().integer(connection.id);
    case 'getname':
      if (connection.name === '') return connection.reply().nil();
      return connection.reply().bulk(connection.name);
    case 'setname': {
      const name = text(parser, 2);
      const reason = refusalOfName('Client names', name);
      if (reason !== null) return connection.refuse(reason);
      connection.name = name;
      return connection.reply().ok();
    }
    case 'setinfo':
      return clientSetInfo(connection, parser);
    case 'info':
      return connection.reply().verbatim(`${describeClient(connection, host)}\n`);
    case 'list':
      return clientList(connection, host, parser);
    case 'no-evict':
    case 'no-touch':
      if (!/^(on|off)$/i.test(text(parser, 2))) return connection.refuse(SYNTAX);
      return connection.reply().ok();
    case 'help':
      return replyLines(connection.reply(), CLIENT_HELP);
  }
}

/** With the two words that name the command. */
const CLIENT_ARITIES: Readonly<Record<string, number | undefined>> = Object.assign(Object.create(null), {
  id: 2,
  getname: 2,
  setname: 3,
  setinfo: 4,
  info: 2,
  list: -2,
  'no-evict': 3,
  'no-touch': 3,
  help: 2,
});

const CLIENT_HELP = [
  'CLIENT <subcommand> [<arg> [value] ...]. Subcommands are:',
  'GETNAME, ID, INFO, LIST [TYPE <type> | ID <id> ...], NO-EVICT (ON|OFF), NO-TOUCH (ON|OFF), SETINFO <option> <value>, SETNAME <name>, HELP',
];

/** Kinds of clients that Redis has; here all are of the first. */
const clientTypes: readonly string[] = ['normal', 'master', 'replica', 'slave', 'pubsub'];

function clientList(connection: Connection, host: ConnectionHost, parser: RespParser): void {
  const filter = parser.argumentCount === 2 ? '' : text(parser, 2).toLowerCase();
  let isShown = (_: Connection): boolean => true;
  if (filter === 'id' && parser.argumentCount > 3) {
    const ids = new Set<unknown>();
    for (let index = 3; index < parser.argumentCount; index++) {
      const id = parseInteger(parser.bytes, parser.starts[index] as number, parser.ends[index] as number);
      if (id === undefined) return connection.refuse('ERR Invalid client ID');
      ids.add(id);
    }
    isShown = ({ id }) => ids.has(id);
  } else if (filter === 'type' && parser.argumentCount === 4) {
    const type = text(parser, 3).slice(0, 128);
    if (!clientTypes.includes(type.toLowerCase()))
      return connection.refuse(`ERR Unknown client type '${type}'`);
    isShown = () => type.toLowerCase() === clientTypes[0];
  } else if (filter !== '' || parser.argumentCount > 2) return connection.refuse(SYNTAX);
  const lines: string[] = [];
  for (const other of host.connections()) if (isShown(other)) lines.push(`${describeClient(other, host)}\n`);
  connection.reply().verbatim(lines.join(''));
}

function clientSetInfo(connection: Connection, parser: RespParser): void {
  const option = text(parser, 2).toLowerCase();
  const value = text(parser, 3);
  if (option !== 'lib-name' && option !== 'lib-ver') {
    return connection.refuse(`ERR Unrecognized option '${text(parser, 2).slice(0, 128)}'`);
  }
  const reason = refusalOfName(option, value);
  if (reason !== null) return connection.refuse(reason);
  if (option === 'lib-name') connection.libraryName = value;
  else connection.libraryVersion = value;
  connection.reply().ok();
}

function describeClient(connection: Connection, host: ConnectionHost): string {
  const ageS = Math.max(0, Math.trunc((host.options.nowMs() - connection.createdMs) / 1000));
  const queued = connection.transaction.active ? connection.transaction.operations.operations : -1;
  return [
    `id=${connection.id}`,
    `addr=${connection.remote}`,
    `name=${connection.name}`,
    `age=${ageS}`,
    'db=0',
    `multi=${queued}`,
    `omem=${connection.outputBytes}`,
    `cmd=${connection.lastCommand}`,
    'user=default',
    `resp=${connection.version}`,
    `lib-name=${connection.libraryName}`,
    `lib-ver=${connection.libraryVersion}`,
  ].join(' ');
}

function describeCommands(connection: Connection, parser: RespParser): void {
  const reply = connection.reply();
  if (parser.argumentCount === 1) {
    reply.array(commands.length);
    for (const command of commands) describeCommand(reply, command);
    return;
  }
  const subcommand = text(parser, 1).toLowerCase();
  switch (subcommand) {
    case 'count':
      return reply.integer(commands.length);
    case 'docs':
      // Clients show their own help where the server has none.
      return reply.map(0);
    case 'list':
      reply.array(commands.length);
      for (const command of commands) reply.bulk(command.name);
      return;
    case 'help':
      return help(connection, parser, 'command', COMMAND_HELP);
    case 'info': {
      const names: string[] = [];
      for (let index = 2; index < parser.argumentCount; index++) names.push(text(parser, index));
      const described = names.length === 0 ? commands : names.map(commandNamed);
      reply.array(described.length);
      for (const command of described) {
        if (command === undefined) reply.nilArray();
        else describeCommand(reply, command);
      }
      return;
    }
    default:
      return connection.refuse(
        `ERR unknown subcommand '${text(parser, 1).slice(0, 128)}'. Try COMMAND HELP.`,
      );
  }
}

const COMMAND_HELP = [
  'COMMAND [<subcommand> [<arg> ...]]. Without one, all commands are described. Subcommands are:',
  'COUNT, DOCS [<name> ...], INFO [<name> ...], LIST, HELP',
];

function describeCommand(reply: RespWriter, command: CommandSpecification): void {
  reply.array(6);
  reply.bulk(command.name);
  reply.integer(command.arity);
  reply.set(command.flags.length);
  for (const flag of command.flags) reply.simple(flag);
  reply.integer(command.firstKey);
  reply.integer(command.lastKey);
  reply.integer(command.keyStep);
}

/** What tools ask for before they start. Durability is the log's business, so nothing can be set. */
const settings: readonly (readonly [string, string])[] = [
  ['save', ''],
  ['appendonly', 'yes'],
  ['appendfsync', 'always'],
  ['databases', '1'],
  ['maxmemory', '0'],
  ['maxmemory-policy', 'noeviction'],
];

const CONFIG_HELP = [
  'CONFIG <subcommand> [<arg> ...]. Subcommands are:',
  'GET <pattern> [<pattern> ...], HELP. Nothing can be set: the configuration file says what holds.',
];

function config(connection: Connection, parser: RespParser): void {
  const subcommand = text(parser, 1).toLowerCase();
  if (subcommand === 'get') {
    if (parser.argumentCount < 3) {
      return connection.refuse("ERR wrong number of arguments for 'config|get' command");
    }
    const patterns: string[] = [];
    for (let index = 2; index < parser.argumentCount; index++) {
      patterns.push(text(parser, index).toLowerCase());
    }
    const found = settings.filter(([name]) => patterns.some((pattern) => matchesGlob(pattern, name)));
    const reply = connection.reply();
    reply.map(found.length);
    for (const [name, value] of found) {
      reply.bulk(name);
      reply.bulk(value);
    }
    return;
  }
  if (subcommand === 'help') return help(connection, parser, 'config', CONFIG_HELP);
  // Whoever else compares two readings would see a count go back.
  if (subcommand === 'resetstat')
    return connection.refuse(
      'ERR CONFIG RESETSTAT is not supported: counts are of the whole life of a server',
    );
  if (subcommand === 'set')
    return connection.refuse('ERR CONFIG SET is not supported: use the configuration file');
  connection.refuse(`ERR unknown subcommand '${text(parser, 1).slice(0, 128)}'. Try CONFIG HELP.`);
}

function info(connection: Connection, host: ConnectionHost, parser: RespParser): void {
  const sections: string[] = [];
  for (let index = 1; index < parser.argumentCount; index++) sections.push(text(parser, index).toLowerCase());
  connection.replyLater(
    host.information(sections).then((information) => (reply: RespWriter) => reply.verbatim(information)),
  );
}

/** `SYNOD STATUS` and the like: what the command line asks, and has a replica do. */
function synod(connection: Connection, host: ConnectionHost, parser: RespParser): void {
  const words: string[] = [];
  for (let index = 1; index < parser.argumentCount; index++) words.push(text(parser, index));
  const [first, ...rest] = words as [string, ...string[]];
  if (/^(consistency|token)$/i.test(first)) return readings(connection, host, first.toLowerCase(), rest);
  if (first.toLowerCase() === 'help') return replyLines(connection.reply(), ADMINISTRATION_HELP);
  const request = parseAdministration(words);
  if (request === null)
    return connection.refuse(`ERR no such request: '${words.join(' ').slice(0, 128)}'. Try SYNOD HELP.`);
  const { administration } = host.options;
  if (
    changesSomething(request) &&
    (administration === 'none' ||
      (administration === 'loopback' && !isOfThisMachine(connection.remoteHost, connection.localHost)))
  )
    return connection.refuse(
      `NOPERM changes are taken ${administration === 'none' ? 'from nobody' : 'from this machine alone'} (kv.administration)`,
    );
  connection.replyLater(administer(host.replica, request));
}

const NO_LEASES = 'ERR the replica has no leases: they are an option of it';

/** `SYNOD CONSISTENCY ...` and `SYNOD TOKEN`: of this connection alone, and nothing that an operator has to allow. */
function readings(
  connection: Connection,
  { replica, options }: ConnectionHost,
  subcommand: string,
  words: readonly string[],
): void {
  if (replica.read === undefined || replica.token === undefined)
    return connection.refuse('ERR this service reads through the log alone');
  if (subcommand === 'token') {
    if (words.length > 0) return connection.refuse(SYNTAX);
    // Behind the replies before it: the token stands for them too.
    return connection.replyBehind((reply) => reply.bulk(replica.token!()));
  }
  if (words.length === 0) return connection.reply().bulk(describeConsistency(connection.consistency));
  try {
    const consistency = parseConsistency(words);
    if (consistency === null) return connection.refuse(SYNTAX);
    if (consistency === 'lease' && !options.leases) return connection.refuse(NO_LEASES);
    // What was asked before is read as it was asked: the reply closes the batch.
    connection.reply().ok();
    connection.consistency = consistency;
  } catch (error) {
    connection.refuse(refusalOf(error));
  }
}

function help(connection: Connection, parser: RespParser, command: string, lines: readonly string[]): void {
  if (parser.argumentCount === 2) return replyLines(connection.reply(), lines);
  connection.refuse(`ERR wrong number of arguments for '${command}|help' command`);
}

function replyLines(reply: RespWriter, lines: readonly string[]): void {
  reply.array(lines.length);
  for (const line of lines) reply.simple(line);
}
