/** Who leads by intent, and what the primaryship is given up for (docs/protocol.md, "Handing over"). */

import type { Mutant } from '../mutant.js';

export const leadership: readonly Mutant[] = [
  {
    name: 'hand-over-dropped-where-nothing-was-proposed',
    fault: 'election',
    mimics: 'a transfer of leadership to a follower that has heard nothing but heartbeats times out',
    edits: [
      {
        file: 'protocol/leadership.ts',
        find: 'if (ballot < this.#acceptor.promised) return;',
        put: 'if (ballot !== this.#acceptor.promised) return;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/idle-hand-over.test.ts' }],
  },
  {
    name: 'primary-that-waits-for-room-stays',
    fault: 'election',
    mimics: 'a leader whose disk takes nothing keeps its place, as it has not written what it found',
    edits: [
      {
        file: 'protocol/proposer.ts',
        find: 'if (progress === undefined || !progress.synchronised) return false;',
        put: 'if (progress === undefined || !progress.synchronised || this.isAdopting) return false;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/room.test.ts' }],
  },
  {
    name: 'leave-that-came-late-counts',
    fault: 'election',
    mimics: 'an answer is taken for that to the question which is open now',
    edits: [
      {
        file: 'protocol/replica.ts',
        find: 'return this.#candidacy.counting;',
        put: 'return this.#candidacy.request;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/late-leave.test.ts' }],
  },
  {
    name: 'exclusive-command-shares-its-decree',
    fault: 'execution',
    mimics: 'requests that were to stand alone are batched where they wait for the next leader',
    edits: [
      {
        file: 'engine/submitter.ts',
        find: 'if (groups.flags !== 0 || flags !== 0) return false;',
        put: '',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/engine/submitter.test.ts' },
      { check: 'simulation', seeds: 60 },
    ],
  },
  {
    name: 'proposes-behind-its-last-decree',
    fault: 'election',
    mimics: 'a leader that is handing over goes on taking proposals, and the hand-over never ends',
    edits: [
      {
        file: 'engine/engine-leadership.ts',
        find: 'this.#options.core.canPropose && !this.#last.isOpen',
        put: 'this.#options.core.canPropose',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 150 }],
  },
  {
    name: 'last-decree-that-came-twice-ends-a-second-primary',
    fault: 'election',
    mimics: 'a request that is sent again has its effect on leadership again',
    edits: [
      {
        file: 'engine/last-decree.ts',
        find: 'return isExecuted || !isApplied;',
        put: 'return true;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/last-decree.test.ts' }],
  },
  {
    name: 'votes-where-it-was-told-not-to',
    fault: 'election',
    mimics: 'a veto that is asked for and not looked at',
    edits: [
      {
        file: 'protocol/context.ts',
        find: 'if (!this.withheld.has(from)) return false;',
        put: 'if (!this.withheld.has(from) || ballot > 0) return false;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/leave.test.ts' }],
  },
  {
    name: 'heartbeats-answered-where-votes-are-withheld',
    fault: 'election',
    mimics: 'the Cloudflare outage of 2020: a leader that is heard and gets nothing done stays',
    edits: [
      {
        file: 'protocol/answers.ts',
        find: 'if (context.withheld.has(from)) return;\n  const { ballot, from: runFrom, durable }',
        put: 'const { ballot, from: runFrom, durable }',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/leave.test.ts' }],
  },
  {
    name: 'silence-of-the-application-is-no-answer',
    fault: 'election',
    mimics: 'a candidate that waits for a callback which never comes, and never stands again',
    edits: [
      {
        file: 'protocol/candidacy.ts',
        find: 'this.#context.now >= this.#question.until',
        put: 'this.#context.now >= this.#question.until + 1e9',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/leave.test.ts' }],
  },
  {
    name: 'accepts-that-were-passed-over-never-come-again',
    fault: 'election',
    mimics: 'a follower that is let in again with a hole in what it was sent',
    edits: [
      {
        file: 'engine/votes.ts',
        find: "for (const link of released) link.connection.close('votes are given to it again');",
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/votes.test.ts' }],
  },
  {
    name: 'answer-about-the-cookie-before-counts-for-this-one',
    fault: 'election',
    mimics: 'a late answer to an earlier question is taken for one to the present question',
    edits: [{ file: 'engine/votes.ts', find: '    peer.request = 0;\n', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/votes.test.ts' }],
  },
  {
    name: 'cookie-forgotten-with-the-number',
    fault: 'election',
    mimics: 'what a peer said once is forgotten when it gets another id, and it does not say it again',
    edits: [{ file: 'engine/votes.ts', find: 'this.#told.get(link) ?? noCookie', put: 'noCookie' }],
    killedBy: [{ check: 'unit', file: 'test/engine/votes.test.ts' }],
  },
];
