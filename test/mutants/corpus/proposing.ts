/** Ballots, and the two phases of the protocol (docs/protocol.md, rules 3 and 4). */

import type { Mutant } from '../mutant.js';

const ACCEPTOR = 'protocol/acceptor.ts';
const PROPOSER = 'protocol/proposer.ts';

const HIGHEST_BALLOT_WINS = 'if (best === undefined || best.ballot < acceptance.ballot) {';

export const proposing: readonly Mutant[] = [
  {
    name: 'canary-quorum-of-one',
    fault: 'phase 2',
    mimics: 'the canary: the checks do not run if this one is not found',
    edits: [
      { file: 'protocol/context.ts', find: 'return quorumSize(this.configuration);', put: 'return 1;' },
    ],
    killedBy: [
      { check: 'explorer', scope: 'succession', statesMax: 1000 },
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
      { check: 'properties', seeds: 200, agreementOnly: true },
    ],
  },
  {
    name: 'ballot-used-again-after-a-restart',
    fault: 'ballots',
    mimics: 'phxpaxos#145: a proposer begins anew with the numbers of its last life',
    edits: [
      {
        file: PROPOSER,
        find: 'nextBallot(Math.max(context.ballotSeen, this.#acceptor.promised), context.self)',
        put: 'nextBallot(this.ballot, context.self)',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 200, withContracts: true },
    ],
  },
  {
    name: 'ballots-compared-by-their-rounds',
    fault: 'ballots',
    mimics: 'openraft a48a3282: ids of two parts are not compared as one',
    edits: [
      {
        file: PROPOSER,
        find: HIGHEST_BALLOT_WINS,
        put: 'if (best === undefined || Math.floor(best.ballot / 65536) < Math.floor(acceptance.ballot / 65536)) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/matrix/matrix.test.ts' }],
  },
  {
    name: 'accepts-below-its-promise',
    fault: 'ballots',
    mimics: 'swiftpaxos#2: an ack of an old ballot leaves after the new leader was answered',
    edits: [
      {
        file: ACCEPTOR,
        find: "'decree-is-whole',\n    );\n    if (ballot < this.promised) {",
        put: "'decree-is-whole',\n    );\n    if (ballot < this.run.ballot) {",
      },
      {
        file: ACCEPTOR,
        find: 'if (durable < from || ballot < this.promised) return;',
        put: 'if (durable < from) return;',
      },
      { file: ACCEPTOR, find: "invariant(ballot <= this.promised, 'accepted-at-most-promised');", put: '' },
    ],
    killedBy: [
      { check: 'explorer', scope: 'succession', statesMax: 10000 },

      { check: 'properties', seeds: 200 },
    ],
  },
  {
    name: 'refuses-one-ballot-too-few',
    fault: 'ballots',
    mimics: 'off by one where a ballot is refused',
    edits: [
      {
        file: ACCEPTOR,
        find: "'decree-is-whole',\n    );\n    if (ballot < this.promised) {",
        put: "'decree-is-whole',\n    );\n    if (ballot < this.promised - 1) {",
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'election', statesMax: 100000 },
      { check: 'properties', seeds: 1000 },
    ],
  },
  {
    name: 'refuses-a-prepare-that-comes-again',
    fault: 'ballots',
    mimics: 'braft#526: a legitimate vote is refused by a check that is too strict',
    edits: [
      {
        file: ACCEPTOR,
        find: "requires(from >= 1, 'slots-begin-at-one');\n    if (ballot < this.promised) {",
        put: "requires(from >= 1, 'slots-begin-at-one');\n    if (ballot <= this.promised) {",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/acceptor.test.ts' }],
  },
  {
    name: 'first-decree-adopted-instead-of-the-highest',
    fault: 'phase 1',
    mimics: 'OCons#21: recovery merges promises wrongly',
    edits: [{ file: PROPOSER, find: HIGHEST_BALLOT_WINS, put: 'if (best === undefined) {' }],
    killedBy: [
      { check: 'properties', seeds: 1000 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'found-decrees-proposed-without-room-in-the-log',
    fault: 'phase 1',
    mimics:
      'a new leader writes all that it found at once: more than there is room for, and whoever stands next does too',
    edits: [
      {
        file: PROPOSER,
        find: 'let left = room;',
        put: 'let left = Number.POSITIVE_INFINITY;\n    void room;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/proposer.test.ts' }],
  },
  {
    name: 'decrees-ranked-by-who-reports-them',
    fault: 'phase 1',
    mimics: 'swiftpaxos#3: the accepted ballot is overwritten by another field',
    edits: [
      {
        file: PROPOSER,
        find: 'this.#offer(message.slot, { ballot: message.acceptedBallot, decree: message.decree });',
        put: 'this.#offer(message.slot, { ballot: from, decree: message.decree });',
      },
    ],
    killedBy: [
      { check: 'properties', seeds: 1000 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'decrees-of-other-members-ignored',
    fault: 'phase 1',
    mimics: 'epaxos#29: what others accepted is lost in recovery',
    edits: [
      {
        file: PROPOSER,
        find: 'this.#offer(message.slot, { ballot: message.acceptedBallot, decree: message.decree });',
        put: '',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 200 },
      { check: 'properties', seeds: 1000 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'holes-not-filled',
    fault: 'phase 1',
    mimics: 'ZOOKEEPER-4925: a hole in the log is handed on',
    edits: [
      {
        file: PROPOSER,
        find: 'const decree = this.#found(slot);',
        put: 'if (!this.#best.has(slot)) continue;\n      const decree = this.#found(slot);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/proposer.test.ts' }],
  },
  {
    name: 'phase-one-with-one-promise-too-few',
    fault: 'phase 1',
    mimics: 'openraft d60f1e85: the read quorum is a majority less one',
    edits: [
      {
        file: PROPOSER,
        find: 'return this.#completePromises() >= this.#context.quorum &&',
        put: 'return this.#completePromises() >= this.#context.quorum - 1 &&',
      },
      {
        file: PROPOSER,
        find: "requires(this.#completePromises() >= context.quorum, 'phase-two-after-quorum-of-promises');",
        put: '',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 200 },
      { check: 'properties', seeds: 200 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'half-of-an-even-cluster-is-a-quorum',
    fault: 'phase 1',
    mimics: 'hashicorp/raft 163a55f: quorums of clusters of even size are off by one',
    edits: [
      {
        file: 'protocol/configuration.ts',
        find: 'return Math.floor(configuration.members.length / 2) + 1;',
        put: 'return Math.ceil(configuration.members.length / 2);',
      },
    ],
    killedBy: [{ check: 'properties', seeds: 200 }],
  },
  {
    name: 'promise-counted-twice',
    fault: 'phase 1',
    mimics: 'openraft#1802: votes are counted, not voters',
    edits: [
      { file: PROPOSER, find: '  #round = 0;\n', put: '  #round = 0;\n  #repeated = 0;\n' },
      {
        file: PROPOSER,
        find: 'promises.complete = true;\n',
        put: 'if (promises.complete) this.#repeated += 1;\n    promises.complete = true;\n',
      },
      {
        file: PROPOSER,
        find: 'this.learnFirst = 0;\n    this.paused',
        put: 'this.#repeated = 0;\n    this.learnFirst = 0;\n    this.paused',
      },
      { file: PROPOSER, find: 'return count;', put: 'return count + this.#repeated;' },
    ],
    killedBy: [
      { check: 'turmoil', seeds: 250 },
      { check: 'unit', file: 'test/protocol/proposer.test.ts' },
    ],
  },
  {
    name: 'promises-of-older-ballots-counted',
    fault: 'phase 1',
    mimics: 'openraft#1220: a vote that was seen in some answer is taken for granted',
    edits: [
      {
        file: PROPOSER,
        find: 'onPromised(from: MemberNumber, message: Promised): void {\n    if (message.ballot !== this.ballot) return;',
        put: 'onPromised(from: MemberNumber, message: Promised): void {',
      },
    ],
    killedBy: [
      { check: 'turmoil', seeds: 100 },
      { check: 'unit', file: 'test/protocol/proposer.test.ts' },
    ],
  },
  {
    name: 'leads-before-it-has-learned-what-is-chosen',
    fault: 'phase 1',
    mimics: 'openraft#1805: the target of a transfer leads before it has the log',
    edits: [
      {
        file: PROPOSER,
        find: 'this.#context.quorum && this.#context.chosen >= this.learnFirst;',
        put: 'this.#context.quorum;',
      },
      {
        file: PROPOSER,
        find: "requires(context.chosen >= this.learnFirst, 'phase-two-after-learning');",
        put: '',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 200 },
      { check: 'properties', seeds: 1000 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'votes-of-older-ballots-counted',
    fault: 'phase 2',
    mimics: 'logcabin#44: entries of an earlier term are committed by counting replicas',
    edits: [
      {
        file: PROPOSER,
        find: 'onAccepted(from: MemberNumber, message: Accepted | HeartbeatReply): void {\n    if (message.ballot !== this.ballot) return;',
        put: 'onAccepted(from: MemberNumber, message: Accepted | HeartbeatReply): void {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/proposer.test.ts' }],
  },
  {
    name: 'quorum-scan-takes-votes-as-they-come',
    fault: 'phase 2',
    mimics: 'openraft#1802: the quorum scan assumes a sorted prefix',
    edits: [{ file: PROPOSER, find: 'throughs.sort((a, b) => b - a);', put: '' }],
    killedBy: [
      { check: 'explorer', scope: 'rivals', statesMax: 50000 },
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 200 },
    ],
  },
  {
    name: 'chosen-with-one-vote-too-few',
    fault: 'phase 2',
    mimics: 'NuRaft#564: quorum arithmetic leaves out one peer',
    edits: [
      {
        file: PROPOSER,
        find: 'chosen = throughs[quorum - 1]!;',
        put: 'chosen = throughs[Math.max(0, quorum - 2)]!;',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'rivals', statesMax: 50000 },
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 200 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'acknowledges-across-a-gap',
    fault: 'phase 2',
    mimics: 'openraft#1960: of two acknowledgements only the later one is kept',
    edits: [
      {
        file: ACCEPTOR,
        find: 'if (run.ballot !== ballot || slot !== run.through + 1) {',
        put: 'if (run.ballot !== ballot || slot <= run.through) {',
      },
      { file: ACCEPTOR, find: 'slot === this.run.durable + 1', put: 'slot > this.run.durable' },
    ],
    killedBy: [{ check: 'properties', seeds: 1000, withContracts: true }],
  },
  {
    name: 'votes-of-former-members-counted',
    fault: 'phase 2',
    mimics: 'openraft beb0302b: entries are committed by who has no vote',
    edits: [
      {
        file: PROPOSER,
        find: 'const progress = this.#progress.get(member)!;\n      if (progress.synchronised',
        put: 'const progress = this.#progress.get(member);\n      if (progress === undefined) return;\n      if (progress.synchronised',
      },
      {
        file: 'protocol/progress.ts',
        find: 'if (led && context.self !== 0) this.#roleChanges.becomePreparing();',
        put: 'if (led) this.#proposer.pausedForConfiguration = false;',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 50 }],
  },
  {
    name: 'window-has-no-bound',
    fault: 'back-pressure',
    mimics: 'a pipeline without a bound: proposals pile up in memory',
    edits: [
      { file: PROPOSER, find: 'this.#open.size < this.#context.options.pipelineDecreesMax &&', put: '' },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/proposer.test.ts' }],
  },
  {
    name: 'congested-link-is-sent-to',
    fault: 'back-pressure',
    mimics: 'ZOOKEEPER-3296: the backlog of a connection that nobody reads grows',
    edits: [
      {
        file: PROPOSER,
        find: 'if (progress.synchronised && !progress.congested) {',
        put: 'if (progress.synchronised) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/proposer.test.ts' }],
  },
  {
    name: 'forwarded-commands-without-asking-for-their-room',
    fault: 'back-pressure',
    mimics:
      'what another server with greater limits sends is taken by the bound of this one, and does not fit',
    edits: [
      {
        file: 'engine/submitter.ts',
        find: 'log.hasRoom(GROUP_HEADER_BYTES + this.forwarded[0]!.bytes)',
        put: 'log.hasRoom(0)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/submitter.test.ts' }],
  },
  {
    name: 'memory-for-each-size-of-command',
    fault: 'memory',
    mimics: 'a pool of buffers whose sizes never fit the next, a little greater request',
    edits: [
      {
        file: 'application/command-writer.ts',
        find: 'chunkBytes * 2 ** Math.ceil(Math.log2(Math.max(1, bytes / chunkBytes)))',
        put: 'Math.max(chunkBytes, bytes)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/submitter.test.ts' }],
  },
];
