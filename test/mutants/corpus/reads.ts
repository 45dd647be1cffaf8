/** Reads: none may see less than it says. */

import type { Mutant } from '../mutant.js';

const READS = 'protocol/reads.ts';
const APPLICATION = 'application/reads.ts';
const questions = { check: 'unit', file: 'test/application/read-questions.test.ts' } as const;
const readers = { check: 'simulation', seeds: 60, reads: 5 } as const;
const unit = { check: 'unit', file: 'test/protocol/reads.test.ts' } as const;

export const reads: readonly Mutant[] = [
  {
    name: 'promise-of-a-checkpoint-told-within-a-grant',
    fault: 'reads',
    mimics:
      'a vote that a restart brought from somewhere else goes out while a lease of the life before is in force',
    edits: [
      {
        file: 'protocol/lease.ts',
        find: 'ballot < this.#acceptor.promised) return false;',
        put: 'ballot <= this.#acceptor.promised) return false;',
      },
    ],
    killedBy: [
      { check: 'turmoil', seeds: 600 },
      { check: 'unit', file: 'test/protocol/lease-after-a-restart.test.ts' },
    ],
  },
  {
    name: 'read-answered-without-a-round',
    fault: 'reads',
    mimics:
      'etcd before 3.0, Consul: a "consistent" read is answered by who only takes itself for the leader',
    edits: [
      {
        file: READS,
        find: 'if (confirmed < context.quorum) return;',
        put: '',
      },
    ],
    killedBy: [readers, unit],
  },
  {
    name: 'confirmation-of-an-older-round-counted',
    fault: 'reads',
    mimics: 'etcd-io/raft#397: an answer to an earlier heartbeat confirms a later read',
    edits: [
      {
        file: READS,
        find: '(this.#echoed.get(number) ?? 0) >= round.number',
        put: '(this.#echoed.get(number) ?? 0) > 0',
      },
    ],
    killedBy: [readers, unit],
  },
  {
    name: 'confirmation-of-another-ballot-counted',
    fault: 'reads',
    mimics: 'openraft#1220: what was answered to somebody else is taken for an answer to oneself',
    edits: [
      {
        file: READS,
        find: 'if (ballot !== this.#proposer.ballot) return;\n    requires(from',
        put: 'requires(from',
      },
    ],
    killedBy: [unit],
  },
  {
    name: 'new-primary-reads-before-what-it-adopted-is-chosen',
    fault: 'reads',
    mimics:
      'Raft section 6.4, etcd#741: a new leader serves reads before it has committed anything of its own term',
    edits: [
      {
        file: READS,
        find: 'if (chosen < this.#proposer.adopted) return;',
        put: '',
      },
    ],
    killedBy: [readers, unit],
  },
  {
    name: 'secondary-reads-at-what-it-knows',
    fault: 'reads',
    mimics: 'hashicorp/consul, rqlite#1672: a follower answers from its own applied index',
    edits: [
      {
        file: READS,
        find: 'else this.#askPrimary();',
        put: 'else if (this.#asked > this.#answered) this.#answer(this.#asked, this.#context.chosen);',
      },
    ],
    killedBy: [readers, unit],
  },
  {
    name: 'read-joins-a-question-that-was-asked-before-it',
    fault: 'reads',
    mimics: 'TiKV pull 5401: a read shares the confirmation of reads that were made before it',
    edits: [
      {
        file: APPLICATION,
        find: "if (consistency === 'linearizable') return this.#questions.gather();",
        put: "if (consistency === 'linearizable') return this.#questions.newest ?? this.#questions.gather();",
      },
    ],
    killedBy: [{ ...readers, seeds: 160 }, questions],
  },
  {
    name: 'read-made-before-its-slot-is-applied',
    fault: 'reads',
    mimics: 'dragonboat, raft-rs#427: a confirmed read does not wait for the state machine',
    edits: [
      {
        file: APPLICATION,
        find: 'this.#waiting[count]!.slot <= applied) count',
        put: 'this.#waiting[count]!.slot <= applied + 1) count',
      },
    ],
    killedBy: [readers],
  },
  {
    name: 'answer-for-the-process-before-this-one-counted',
    fault: 'reads',
    mimics: 'etcd-io/raft#397: two reads have the same context',
    edits: [
      {
        file: READS,
        find: 'if (life !== this.#life) return;\n    this.#answer',
        put: 'this.#life += 0 * life;\n    this.#answer',
      },
    ],
    killedBy: [unit],
  },
  {
    name: 'lease-runs-from-the-answer',
    fault: 'reads',
    mimics: 'a lease that is counted from when the answer came, and not from when it was asked for',
    edits: [
      {
        file: 'protocol/lease.ts',
        find: 'Math.max(this.#granted.get(from) ?? NEVER, sentAt)',
        put: 'this.#context.now',
      },
    ],
    killedBy: [
      { check: 'turmoil', seeds: 1200 },
      { check: 'unit', file: 'test/protocol/lease.test.ts' },
    ],
  },
  {
    name: 'clocks-are-taken-for-equal',
    fault: 'reads',
    mimics: 'd-engine#191: a lease by clocks that are taken for right',
    edits: [
      {
        file: 'protocol/lease.ts',
        find: '(lease.durationMs * (1 - lease.clockDriftMax)) / (1 + lease.clockDriftMax)',
        put: 'lease.durationMs',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/lease.test.ts' }],
  },
  {
    name: 'lease-forgotten-by-who-granted-it',
    fault: 'reads',
    mimics: 'a voter that elects another leader while the lease of the first runs',
    edits: [
      {
        file: 'protocol/lease.ts',
        find: 'if (isBound) this.#defer(ballot);',
        put: 'if (isBound) return false;',
      },
    ],
    killedBy: [
      { check: 'turmoil', seeds: 50 },
      { check: 'unit', file: 'test/protocol/lease.test.ts' },
    ],
  },
  {
    name: 'lease-forgotten-in-a-restart',
    fault: 'reads',
    mimics: 'a voter that was restarted votes at once, though it had promised not to',
    edits: [
      {
        file: 'protocol/lease.ts',
        find: 'lease == null ? NEVER : context.now + lease.durationMs',
        put: 'lease == null ? NEVER : context.now',
      },
    ],
    killedBy: [
      { check: 'turmoil', seeds: 50 },
      { check: 'unit', file: 'test/protocol/lease.test.ts' },
    ],
  },
  {
    name: 'held-back-stand-deposes-who-was-elected',
    fault: 'election',
    mimics:
      'found here by the simulator (seed 10006529): a hand-over that had to wait came true after another one had',
    edits: [
      {
        file: 'protocol/lease.ts',
        find: 'if (Math.max(this.#acceptor.promised, followed) > this.#standsOver) this.#standsUntil = NEVER;',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/lease.test.ts' }],
  },
  {
    name: 'takes-over-once-it-may',
    fault: 'election',
    mimics:
      'found here by the simulator (seed 40660156): a hand-over to who was bound by a lease came true seconds later',
    edits: [
      {
        file: 'protocol/leadership.ts',
        find: 'hasEverything && !this.#actions.hasGranted()',
        put: 'hasEverything',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/lease.test.ts' }],
  },
  {
    name: 'lease-counts-after-it-was-given-back',
    fault: 'reads',
    mimics: 'a leader that hands over and counts confirmations from before',
    edits: [
      {
        file: 'protocol/lease.ts',
        find: 'ballot !== this.#ballot || round <= this.#releasedThrough',
        put: 'ballot !== this.#ballot',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/lease.test.ts' }],
  },
  {
    name: 'token-made-before-the-replies-in-front-of-it',
    fault: 'execution',
    mimics: 'a session token that does not cover the write that was acknowledged just before it',
    edits: [
      {
        file: 'kv/connection.ts',
        find: 'this.#pending.push({ bytes: null, make });',
        put: 'this.#pending.push({ bytes: make() });',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/kv/reads.test.ts' }],
  },
  {
    name: 'consistency-of-what-comes-later-taken-for-what-came-before',
    fault: 'execution',
    mimics: 'a setting of a session that holds for requests of the same pipeline in front of it',
    edits: [
      {
        file: 'kv/local-commands.ts',
        find: '    connection.reply().ok();\n    connection.consistency = consistency;',
        put: '    connection.consistency = consistency;\n    connection.reply().ok();',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/kv/reads.test.ts' }],
  },
  {
    name: 'read-behind-one-that-was-sent-to-the-log',
    fault: 'reads',
    mimics: 'a pipeline of which one request takes a longer way, and the next one is answered from before it',
    edits: [
      {
        file: 'kv/connection.ts',
        find: 'if (value !== null && this.#readsInLog === 0) return value;',
        put: 'if (value !== null) return value;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/kv/reads.test.ts' }],
  },
];
