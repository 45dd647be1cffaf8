/** Who proposes, and that somebody does (docs/protocol.md, "Elections"). */

import type { Mutant } from '../mutant.js';

const ELECTION = 'protocol/election.ts';
const REPLICA = 'protocol/replica.ts';

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
        file: REPLICA,
        find: 'if (this.#proposer.membersHeard < context.quorum || !this.#able)',
        put: 'if (!this.#able)',
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
        file: REPLICA,
        find: 'if (this.#proposer.membersHeard < context.quorum || !this.#able)',
        put: 'if (this.#proposer.membersHeard < context.quorum)',
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
];
