/** What is chosen, catching up, and configurations (docs/protocol.md, rules 5 to 8). */

import type { Mutant } from '../mutant.js';

const LEARNER = 'protocol/learner.ts';
const PROPOSER = 'protocol/proposer.ts';
const REPLICA = 'protocol/replica.ts';
const PROGRESS = 'protocol/progress.ts';

export const learning: readonly Mutant[] = [
  {
    name: 'claims-of-an-ended-configuration-count',
    fault: 'learning',
    mimics: 'a follower goes on comparing with the term of a leader that its members have replaced',
    edits: [{ file: 'protocol/progress.ts', find: 'this.#learner.onConfiguration();', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/protocol/old-claims.test.ts' }],
  },
  {
    name: 'claims-believed-for-decrees-of-another-ballot',
    fault: 'learning',
    mimics: 'NuRaft#57: a follower advances its commit index over a suffix that nobody validated',
    edits: [
      {
        file: LEARNER,
        find: 'if (ballot !== this.#claimBallot || from > chosen + 1) return chosen;',
        put: 'if (ballot === 0 || from > chosen + 1) return chosen;',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'rivals', statesMax: 50000 },
      { check: 'properties', seeds: 2000 },
    ],
  },
  {
    name: 'claims-believed-beyond-what-was-accepted',
    fault: 'learning',
    mimics: 'ra#508: commits are believed although messages before were lost',
    edits: [
      {
        file: LEARNER,
        find: 'const believed = Math.max(chosen, Math.min(this.#claim, through));',
        put: 'const believed = Math.max(chosen, this.#claim);',
      },
    ],
    killedBy: [{ check: 'properties', seeds: 200, withContracts: true }],
  },
  {
    name: 'learned-out-of-order',
    fault: 'learning',
    mimics: 'ZOOKEEPER-4882: who joins again has a hole in its log',
    edits: [
      {
        file: REPLICA,
        find: 'if (message.slot !== context.chosen + 1) return;',
        put: 'if (message.slot <= context.chosen) return;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/learner.test.ts' }],
  },
  {
    name: 'serves-what-is-not-chosen',
    fault: 'learning',
    mimics: 'NuRaft#185: what is handed on as committed is rolled back',
    edits: [
      {
        file: REPLICA,
        find: 'answerFetch(context, from, message);',
        put: 'context.effects.push({ ...message, kind: "serve-fetch", to: from, through: Math.max(context.chosen, ...this.#acceptor.accepted.keys()) });',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'rivals', statesMax: 50000 },
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 500 },
    ],
  },
  {
    name: 'fetches-from-one-slot-too-far',
    fault: 'learning',
    mimics: 'NuRaft#657: catching up begins at the wrong index, for ever',
    edits: [
      { file: LEARNER, find: 'const from = context.chosen + 1;', put: 'const from = context.chosen + 2;' },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
    ],
  },
  {
    name: 'fetches-nothing',
    fault: 'learning',
    mimics: 'braft#292: a follower with an empty disk cannot join an idle cluster again',
    edits: [
      {
        file: LEARNER,
        find: 'if (this.known <= context.chosen || !this.#isMissing()) return;',
        put: 'if (this.known >= 0) return;',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
    ],
  },
  {
    name: 'asks-again-at-once-who-had-nothing',
    fault: 'learning',
    mimics: 'redpanda#3245: a refused snapshot is sent again in a tight loop',
    edits: [{ file: LEARNER, find: 'if (through < this.#fetching.from) this.#peers.delete(peer);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/protocol/learner.test.ts' }],
  },
  {
    name: 'member-whose-link-came-back-is-sent-nothing',
    fault: 'learning',
    mimics: 'etcd-io/raft 85e68cf: a follower stays unreachable after ReportUnreachable',
    edits: [{ file: PROPOSER, find: 'progress.synchronised = true;', put: '' }],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
    ],
  },
  {
    name: 'messages-of-other-configurations-count',
    fault: 'configuration',
    mimics: 'rethinkdb#5289: a stale message makes an erased member active again',
    edits: [
      {
        file: 'protocol/scope.ts',
        find: 'if (configuration === mine) return context.isMember(from);',
        put: 'if (configuration > 0) return context.isMember(from);',
      },
    ],
    killedBy: [{ check: 'properties', seeds: 1000 }],
  },
  {
    name: 'configuration-in-force-once-accepted',
    fault: 'configuration',
    mimics: 'ra#609: a configuration is in force before it is committed, and not rolled back',
    edits: [
      {
        file: REPLICA,
        find: 'if (!isPassedOver && !this.#acceptor.accept(message.ballot, message.slot, message.decree)) return;',
        put: 'if (!this.#acceptor.accept(message.ballot, message.slot, message.decree)) return;\n    if (message.decree.configuration !== null) this.#progress.configure(message.decree.configuration);',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 500 },
    ],
  },
  {
    name: 'decrees-behind-a-configuration-chosen-by-its-predecessor',
    fault: 'configuration',
    mimics: 'Ongaro 2015, the bug of single-server changes: two configurations decide at a time',
    edits: [
      {
        file: PROPOSER,
        find: 'if (decree.kind === DecreeKind.configuration) this.pausedForConfiguration = true;',
        put: '',
      },
      { file: PROGRESS, find: '        last = slot;\n', put: '' },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 1000 },
    ],
  },
  {
    name: 'new-members-are-not-asked-for-promises',
    fault: 'configuration',
    mimics: 'openraft 6c0ccaf3: a leader goes on without the quorum of the new members',
    edits: [
      {
        file: PROPOSER,
        find: 'const progress = this.#progress.get(member)!;\n      if (progress.synchronised',
        put: 'const progress = this.#progress.get(member);\n      if (progress === undefined) return;\n      if (progress.synchronised',
      },
      {
        file: PROGRESS,
        find: 'if (led && context.self !== 0) this.#roleChanges.becomePreparing();',
        put: '',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 1000 },
    ],
  },
  {
    name: 'outdated-configuration-is-proposed-again',
    fault: 'configuration',
    mimics: 'omnipaxos#96: a stop sign is decided twice',
    edits: [
      {
        file: PROPOSER,
        find: 'found.configuration !== null && found.configuration.number !== this.#context.configuration!.number + 1;',
        put: 'found.configuration !== null && this.#context.configuration!.number === 0;',
      },
    ],
    killedBy: [
      { check: 'turmoil', seeds: 400 },
      { check: 'unit', file: 'test/protocol/membership.test.ts' },
    ],
  },
  {
    name: 'new-disk-gets-the-old-number',
    fault: 'configuration',
    mimics: 'openraft#2002, dragonboat#256: a node id is used again with an empty disk',
    edits: [
      {
        file: 'protocol/configuration.ts',
        find: 'const number = keeps ? former : current.nextMember;',
        put: 'const number = keeps ? former : memberById(current, id)!.number;',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 200 }],
  },
  {
    name: 'wiped-disk-votes-under-its-old-number',
    fault: 'configuration',
    mimics: 'tigerbeetle#2767: a node that lost its disk acts as if it had never promised',
    edits: [
      {
        file: PROGRESS,
        find: 'member !== undefined && member.incarnation === incarnation ? member.number : 0;',
        put: 'member !== undefined ? member.number : 0;',
      },
      {
        file: 'engine/peer-table.ts',
        find: 'if (member !== undefined && member.incarnation === incarnation) return member.number;',
        put: 'if (member !== undefined) return member.number;',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'unit', file: 'test/protocol/membership.test.ts' },
    ],
  },
  {
    name: 'newcomer-let-in-without-a-quorum-that-does-without-it',
    fault: 'configuration',
    mimics: 'redisraft#3: a change of members leaves no leader',
    edits: [
      {
        file: 'protocol/readmission.ts',
        find: 'return live < quorumSize(next) ? null : next;',
        put: 'return next;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/membership.test.ts' }],
  },
  {
    name: 'two-changes-of-members-at-a-time',
    fault: 'configuration',
    mimics: 'openraft before 2025-04: concurrent change requests end in a joint configuration',
    edits: [
      {
        file: 'protocol/reconfiguration.ts',
        find: "if (context.role !== 'primary' || this.#proposer.isPaused) break;",
        put: "if (context.role !== 'primary') break;",
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'unit', file: 'test/protocol/membership.test.ts' },
    ],
  },
  {
    name: 'candidate-waits-long-for-what-it-missed',
    fault: 'learning',
    mimics:
      'a member that missed the change of members asks one peer, out of reach, and is the quorum that is missing meanwhile',
    edits: [
      {
        file: 'protocol/learner.ts',
        find: "const isUrgent = context.role === 'preparing' || context.role === 'candidate';",
        put: "const isUrgent = context.role === 'preparing';",
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/protocol/learner.test.ts' },
      { check: 'unit', file: 'test/simulation/seeds.test.ts', name: 'candidate-asks-who-is-out-of-reach' },
    ],
  },
  {
    name: 'two-that-are-behind-ask-each-other-for-ever',
    fault: 'learning',
    mimics: 'the next source for a snapshot is always the same neighbour',
    edits: [
      {
        file: 'protocol/learner.ts',
        find: 'this.#lastOther === 0 ? peer : this.#lastOther;\n    let first',
        put: 'peer;\n    let first',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/learner.test.ts' }],
  },
];
