/** The command lines that have a running replica do something: change the members, who leads, or the version of the protocol. */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './usage-error.js';

/** Whom to ask: the replica of a configuration, or the one whose key-value service is there. */
export interface Target {
  readonly config: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
}

export interface AdminCommand extends Target {
  readonly kind: 'member' | 'bootstrap' | 'promote' | 'relinquish' | 'protocol';
  /** Behind `SYNOD`, as the service takes it. */
  readonly words: readonly string[];
  readonly timeoutMs: number;
  readonly json: boolean;
}

export type AdminName = AdminCommand['kind'];

const TIMEOUT_MS = 60_000;
const TIMEOUT_MS_MAX = 3_600_000;

const common = `  -c, --config FILE     ask the replica that this configuration is for
  -p, --port P          ask the one whose key-value service listens on port P
      --host HOST       on this host (default: 127.0.0.1)
      --timeout-ms N    wait so long for the answer (default: ${TIMEOUT_MS})
      --json            print the answer as one JSON object

Replicas take changes from their own machine alone, over loopback or through the machine's own address, unless
kv.administration says otherwise.

Exit code 0 when it is done, 1 when nothing was changed, 3 when it is unknown whether it was.
`;

export const adminTexts: Readonly<Record<AdminName, string>> = {
  member: `usage: synod member list (--config FILE | --port P [--host HOST])
       synod member add ID=HOST:PORT (--config FILE | --port P [--host HOST]) [--force]
       synod member remove ID (...) [--force]
       synod member replace ID NEW=HOST:PORT (...) [--force]

Shows or changes the member set of a running cluster, while it serves. Changes are for the primary; another
replica refuses them and names it. One change is made at a time, and only in the place of the set that the
replica knew when it was asked.

A newcomer must run before it is added: start it with the same cluster name and an empty folder. It catches up,
and the change waits for it. ID=HOST:PORT is where the other replicas reach it (not its key-value service). A
replica that is removed goes on without a vote and takes no commands: stop it. replace with the same ID gives a
member another address.

      --force           also where newcomers are not there or have not caught up, and where no quorum of the new
                        set is connected. Danger: the cluster may choose nothing until enough of them have come
${common}`,
  bootstrap: `usage: synod bootstrap ID=HOST:PORT [ID=HOST:PORT ...] (--config FILE | --port P [--host HOST])

Gives a cluster its first member set, through any one of its replicas. All of them must run, with the same cluster
name, an empty folder and a configuration without members. HOST:PORT is where the other replicas reach each
(not its key-value service). Doing it again with the same members is no change.

A folder that was given a list of members never takes another one: if the list was wrong, empty the folders.

${common}`,
  promote: `usage: synod promote (--config FILE | --port P [--host HOST]) [--force]

Makes the replica that is asked the primary. No command fails: they wait, and go on under it.

      --force           also where it has more to learn or to execute first: the cluster waits for it
${common}`,
  relinquish: `usage: synod relinquish (--config FILE | --port P [--host HOST]) [--to ID]

Has the primary hand over to a member that is fit: connected, caught up, with a disk that keeps up. No command
fails.

      --to ID           to this member and no other
${common}`,
  protocol: `usage: synod protocol show (--config FILE | --port P [--host HOST])
       synod protocol raise [VERSION] (...)

Shows which version of the protocol is in force, and the highest that the build of each member speaks; or raises
it, to VERSION or to the highest that all of them speak. For the end of a rolling upgrade: exchange the builds one
by one, then raise. Only the primary does; all members must be connected. There is no way back: from then on older
builds are refused.

${common}`,
};

