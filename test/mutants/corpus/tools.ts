/** The tools that may change what a replica has stored. */

import type { Mutant } from '../mutant.js';

export const tools: readonly Mutant[] = [
  {
    name: 'replay-promises-less-than-its-checkpoint',
    fault: 'tools',
    mimics: 'a snapshot that a tool wrote says less than the one that it came from was promised',
    edits: [{ file: 'tools/replay.ts', find: 'promised = Math.max(promised, header.ballot);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/tools/replay-ballot.test.ts' }],
  },
  {
    name: 'recovers-without-being-told-to',
    fault: 'tools',
    mimics: 'tools for a disaster that act where they were only asked what they would do',
    edits: [
      {
        file: 'cli/tools.ts',
        find: 'if (acceptsDataLoss) await recovery.carryOut();',
        put: 'await recovery.carryOut();',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recover.test.ts' }],
  },
  {
    name: 'recovery-forgets-what-was-not-known-chosen',
    fault: 'tools',
    mimics:
      'recoveries that begin behind what is known to be committed, and drop what the survivor has accepted',
    edits: [
      {
        file: 'tools/recover.ts',
        find: 'for (const slot of accepted.keys()) if (slot > last) last = slot;',
        put: 'for (const slot of accepted.keys()) if (slot < last) last = slot;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recover.test.ts' }],
  },
  {
    name: 'recovery-leaves-the-lost-members-in',
    fault: 'tools',
    mimics: 'members that are gone stay in the configuration that was to go on without them',
    edits: [
      {
        file: 'tools/recover.ts',
        find: 'members: [there ?? self],',
        put: 'members: configuration.members,',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recover.test.ts' }],
  },
  {
    name: 'recovery-begins-without-saying-so',
    fault: 'tools',
    mimics:
      'a change in many steps without a word of it in front: cut short, what it invented looks like what was chosen',
    edits: [{ file: 'tools/recover.ts', find: "await writeDown('begun', plan);", put: '' }],
    killedBy: [{ check: 'unit', file: 'test/tools/recovery-unfinished.test.ts' }],
  },
  {
    name: 'replica-opens-what-a-recovery-left-half-way',
    fault: 'tools',
    mimics: 'a server that starts on data which a repair has changed in part',
    edits: [
      {
        file: 'application/data-directory.ts',
        find: 'if (refusal === null) return',
        put: 'return',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recovery-unfinished.test.ts' }],
  },
  {
    name: 'recovery-planned-anew-half-way',
    fault: 'tools',
    mimics:
      'a repair that is run again takes what it wrote before for what it found, and the loss is told to nobody',
    edits: [
      { file: 'tools/recover.ts', find: 'begun === null\n', put: 'begun === null || begun !== null\n' },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recovery-unfinished.test.ts' }],
  },
  {
    name: 'line-of-a-recovery-behind-one-that-was-cut-short',
    fault: 'tools',
    mimics: 'a line that is appended to half of one: neither can be read',
    edits: [{ file: 'tools/recovery-audit.ts', find: "isCutShort(fd) ? '\\n' : ''", put: "''" }],
    killedBy: [{ check: 'unit', file: 'test/tools/recovery-unfinished.test.ts' }],
  },
  {
    name: 'account-of-a-recovery-without-a-durable-name',
    fault: 'tools',
    mimics: 'a file is synced, and the folder that it was made in is not: a power cut takes it',
    edits: [{ file: 'tools/recovery-audit.ts', find: 'await makeNameDurable(file);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/tools/durable-names.test.ts' }],
  },
  {
    name: 'recovery-builds-on-a-name-that-may-go',
    fault: 'tools',
    mimics: 'what a killed process renamed is built on before the folder is synced',
    edits: [
      {
        file: 'tools/recover.ts',
        find: 'if (checkpoint !== null) await makeNameDurable(checkpoint.file);',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/durable-names.test.ts' }],
  },
  {
    name: 'recovery-from-the-checkpoint-of-another-cluster',
    fault: 'tools',
    mimics: 'a snapshot is restored without a look at whose it is',
    edits: [
      {
        file: 'tools/recover.ts',
        find: 'if (latest.cluster !== cluster)',
        put: 'if (latest.cluster === null)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/checkpoint-unreadable.test.ts' }],
  },
  {
    name: 'replay-writes-beside-the-replica',
    fault: 'tools',
    mimics: 'a tool writes into the folder of a server that runs, whose lock it does not take',
    edits: [
      {
        file: 'tools/replay.ts',
        find: 'await lockOwner(writeCheckpoint, dataDir)',
        put: '(): void => {}',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/replay-beside.test.ts' }],
  },
  {
    name: 'folder-behind-a-link-is-nobodys',
    fault: 'tools',
    mimics: 'paths are compared as they are written, and a link leads around the lock',
    edits: [
      {
        file: 'tools/checkpoint-owner.ts',
        find: 'return realpathSync(file);',
        put: 'return path.resolve(file);',
      },
      {
        file: 'tools/checkpoint-owner.ts',
        find: 'import { existsSync, realpathSync }',
        put: 'import { existsSync }',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/replay-beside.test.ts' }],
  },
  {
    name: 'replay-writes-into-the-file-of-the-replica',
    fault: 'tools',
    mimics: 'two writers take the same temporary name: one goes on writing into what the other has renamed',
    edits: [{ file: 'tools/replay.ts', find: "WRITER_NAME = 'replayed'", put: "WRITER_NAME = 'made'" }],
    killedBy: [{ check: 'unit', file: 'test/tools/replay-beside.test.ts' }],
  },
  {
    name: 'edited-checkpoint-in-a-folder-that-may-go',
    fault: 'tools',
    mimics: 'the folder of a new file is synced, and the one that this folder was made in is not',
    edits: [{ file: 'tools/checkpoint-edit.ts', find: 'await makeNameDurable(target);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/tools/durable-names.test.ts' }],
  },
  {
    name: 'unreadable-checkpoint-hides-the-one-before-it',
    fault: 'tools',
    mimics: 'a sector that cannot be read ends the search for a snapshot, and a flipped bit does not',
    edits: [
      { file: 'tools/checkpoint-survey.ts', find: "if (systemCode(cause) === 'EIO')", put: 'if (false)' },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/checkpoint-unreadable.test.ts' }],
  },
  {
    name: 'recovery-without-a-checkpoint-that-may-be-read-later',
    fault: 'tools',
    mimics: 'what could not be read during a repair is read again after it, and undoes the repair',
    edits: [
      {
        file: 'tools/recover.ts',
        find: "if (verdict === 'unread')",
        put: "if (verdict === ('none' as string))",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/checkpoint-unreadable.test.ts' }],
  },
];
