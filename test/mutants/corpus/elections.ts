/** Who proposes, and that somebody does (docs/protocol.md, "Elections"). */

import type { Mutant } from '../mutant.js';

const ELECTION = 'protocol/election.ts';
const REPLICA = 'protocol/replica.ts';
const ROLES = 'protocol/role-changes.ts';

export const elections: readonly Mutant[] = [
  {
    name: 'nobody-stands-for-election',
    fault: 'election',
    mimics: 'aeron#1932: no leader is elected again',
    edits: [{ file: ELECTION, find: 'return this.#context.now >= this.#deadline;', put: 'return false;' }],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 10 },
    ],
  },
  {
    name: 'candidates-do-not-ask-around',
    fault: 'election',
    mimics: 'hashicorp/raft#524: a live server without a vote raises terms, and leadership never rests',
    edits: [
      {
        file: ELECTION,
        find: 'if (reply.primaryAlive) return true;',
        put: 'if (reply.round < 0) return true;',
      },
    ],
    killedBy: [{ check: 'properties', seeds: 1000 }],
  },
  {
    name: 'primary-goes-on-without-a-quorum',
    fault: 'election',
    mimics:
      'OmniPaxos and the Cloudflare outage of 2020: partial connectivity, and a leader that reaches nobody',
    edits: [
      {
        file: ROLES,
        find: 'if (this.#proposer.membersHeard < this.#context.quorum || !able)',
        put: 'if (!able)',
      },
    ],
    killedBy: [{ check: 'properties', seeds: 500 }],
  },
  {
    name: 'primary-that-cannot-write-goes-on',
    fault: 'election',
    mimics: 'hashicorp/raft#503: the disk of the leader stalls while its heartbeats go on',
    edits: [
      {
        file: ROLES,
        find: 'if (this.#proposer.membersHeard < this.#context.quorum || !able)',
        put: 'if (this.#proposer.membersHeard < this.#context.quorum)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/election.test.ts' }],
  },
  {
    name: 'all-wait-equally-long',
    fault: 'election',
    mimics: 'Raft without randomised timeouts: elections collide for ever',
    edits: [
      {
        file: ELECTION,
        find: 'options.electionTimeoutMs * (1 + random() / 2);',
        put: 'options.electionTimeoutMs * (1 + (random() * 0) / 2);',
      },
      {
        file: ELECTION,
        find: '(options.electionTimeoutMs / 4) * (0.2 + random())',
        put: '(options.electionTimeoutMs / 4) * (0.2 + random() * 0)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/election.test.ts' }],
  },
  {
    name: 'pause-of-the-process-counts-as-silence-of-the-others',
    fault: 'election',
    mimics: 'etcd#20418: after a pause of its process a node judges by what it has not heard yet',
    edits: [{ file: REPLICA, find: 'if (paused) {', put: 'if (paused && context.now < 0) {' }],
    killedBy: [{ check: 'unit', file: 'test/protocol/election.test.ts' }],
  },
  {
    name: 'answers-of-earlier-rounds-count',
    fault: 'election',
    mimics: 'etcd-io/raft#397: a delayed answer is taken for one to the present question',
    edits: [
      {
        file: ELECTION,
        find: 'if (reply.round === this.#round) this.#replies.set(from, reply);',
        put: 'this.#replies.set(from, reply);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/election.test.ts' }],
  },
  {
    name: 'successor-leads-before-it-has-the-log',
    fault: 'election',
    mimics: 'etcd/raft: a leader is transferred to a follower that has not caught up',
    edits: [
      {
        file: 'protocol/leadership.ts',
        find: 'if (wish.isOffered || !proposer.hasEverything(wish.target)) return;',
        put: 'if (wish.isOffered) return;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/leadership.test.ts' }],
  },
  {
    name: 'successor-does-not-look-what-it-has',
    fault: 'election',
    mimics: 'etcd/raft: a follower that is told to campaign does so whatever its log holds',
    edits: [
      {
        file: 'protocol/leadership.ts',
        find: 'this.standing > 0 && hasEverything && !',
        put: 'this.standing > 0 && !',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/leadership.test.ts' }],
  },
  {
    name: 'stall-of-the-disk-is-not-noticed',
    fault: 'election',
    mimics: 'hashicorp/raft#503: the disk of the leader stalls while its heartbeats go on',
    edits: [
      {
        file: 'engine/disk-health.ts',
        find: 'return (oldestTicket !== 0 || !canAppend) && now - this.#since >= patienceMs;',
        put: 'return now - this.#since >= patienceMs && now < 0;',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/engine/disk-health.test.ts' },
      { check: 'unit', file: 'test/simulation/leadership.test.ts', name: 'its disk stalls' },
    ],
  },
  {
    name: 'hand-over-that-failed-stops-the-primary-for-good',
    fault: 'election',
    mimics: 'etcd-io/raft: proposals are dropped for ever after a transfer of leadership that was given up',
    edits: [
      {
        file: 'protocol/leadership.ts',
        find: 'this.#wish = null;\n    this.#proposer.pausedForHandOver = false;',
        put: 'this.#wish = null;',
      },
      {
        file: 'protocol/leadership.ts',
        find: 'proposer.pausedForHandOver = false;\n        if (now',
        put: 'if (now',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/leadership.test.ts' }],
  },
  {
    name: 'primary-steps-down-without-a-word',
    fault: 'election',
    mimics: 'OmniPaxos: whoever still hears of a leader that gave up keeps the others from electing',
    edits: [{ file: ROLES, find: '    this.#proposer.resign();\n', put: '' }],
    killedBy: [
      { check: 'unit', file: 'test/golden/golden.test.ts' },
      { check: 'unit', file: 'test/simulation/leadership.test.ts', name: 'its disk stalls' },
    ],
  },
  {
    name: 'context-is-shown-for-commands-of-other-replicas',
    fault: 'execution',
    mimics: 'a completion that is matched by its number alone, whoever it belongs to',
    edits: [
      {
        file: 'application/executor.ts',
        find: 'const isOwn = origin === bridge.self && session === bridge.session;',
        put: 'const isOwn = session === bridge.session;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/executor.test.ts' }],
  },
  {
    name: 'waits-for-a-higher-priority-again-and-again',
    fault: 'election',
    mimics: 'a preferred leader that answers and never stands keeps the others from standing for ever',
    edits: [
      {
        file: ELECTION,
        find: "if (this.#deference === 'waiting') this.#deference = 'used';",
        put: "if (this.#deference === 'waiting') this.#deference = 'unused';",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/election.test.ts' }],
  },
  {
    name: 'stands-on-answers-from-before-the-wait',
    fault: 'election',
    mimics:
      'hashicorp/raft#524: whoever stands without knowing of the leader that there is by now disturbs it',
    edits: [
      {
        file: ROLES,
        find: 'if (this.#election.isDeferenceOver) this.#election.startRound();',
        put: 'if (this.#election.isDeferenceOver) this.becomePreparing();',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/election.test.ts' }],
  },
];
