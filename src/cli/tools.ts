/** `synod checkpoint`, `synod replay`, `synod recover`. */

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { SynodError } from '../errors.js';
import type { StateMachine } from '../index.js';
import { KeyValueStateMachine } from '../kv/state-machine.js';
import { editMembers } from '../tools/checkpoint-edit.js';
import {
  type CheckpointReport,
  findCheckpoints,
  latestCheckpoint,
  readIfThere,
  slotOf,
} from '../tools/checkpoint-survey.js';
import { openRecovery, type RecoveryPlan } from '../tools/recover.js';
import { replay } from '../tools/replay.js';
import type { Output } from './output.js';
import type { CheckpointCommand, RecoverCommand, ReplayCommand, ToolCommand } from './tool-arguments.js';
import { UsageError } from './usage-error.js';

/** The exit code. Throws `SynodError`. */
export async function runTool(command: ToolCommand, output: Output): Promise<number> {
  switch (command.kind) {
    case 'checkpoint':
      return await runCheckpoint(command, output);
    case 'replay':
      return await runReplay(command, output);
    case 'recover':
      return await runRecover(command, output);
  }
}

/** `key value`, a line each; what is null is left out. */
function table(report: object): string {
  return Object.entries(report)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(13)} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join('\n');
}

async function runCheckpoint(command: CheckpointCommand, output: Output): Promise<number> {
  const { action, dir, slot, json, members, out } = command;
  const show = (report: CheckpointReport): void => output.line(json ? JSON.stringify(report) : table(report));
  if (action === 'latest' || action === 'edit-members') {
    const found = latestCheckpoint(findCheckpoints(dir), slot);
    const isThere = found !== null && (action === 'latest' || slot === undefined || found.slot === slot);
    if (!isThere)
      throw new SynodError(
        'ERR_SYNOD_DATA_DIRECTORY',
        `no sound checkpoint${slot === undefined ? '' : ' of that slot'} in ${dir}`,
      );
    show(action === 'latest' ? found : await editMembers(found.file, members, out));
    return 0;
  }
  let code = 0;
  let shown = 0;
  for (const file of findCheckpoints(dir)) {
    // By its name: where the header is damaged nothing else tells.
    if (slot !== undefined && slotOf(file) !== slot) continue;
    const report = readIfThere(file);
    if (report === null) continue;
    shown += 1;
    if (report.verdict !== 'sound') code = 1;
    if (action === 'show' || json) show(report);
    else
      output.line(
        `${report.verdict.padEnd(8)} ${path.basename(file)}${report.detail === null ? '' : ` ${report.detail}`}`,
      );
  }
  if (shown === 0)
    throw new SynodError(
      'ERR_SYNOD_DATA_DIRECTORY',
      slot === undefined ? `no checkpoint in ${dir}` : `no checkpoint of slot ${slot} in ${dir}`,
    );
  return code;
}

/** Also one whose `apply` is a field, which its prototype does not have; and one that was compiled to a plain function. */
function isClass(found: object): boolean {
  const { prototype } = found as { prototype?: { apply?: unknown } };
  return typeof prototype?.apply === 'function' || /^class\b/.test(Function.prototype.toString.call(found));
}

async function loadStateMachine(name: string): Promise<StateMachine<unknown>> {
  if (name === 'kv') return new KeyValueStateMachine() as StateMachine<unknown>;
  let found: unknown;
  try {
    found = ((await import(pathToFileURL(path.resolve(name)).href)) as { default?: unknown }).default;
    if (typeof found === 'function')
      found = isClass(found) ? new (found as new () => unknown)() : await (found as () => unknown)();
  } catch (error) {
    throw new UsageError(`--state-machine ${name}: ${(error as Error).message.split('\n')[0]}`, 'replay');
  }
  if (typeof (found as StateMachine | null)?.apply !== 'function')
    throw new UsageError(`--state-machine ${name}: its default export has no apply`, 'replay');
  return found as StateMachine<unknown>;
}

async function runReplay(command: ReplayCommand, output: Output): Promise<number> {
  const { dir, to, writeCheckpoint, json } = command;
  const report = await replay(await loadStateMachine(command.stateMachine), {
    dataDir: dir,
    to,
    writeCheckpoint,
    onProgress: (slot, end) => process.stderr.write(`slot ${slot} of ${end}\n`),
  });
  output.line(json ? JSON.stringify(report) : table(report));
  return 0;
}

function describe(plan: RecoveryPlan, isContinued: boolean): string {
  const { replica, dataDir, configuration, lost, chosen, kept, ballot, holes, lostFrom, next } = plan;
  return [
    ...(isContinued
      ? ['a recovery was begun here, and is not done: this goes on with it, as it was planned']
      : []),
    `replica ${replica} in ${dataDir}, one of ${configuration.members.length} members of configuration ${configuration.number}`,
    `kept: every slot up to ${chosen}, which is known to be chosen`,
    `kept: ${kept} slots behind it that this disk has accepted, acknowledged to anyone or not${ballot == null ? '' : `, under ballots up to ${ballot}`}`,
    ...(holes > 0
      ? [`LOST: what was chosen in ${holes} slots among them that this disk has nothing for`]
      : []),
    `LOST: whatever was chosen from slot ${lostFrom} on by ${lost.join(', ') || 'nobody'} without this replica; nobody who is left knows how much`,
    `then: configuration ${next.number} with ${replica} as its only member. Never start ${lost.join(', ') || 'others'} with their old disks again`,
  ].join('\n');
}

async function runRecover({ dir, acceptsDataLoss, json }: RecoverCommand, output: Output): Promise<number> {
  const recovery = await openRecovery(dir);
  try {
    const { plan, isContinued } = recovery;
    if (!json) output.line(describe(plan, isContinued));
    if (acceptsDataLoss) await recovery.carryOut();
    // Not before: where it fails half-way there is the error, and nothing that says that it was done.
    if (json) output.line(JSON.stringify({ ...plan, continued: isContinued, done: acceptsDataLoss }));
    else if (acceptsDataLoss) output.line('done');
    if (acceptsDataLoss) return 0;
    output.error('synod: nothing was changed; --accept-data-loss does it');
    return 1;
  } finally {
    await recovery.close();
  }
}
