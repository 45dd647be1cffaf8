/** The command lines of the tools that look at, replay and recover what a replica has stored. */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './usage-error.js';

export interface CheckpointCommand {
  readonly kind: 'checkpoint';
  readonly action: 'show' | 'verify' | 'latest' | 'edit-members';
  readonly dir: string;
  /** `edit-members`: what to write and where to. */
  readonly members: readonly { readonly id: string; readonly incarnation: string | null }[];
  readonly out: string;
  /** Of this slot; undefined for the newest, or all. */
  readonly slot: number | undefined;
  readonly json: boolean;
}

export interface ReplayCommand {
  readonly kind: 'replay';
  readonly dir: string;
  readonly stateMachine: string;
  readonly to: number | undefined;
  readonly writeCheckpoint: string | undefined;
  readonly json: boolean;
}

export interface RecoverCommand {
  readonly kind: 'recover';
  readonly dir: string;
  readonly acceptsDataLoss: boolean;
  readonly json: boolean;
}

export type ToolCommand = CheckpointCommand | ReplayCommand | RecoverCommand;
export type ToolName = ToolCommand['kind'];

export const toolTexts: Readonly<Record<ToolName, string>> = {
  checkpoint: `usage: synod checkpoint show --dir DIR [--slot SLOT] [--json]
       synod checkpoint verify --dir DIR [--slot SLOT] [--json]
       synod checkpoint latest --dir DIR [--slot SLOT] [--json]
       synod checkpoint edit-members --dir DIR --members LIST --out DIR2 [--slot SLOT] [--json]

Reads the checkpoints of a replica, every block of them, and changes nothing. The replica may be running.

show prints what is in each: slot, ballot, who made it and when, members, bytes. verify prints a line for each,
and fails where one is damaged. latest prints the newest that is sound. edit-members writes a copy of it with
other members into the folder DIR2, which is not that of a replica that runs; a member is an ID of the present
ones, or ID=INCARNATION for another disk.

  -d, --dir DIR         the data directory of the replica
      --slot SLOT       only the checkpoint of this slot; latest: the newest of this slot or an earlier one
      --members LIST    the members of the copy, with commas between them
      --out DIR2        the folder for the copy
      --json            one JSON object for each checkpoint

Exit code 1 when a checkpoint is damaged, or when there is none.
`,
  replay: `usage: synod replay --dir DIR --state-machine MODULE [--to SLOT] [--write-checkpoint DIR2] [--json]

Executes the log of a replica again, from its newest checkpoint or its beginning, through a state machine in this
process, and prints where that ends: slot, commands, digest. The data directory stays as it is; the replica may be
running, unless the checkpoint is to go among its own. To stop in the middle of a command, run it in a debugger:
node --inspect-brk $(which synod) replay ...

  -d, --dir DIR         the data directory of the replica
      --state-machine MODULE  a module whose default export is a state machine, a class of one or a function that
                        makes one; kv for that of the key-value service
      --to SLOT         the last slot to execute (default: the last that the log knows to be chosen)
      --write-checkpoint DIR2  write a checkpoint of the end into this folder; among those of a data
                        directory only while its replica does not run
      --json            one JSON object

Exit code 1 when the log does not reach back, is corrupt, or the state machine throws.
`,
  recover: `usage: synod recover --dir DIR [--accept-data-loss] [--json]

For the day when a majority of the replicas is lost for good. Without the flag it says what would be done and what
may be lost, and changes nothing. With the flag it makes the replica of DIR, which must not be running, the only
member of a new configuration, with everything that its disk holds, and adds two lines to recoveries.jsonl there:
before it changes anything, and when it is done. What the lost replicas chose without it is lost, acknowledged or
not.

Where it ends half-way (no space, a power cut) the replica is not opened any more, until the same command has gone
on with it.

Run it without the flag on every survivor first, and recover the one that has accepted under the highest ballot
(2.9 is below 10.1): what others have accepted under a lower one may have been replaced since. Among equals take
the one with the highest slot. Only one that knows more slots to be chosen than that one keeps comes before it.
All others, and those that were lost, must never be started again with the disks that they had.

  -d, --dir DIR         the data directory of the replica
      --accept-data-loss  do it
      --json            one JSON object

Exit code 0 when it is done, else 1.
`,
};