const targetOptions = {
  config: { type: 'string', short: 'c' },
  port: { type: 'string', short: 'p' },
  host: { type: 'string' },
  'timeout-ms': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const options: Readonly<Record<AdminName, NonNullable<ParseArgsConfig['options']>>> = {
  member: { ...targetOptions, force: { type: 'boolean' } },
  bootstrap: targetOptions,
  promote: { ...targetOptions, force: { type: 'boolean' } },
  relinquish: { ...targetOptions, to: { type: 'string' } },
  protocol: targetOptions,
};

export function isAdminName(name: string): name is AdminName {
  return Object.hasOwn(adminTexts, name);
}

/** Null where help was asked for. Throws `UsageError`. */
export function parseAdminCommand(name: AdminName, rest: readonly string[]): AdminCommand | null {
  const wrong = (message: string): UsageError => new UsageError(message, name);
  let values: Readonly<Record<string, string | boolean | undefined>>;
  let positionals: readonly string[];
  try {
    ({ values, positionals } = parseArgs({
      args: [...rest],
      options: options[name],
      strict: true,
      allowPositionals: true,
    }) as { values: typeof values; positionals: string[] });
  } catch (error) {
    throw wrong((error as Error).message.split(/\. /)[0]!.replace(/\n/g, ' '));
  }
  if (values.help === true) return null;
  for (const [option, value] of Object.entries(values)) if (value === '') throw wrong(`--${option} is empty`);
  const force = values.force === true;
  let words: readonly string[];
  if (name === 'bootstrap') {
    if (positionals.length === 0) throw wrong('bootstrap: expected ID=HOST:PORT, once for each member');
    words = ['BOOTSTRAP', ...positionals.flatMap((text) => placeOf(text, wrong))];
  } else if (name === 'member') words = memberWords(positionals, force, wrong);
  else if (name === 'protocol') words = protocolWords(positionals, wrong);
  else {
    if (positionals.length > 0) throw wrong(`unexpected argument ${positionals[0]}`);
    const more = force ? ['FORCE'] : typeof values.to === 'string' ? [values.to] : [];
    words = [name.toUpperCase(), ...more];
  }
  return {
    kind: name,
    words,
    ...targetOf(name, values, wrong),
    timeoutMs: integer(values['timeout-ms'], 'timeout-ms', TIMEOUT_MS_MAX, wrong) ?? TIMEOUT_MS,
    json: values.json === true,
  };
}

const memberArguments: ReadonlyMap<string, readonly string[]> = new Map([
  ['list', []],
  ['add', ['ID=HOST:PORT']],
  ['remove', ['ID']],
  ['replace', ['ID', 'NEW=HOST:PORT']],
]);

type Wrong = (message: string) => UsageError;

function memberWords(positionals: readonly string[], force: boolean, wrong: Wrong): readonly string[] {
  const [action, ...rest] = positionals;
  if (action === undefined) throw wrong('member list, add, remove or replace?');
  const expected = memberArguments.get(action);
  if (expected === undefined) throw wrong(`no such command: member ${action}`);
  if (rest.length !== expected.length)
    throw wrong(`member ${action}: expected ${expected.join(' ') || 'nothing more'}`);
  if (action === 'list') {
    if (force) throw wrong('--force goes with add, remove and replace');
    return ['MEMBERS'];
  }
  const forced = force ? ['FORCE'] : [];
  if (action === 'remove') return ['MEMBER', 'REMOVE', rest[0]!, ...forced];
  const place = placeOf(rest.at(-1)!, wrong);
  return action === 'add'
    ? ['MEMBER', 'ADD', ...place, ...forced]
    : ['MEMBER', 'REPLACE', rest[0]!, ...place, ...forced];
}

function protocolWords([action, version, ...tooMany]: readonly string[], wrong: Wrong): readonly string[] {
  if (action === undefined) throw wrong('protocol show or raise?');
  if (action !== 'show' && action !== 'raise') throw wrong(`no such command: protocol ${action}`);
  if (tooMany.length > 0 || (action === 'show' && version !== undefined))
    throw wrong(`protocol ${action}: expected ${action === 'show' ? 'nothing more' : '[VERSION]'}`);
  if (version === undefined) return action === 'show' ? ['VERSION'] : ['VERSION', 'RAISE'];
  if (!/^[1-9][0-9]{0,8}$/.test(version))
    throw wrong(`${version}: expected a version of the protocol, 1 or above`);
  return ['VERSION', 'RAISE', version];
}

/** The id and the address in `ID=HOST:PORT`. */
function placeOf(text: string, wrong: Wrong): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw wrong(`${text}: expected ID=HOST:PORT`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function targetOf(
  name: AdminName,
  values: Readonly<Record<string, string | boolean | undefined>>,
  wrong: Wrong,
): Target {
  const config = values.config as string | undefined;
  const port = integer(values.port, 'port', 65_535, wrong);
  if ((config === undefined) === (port === undefined))
    throw wrong(`${name} needs either --config FILE or --port P`);
  if (config !== undefined && values.host !== undefined) throw wrong('--host goes with --port');
  return { config, port, host: (values.host as string | undefined) ?? '127.0.0.1' };
}

function integer(
  value: string | boolean | undefined,
  name: string,
  max: number,
  wrong: Wrong,
): number | undefined {
  if (value === undefined) return undefined;
  const number = /^[0-9]{1,9}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (!(number >= 1 && number <= max)) throw wrong(`--${name} ${value}: expected a number from 1 to ${max}`);
  return number;
}
