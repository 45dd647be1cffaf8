/** Checkpoints: made, kept, copied, gone on from; and the log that is dropped behind them (docs/protocol.md, "Checkpoints"). */

import type { Mutant } from '../mutant.js';

const ENGINE = 'engine/checkpoints.ts';
const PROGRESS = 'protocol/progress.ts';
const SERVER = 'engine/checkpoint-server.ts';
const calls = (name: string) =>
  ({ check: 'unit', file: 'test/application/checkpoint-calls.test.ts', name }) as const;
const damage = { check: 'unit', file: 'test/application/checkpoint-damage.test.ts' } as const;
const served = { check: 'unit', file: 'test/engine/checkpoint-server.test.ts' } as const;

export const checkpoints: readonly Mutant[] = [
  {
    name: 'log-dropped-before-the-jump-is-durable',
    fault: 'storage',
    mimics:
      'the log goes because of a snapshot that was installed, and nothing durable says so: an older one is taken for enough',
    edits: [{ file: ENGINE, find: 'if (log.durable < this.#jumpedAt) return;', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/drop-before-jump.test.ts' }],
  },
  {
    name: 'log-dropped-that-no-checkpoint-holds',
    fault: 'storage',
    mimics: 'tigerbeetle changelog: blocks are freed before the checkpoint that does without them is durable',
    edits: [
      {
        file: ENGINE,
        find: 'const through = Math.min(this.#droppable, this.#server.heldSlot());',
        put: 'const through = this.#options.chosen();',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 50 }],
  },
  {
    name: 'sessions-missing-in-checkpoints',
    fault: 'execution',
    mimics: 'atomix#341: sessions are not in the snapshot, and a command that comes again is executed again',
    edits: [
      {
        file: 'application/checkpoint-maker.ts',
        find: ', ...writer.sessions(basis.sessions)]',
        put: ']',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 200 }],
  },
  {
    name: 'lost-acceptance-given-as-chosen',
    fault: 'learning',
    mimics:
      'found here by the simulator (seed 2000382): a log that was jumped over still served what it had accepted there',
    edits: [{ file: 'engine/log-writer.ts', find: 'this.#options.index.dropBelow(slot + 1);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/log-ending.test.ts' }],
  },
  {
    name: 'jump-forgotten-by-a-restart',
    fault: 'storage',
    mimics: 'openraft 674e78aa: what a snapshot has replaced is read from the log again',
    edits: [{ file: 'log/log-state.ts', find: 'this.index.dropBelow(slot + 1);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/log-ending.test.ts' }],
  },
  {
    name: 'acceptances-left-open-below-an-installed-checkpoint',
    fault: 'learning',
    mimics: 'openraft 674e78aa: a snapshot is installed while the log that it replaces remains',
    edits: [
      {
        file: PROGRESS,
        find: 'this.#reconfiguration.onInstalled(slot, configuration);\n    this.#acceptor.settle(from, slot);',
        put: 'this.#reconfiguration.onInstalled(slot, configuration);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/learner.test.ts' }],
  },
  {
    name: 'installed-without-the-configuration-in-force',
    fault: 'configuration',
    mimics: 'NuRaft#566: the member set of a snapshot is not the one that is in force',
    edits: [
      {
        file: PROGRESS,
        find: 'this.#goOn(isNewer ? configuration : null);',
        put: 'if (!isNewer) this.#goOn(null);',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 200 }],
  },
  {
    name: 'handed-over-from-the-slot-of-the-checkpoint-on',
    fault: 'execution',
    mimics: 'dragonboat 7d5dc73: the index of a snapshot is not that of the state',
    edits: [
      {
        file: 'application/checkpoint-maker.ts',
        find: 'const header: CheckpointHeader = {\n      slot,',
        put: 'const header: CheckpointHeader = {\n      slot: slot + 1,',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 50 }],
  },
  {
    name: 'executed-while-the-state-is-read',
    fault: 'execution',
    mimics: 'etcd#20653: the state is changed while a snapshot of it is being taken over',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'stateMachine.appliesDuringCheckpoint !== true)',
        put: 'stateMachine.appliesDuringCheckpoint === null)',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/application/checkpoints.test.ts', name: 'waits for the last piece' },
    ],
  },
  {
    name: 'checkpoint-named-before-its-bytes-are-durable',
    fault: 'storage',
    mimics: 'RaftKeeper#240: a snapshot that is not whole is loaded after a crash',
    edits: [
      {
        file: 'storage/checkpoint-store.ts',
        find: 'this.#fileSystem.fsync(this.#fd, (syncError) => {',
        put: '((_: number, next: (error: null) => void) => next(null))(this.#fd, (syncError: Error | null) => {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/checkpoint-store.test.ts' }],
  },
  {
    name: 'damaged-checkpoint-sent-on',
    fault: 'storage',
    mimics: 'ZOOKEEPER-3231: the newest snapshot is kept and given away, though it is not sound',
    edits: [
      {
        file: SERVER,
        find: "if (reason !== null) {\n        logger.error({ slot: checkpoint.slot, reason }, 'checkpoint is damaged');\n        return this.#onDamaged(checkpoint);\n      }",
        put: '',
      },
    ],
    killedBy: [served],
  },
  {
    name: 'another-checkpoint-in-the-middle-of-a-copy',
    fault: 'learning',
    mimics: 'etcd#18055, scylladb#15222: two snapshots in a short time, and the copy is of both',
    edits: [
      {
        file: SERVER,
        find: 'lease !== undefined && isSame(lease.checkpoint, { slot, nonceLow, nonceHigh })',
        put: 'lease !== undefined && slot + nonceLow + nonceHigh === 0',
      },
    ],
    killedBy: [served],
  },
  {
    name: 'log-behind-a-copy-is-dropped',
    fault: 'learning',
    mimics:
      'openraft#1828: what a follower needs next is purged while it takes a snapshot, and it never arrives',
    edits: [{ file: SERVER, find: 'else held = Math.min(held, slot);', put: '' }],
    killedBy: [served],
  },
  {
    name: 'peer-that-is-gone-holds-the-log-for-ever',
    fault: 'back-pressure',
    mimics: 'a follower that never comes back keeps the log of the others from being dropped',
    edits: [
      {
        file: SERVER,
        find: 'if (until <= now) this.onDown(link);\n      else held',
        put: 'if (until <= 0) this.onDown(link);\n      else held',
      },
    ],
    killedBy: [served],
  },
  {
    name: 'checkpoints-sent-as-fast-as-they-are-asked-for',
    fault: 'back-pressure',
    mimics: 'redpanda#3245: snapshots are sent again and again, as fast as the network takes them',
    edits: [{ file: SERVER, find: 'if (this.#credit <= 0) return false;', put: '' }],
    killedBy: [served],
  },
  {
    name: 'state-machine-that-made-no-checkpoint-is-asked-no-more',
    fault: 'storage',
    mimics: 'a snapshot that was refused once is never taken, and the log grows',
    edits: [
      {
        file: 'application/checkpoint-schedule.ts',
        find: 'this.#dueAtBytes = bytesExecuted + Math.ceil(everyBytes / RETRY_PART);',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-schedule.test.ts' }],
  },
  {
    name: 'copied-checkpoint-kept-before-it-is-executed',
    fault: 'storage',
    mimics: 'a snapshot ahead of what is applied: the log in between is dropped before it is executed',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'filter(({ copy }) => copy.slot <= applied)',
        put: 'filter(({ copy }) => copy.slot >= 0 * applied)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-adoption.test.ts' }],
  },
  {
    name: 'late-answer-installed-as-an-offer',
    fault: 'learning',
    mimics: 'a stale answer is taken for something else: a checkpoint is installed that nobody waits for',
    edits: [
      {
        file: 'engine/checkpoint-demand.ts',
        find: 'if (asked === null || asked.link !== link) return true;',
        put: 'if (asked === null || asked.link !== link) return false;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/checkpoint-demand.test.ts' }],
  },
  {
    name: 'checkpoint-of-the-same-slot-deleted-with-the-older',
    fault: 'storage',
    mimics: 'two checkpoints of one slot share a name, and the newest file is deleted as the older one',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: '...this.#kept.filter(({ slot }) => slot !== made.slot)];',
        put: '...this.#kept];\n    if (this.#kept[0]?.slot === made.slot) this.#remove(made.slot);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-adoption.test.ts' }],
  },
  {
    name: 'copied-checkpoint-told-of-before-it-is-restored',
    fault: 'learning',
    mimics: 'an answer tells of a snapshot that was received, and not applied yet',
    edits: [
      {
        file: 'application/checkpoint-copies.ts',
        find: '        this.#options\n          .checkpoints()\n          ?.expect(outcome.newest.slot, ({ slot, bytes }) =>\n            this.#calls.get(request)?.resolve({ slot, bytes, from: null }),\n          );',
        put: '        const { slot, bytes } = outcome.newest;\n        this.#calls.get(request)?.resolve({ slot, bytes, from: null });',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-adoption.test.ts' }],
  },
  {
    name: 'checkpoint-that-found-no-room-asked-for-late',
    fault: 'learning',
    mimics: 'a snapshot that could not be stored: the follower waits until the sender is given up',
    edits: [
      {
        file: 'protocol/learner.ts',
        find: 'if (fetching !== null) fetching.deadline = Math.min(fetching.deadline, now + options.electionTimeoutMs);',
        put: 'void [fetching, now, options];',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/learner.test.ts' }],
  },
  {
    name: 'deleted-checkpoint-offered-no-more',
    fault: 'learning',
    mimics:
      'a snapshot is deleted between the offer and the first byte, and the follower is left without any',
    edits: [{ file: 'engine/checkpoint-server.ts', find: 'if (isWaiting) this.offer(link);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/checkpoint-server.test.ts' }],
  },
  {
    name: 'checkpoint-begun-from-within-a-checkpoint',
    fault: 'storage',
    mimics:
      'a callback that calls back in: the guard against a second run is set only once the first has begun',
    edits: [
      {
        file: 'application/checkpoint-maker.ts',
        find: 'return this.#isBeginning || this.#making !== null;',
        put: 'return this.#making !== null;',
      },
    ],
    killedBy: [calls('from within takeCheckpoint')],
  },
  {
    name: 'stop-forgotten-while-a-checkpoint-is-begun',
    fault: 'storage',
    mimics: 'a cancellation that comes between the decision to begin and the beginning is lost',
    edits: [{ file: 'application/checkpoint-maker.ts', find: 'if (this.#isStopped) this.stop();', put: '' }],
    killedBy: [calls('from within takeCheckpoint')],
  },
  {
    name: 'checkpoint-without-the-decree-that-asked-for-it',
    fault: 'storage',
    mimics: 'a snapshot that was begun before the write is taken for one that has it',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'slot: Math.max(slot, slotAtWork), done',
        put: 'slot: slot + 0 * slotAtWork, done',
      },
    ],
    killedBy: [calls('in whose midst it was called')],
  },
  {
    name: 'restore-that-rejects-with-nothing-has-restored',
    fault: 'execution',
    mimics: 'an error is told apart from success by its value, and the value may be null',
    edits: [
      {
        file: 'application/checkpoint-restore.ts',
        find: 'done(error ?? new Error',
        put: 'done(error && new Error',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/application/arguments.test.ts', name: 'restore that rejects with null' },
    ],
  },
  {
    name: 'start-refused-by-a-checkpoint-that-is-not-read',
    fault: 'storage',
    mimics:
      'a bad sector under the newest snapshot: the start fails by it, though the one before it is sound',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: "error?.code === 'ERR_SYNOD_LOG_CORRUPT' || error?.code === 'ERR_SYNOD_STORAGE_FAILED'",
        put: "error?.code === 'ERR_SYNOD_LOG_CORRUPT'",
      },
    ],
    killedBy: [damage],
  },
  {
    name: 'start-goes-on-without-a-checkpoint-that-is-not-read',
    fault: 'storage',
    mimics:
      'a read error that may pass is taken for a snapshot that is not there, and the log for one that lost its beginning',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'if (failure !== null) callback(failure);\n      else ',
        put: '',
      },
    ],
    killedBy: [damage],
  },
  {
    name: 'checkpoints-not-listed-because-of-one-that-is-not-opened',
    fault: 'storage',
    mimics: 'one snapshot whose file cannot be opened hides all the others',
    edits: [
      {
        file: 'storage/checkpoint-store.ts',
        find: 'if (openError !== null) return pass(openError);',
        put: "if (openError !== null) return callback(storageError(openError, 'cannot read a checkpoint', file));",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/checkpoint-store.test.ts' }, damage],
  },
  {
    name: 'checkpoint-that-was-not-opened-read-as-an-empty-one',
    fault: 'storage',
    mimics: 'a file whose size could not be asked for is taken for one that was cut off',
    edits: [
      {
        file: 'application/checkpoint-restore.ts',
        find: 'if (unopened !== undefined) {',
        put: 'if (unopened === null) {',
      },
    ],
    killedBy: [damage],
  },
  {
    name: 'served-checkpoint-that-is-not-read-is-not-made-anew',
    fault: 'storage',
    mimics:
      'a bad sector under a snapshot that is sent: it is logged, and the follower asks for it again and again',
    edits: [
      {
        file: SERVER,
        find: 'return this.#onDamaged(checkpoint);\n      }\n      const reason',
        put: 'return;\n      }\n      const reason',
      },
    ],
    killedBy: [served],
  },
  {
    name: 'served-checkpoint-that-is-not-opened-is-not-made-anew',
    fault: 'storage',
    mimics: 'a snapshot whose file cannot be opened is offered again and again, and never replaced',
    edits: [
      {
        file: SERVER,
        find: "'checkpoint cannot be opened');\n      this.#onDamaged(checkpoint);",
        put: "'checkpoint cannot be opened');",
      },
    ],
    killedBy: [served],
  },
  {
    name: 'copied-checkpoint-deleted-for-the-damaged-one',
    fault: 'storage',
    mimics: 'a file is deleted by a name that was noted for another file, which a good one has replaced',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'this.#damaged = this.#damaged.filter((damaged) => damaged.slot > slot);',
        put: '',
      },
    ],
    killedBy: [damage],
  },
  {
    name: 'damaged-checkpoint-deleted-for-an-older-one',
    fault: 'storage',
    mimics: 'what failed to be read for a moment is deleted, though what is there instead is older',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: '...this.#damaged.filter(({ slot }) => slot < made.slot)]',
        put: '...this.#damaged.filter(({ slot }) => slot !== made.slot)]',
      },
    ],
    killedBy: [damage],
  },
  {
    name: 'kept-copy-deleted-by-one-that-is-made-late',
    fault: 'storage',
    mimics: 'a task that ends late cleans up under a name that has another owner by now',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: '// this one took its name.\n      this.#removeUnlessKept(slot);',
        put: 'this.#remove(slot);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-adoption.test.ts' }],
  },
  {
    name: 'log-executed-over-a-part-of-a-checkpoint',
    fault: 'execution',
    mimics:
      'a snapshot that breaks off half way is passed over, and what it left is taken for the initial state',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'const isFatal = isUnread || this.#isSpoilt;',
        put: 'const isFatal = isUnread;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-damage.test.ts' }],
  },
  {
    name: 'gap-behind-an-older-checkpoint-called-damage',
    fault: 'storage',
    mimics: 'a read error that passes ends in the advice to delete the data',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'return isGap && this.#unread !== null ? this.#unread : error;',
        put: 'return error;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-unread.test.ts' }],
  },
  {
    name: 'request-for-a-checkpoint-forgotten-at-the-start',
    fault: 'execution',
    mimics: 'a snapshot that was asked for too early waits for the next write',
    edits: [
      {
        file: 'application/checkpoints.ts',
        find: 'if (this.#waiting.length > 0) this.#options.resume();',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/checkpoint-failure.test.ts' }],
  },
];