const options: Readonly<Record<ToolName, NonNullable<ParseArgsConfig['options']>>> = {
  checkpoint: {
    dir: { type: 'string', short: 'd' },
    slot: { type: 'string' },
    members: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean' },
  },
  replay: {
    dir: { type: 'string', short: 'd' },
    'state-machine': { type: 'string' },
    to: { type: 'string' },
    'write-checkpoint': { type: 'string' },
    json: { type: 'boolean' },
  },
  recover: {
    dir: { type: 'string', short: 'd' },
    'accept-data-loss': { type: 'boolean' },
    json: { type: 'boolean' },
  },
};

const actions: readonly CheckpointCommand['action'][] = ['show', 'verify', 'latest', 'edit-members'];

export function isToolName(name: string): name is ToolName {
  return Object.hasOwn(toolTexts, name);
}

/** Null where help was asked for. Throws `UsageError`. */
export function parseToolCommand(name: ToolName, rest: readonly string[]): ToolCommand | null {
  const wrong = (message: string): UsageError => new UsageError(message, name);
  if (rest[0] === '--help' || rest[0] === '-h') return null;
  const action = name === 'checkpoint' ? actions.find((each) => each === rest[0]) : undefined;
  if (name === 'checkpoint' && action === undefined)
    throw wrong(
      rest[0] === undefined
        ? 'checkpoint show, verify, latest or edit-members?'
        : `no such command: checkpoint ${rest[0]}`,
    );
  let values: Readonly<Record<string, string | boolean | undefined>>;
  try {
    ({ values } = parseArgs({
      args: rest.slice(action === undefined ? 0 : 1),
      options: { ...options[name], help: { type: 'boolean', short: 'h' } },
      strict: true,
      allowPositionals: false,
    }) as { values: typeof values });
  } catch (error) {
    throw wrong((error as Error).message.split(/\. /)[0]!.replace(/\n/g, ' '));
  }
  if (values.help === true) return null;
  const text = (option: string): string | undefined => {
    const value = values[option];
    if (value === '') throw wrong(`--${option} is empty`);
    return value as string | undefined;
  };
  const needed = (option: string, meaning: string): string => {
    const value = text(option);
    if (value === undefined)
      throw wrong(`${name}${action === undefined ? '' : ` ${action}`} needs --${option} ${meaning}`);
    return value;
  };
  const slot = (option: string): number | undefined => {
    const value = text(option);
    if (value === undefined) return undefined;
    const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw wrong(`--${option} ${value}: expected a slot`);
    return number;
  };
  const json = values.json === true;
  const dir = needed('dir', 'DIR');
  switch (name) {
    case 'checkpoint': {
      const edits = action === 'edit-members';
      if (!edits && (values.members !== undefined || values.out !== undefined))
        throw wrong('--members and --out go with edit-members');
      const members = edits
        ? needed('members', 'LIST')
            .split(',')
            .map((each) => {
              const [id, incarnation] = each.split('=', 2);
              return { id: id!, incarnation: incarnation ?? null };
            })
        : [];
      const out = edits ? needed('out', 'DIR2') : '';
      return { kind: name, action: action!, dir, members, out, slot: slot('slot'), json };
    }
    case 'replay':
      return {
        kind: name,
        dir,
        stateMachine: needed('state-machine', 'MODULE'),
        to: slot('to'),
        writeCheckpoint: text('write-checkpoint'),
        json,
      };
    case 'recover':
      return { kind: name, dir, acceptsDataLoss: values['accept-data-loss'] === true, json };
  }
}
