/** Changes of the member set: one after another, by whom they name, and each answered truly (docs/protocol.md, rule 7). */

import type { Mutant } from '../mutant.js';

const RECONFIGURATION = 'protocol/reconfiguration.ts';
const CONFIGURATION = 'protocol/configuration.ts';
const REPLICA = 'protocol/replica.ts';
const PROGRESS = 'protocol/progress.ts';
const unit = { check: 'unit', file: 'test/protocol/reconfiguration.test.ts' } as const;
const turmoil = (seeds: number) => ({ check: 'turmoil', seeds }) as const;
const explorer = (scope: string) => ({ check: 'explorer', scope, statesMax: 500_000 }) as const;

export const membership: readonly Mutant[] = [
  {
    name: 'request-of-an-earlier-configuration-counts',
    fault: 'configuration',
    mimics:
      'a request to join that comes late gives a running process a second id: its commands are executed twice, or never again',
    edits: [
      {
        file: RECONFIGURATION,
        find: 'if (configuration !== context.configuration!.number) return;',
        put: 'void configuration;',
      },
    ],
    killedBy: [turmoil(400), { check: 'unit', file: 'test/protocol/late-join.test.ts' }],
  },
  {
    name: 'configuration-learned-under-a-promise-that-no-record-tells-of',
    fault: 'ballots',
    mimics: 'a term that is known in memory alone is taken for one that is on disk',
    edits: [
      {
        file: 'protocol/acceptor.ts',
        find: 'if (ballot > this.promised) this.#raise(ballot);\n    // Nor does',
        put: 'if (ballot <= this.promised) return;\n    this.#raise(ballot);\n    // Nor does',
      },
    ],
    killedBy: [turmoil(100), { check: 'unit', file: 'test/protocol/unrecorded-promise.test.ts' }],
  },
  {
    name: 'primary-leads-on-over-a-checkpoint',
    fault: 'learning',
    mimics:
      'a leader that installs the snapshot of a later term tells its followers to commit what they have of its own',
    edits: [
      {
        file: PROGRESS,
        find: 'this.#goOn(isNewer ? configuration : null);',
        put: 'if (isNewer) this.#goOn(configuration);',
      },
    ],
    killedBy: [turmoil(250), { check: 'unit', file: 'test/protocol/checkpoint-at-a-primary.test.ts' }],
  },
  {
    name: 'former-number-that-was-not-given-out',
    fault: 'configuration',
    mimics: 'a leader takes in a server under an id that it has not given out yet, and stops',
    edits: [
      {
        file: CONFIGURATION,
        find: 'former !== 0 && former < nextMember',
        put: 'former !== 0 && nextMember > 0',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/former-number.test.ts' }],
  },
  {
    name: 'process-let-in-again-under-another-number',
    fault: 'execution',
    mimics: 'a client session goes on under another id, and nothing of it is ever executed',
    edits: [
      {
        file: CONFIGURATION,
        find: 'keepsNumber(current, former) && memberByNumber(current, former) === undefined;',
        put: 'keepsNumber(current, former) && memberById(current, id)?.incarnation === UNKNOWN_DISK;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/former-number.test.ts' }],
  },
  {
    name: 'configuration-proposed-without-room-in-the-log',
    fault: 'log',
    mimics: 'a change of members on a full disk has nowhere to go, and the leader stops',
    edits: [
      {
        file: RECONFIGURATION,
        find: 'return bytesInLog(configurationDecree(next)) <= room;',
        put: 'return bytesInLog(configurationDecree(next)) <= room || room >= 0;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/room.test.ts' }],
  },
  {
    name: 'newcomers-begin-with-ballots-of-their-own',
    fault: 'ballots',
    mimics: 'a joint set of acceptors in which newcomers number their ballots from the beginning',
    edits: [
      {
        file: 'protocol/acceptor.ts',
        find: 'if (decree.configuration !== null) this.promiseAtLeast(ballot);',
        put: '',
      },
    ],
    killedBy: [turmoil(50), { check: 'unit', file: 'test/protocol/old-acceptances.test.ts' }],
  },
  {
    name: 'checkpoint-brings-a-configuration-without-its-ballots',
    fault: 'ballots',
    mimics: 'a snapshot is installed without the term in which its members were decided',
    edits: [{ file: PROGRESS, find: 'if (isNewer) this.#acceptor.promiseAtLeast(promised);', put: '' }],
    killedBy: [turmoil(100), { check: 'unit', file: 'test/protocol/old-acceptances.test.ts' }],
  },
  {
    name: 'who-was-taken-out-goes-on-voting',
    fault: 'configuration',
    mimics: 'hashicorp/raft#524: a server that was removed goes on taking part',
    edits: [{ file: 'protocol/acceptor.ts', find: 'if (this.#context.self === 0) return;\n', put: '' }],
    killedBy: [unit],
  },
  {
    name: 'heartbeats-answered-by-who-is-out',
    fault: 'configuration',
    mimics: 'openraft beb0302b: who has no vote is counted among those who answer',
    edits: [
      {
        file: REPLICA,
        find: 'if (context.self !== 0 && context.isMember(from))\n',
        put: '',
      },
    ],
    killedBy: [unit],
  },
  {
    name: 'newcomers-need-not-have-caught-up',
    fault: 'configuration',
    mimics: 'redisraft#3: a change of members leaves a cluster that can elect nobody',
    edits: [
      {
        file: RECONFIGURATION,
        find: 'if (!change.force && this.#missing(change).length > 0) return false;',
        put: '',
      },
    ],
    killedBy: [unit],
  },
  {
    name: 'newcomers-that-are-behind-count-as-there',
    fault: 'configuration',
    mimics: 'etcd#21737, #15096: a learner is promoted before it has the log',
    edits: [
      {
        file: RECONFIGURATION,
        find: 'if (join === undefined || !hasCaughtUp(context, join)) missing.push(id);',
        put: 'if (join === undefined) missing.push(id);',
      },
    ],
    killedBy: [unit],
  },
  {
    name: 'set-in-which-nobody-could-vote-is-taken',
    fault: 'configuration',
    mimics: 'a forced change that names more unknown disks than a quorum can do without',
    edits: [{ file: RECONFIGURATION, find: 'if (!hasQuorumOfDisks(next)) return false;', put: '' }],
    killedBy: [unit],
  },
  {
    name: 'another-change-taken-while-one-is-under-way',
    fault: 'configuration',
    mimics: 'openraft before 2025-04: concurrent change requests end in a joint configuration',
    edits: [
      {
        file: RECONFIGURATION,
        find: 'if (this.#waiting !== null || this.#proposed !== null) this.#refuse',
        put: 'if (this.#waiting !== null) this.#refuse',
      },
    ],
    killedBy: [unit],
  },
  {
    name: 'change-told-as-chosen-where-another-one-was',
    fault: 'configuration',
    mimics: 'omnipaxos#96: a change is taken for decided that another one was decided in the place of',
    edits: [
      {
        file: RECONFIGURATION,
        find: 'if (decided !== null && sameConfiguration(decided, configuration))',
        put: 'if (decided !== null)',
      },
    ],
    killedBy: [explorer('quick-rival-changes'), unit],
  },
  {
    name: 'change-given-up-though-it-was-proposed',
    fault: 'configuration',
    mimics: 'openraft 13df5b32: callers of a leader that steps down are told what is not known',
    edits: [
      {
        file: RECONFIGURATION,
        find: '    if (this.#waiting === null) return;\n    const { change, until }',
        put:
          "    if (this.#proposed !== null && this.#context.role === 'secondary') {\n" +
          "      this.#refuse(this.#proposed.request, 'not-primary', []);\n" +
          '      this.#proposed = null;\n    }\n' +
          '    if (this.#waiting === null) return;\n    const { change, until }',
      },
    ],
    killedBy: [explorer('shrink'), unit],
  },
  {
    name: 'proposals-go-on-behind-a-configuration',
    fault: 'configuration',
    mimics: 'Ongaro, raft-dev 2015: entries are proposed behind a change that is not committed',
    edits: [
      {
        file: 'protocol/proposer.ts',
        find: 'if (decree.kind === DecreeKind.configuration) this.pausedForConfiguration = true;',
        put: '',
      },
    ],
    killedBy: [explorer('quick-replace')],
  },
  {
    name: 'old-members-told-under-a-number-that-they-do-not-know',
    fault: 'configuration',
    mimics: 'omnipaxos#68: the message that a configuration was decided is lost for those who are out',
    edits: [
      {
        file: PROGRESS,
        find: 'if (configuration !== null) this.configure(configuration);\n    if (led',
        put: 'if (configuration !== null) this.configure(configuration);\n    if (led && configuration !== null) this.#proposer.announce();\n    if (led',
      },
      {
        file: PROGRESS,
        find: '      this.#proposer.announce();\n',
        put: '',
      },
    ],
    killedBy: [unit],
  },
  {
    name: 'returning-disk-gets-a-new-number',
    fault: 'configuration',
    mimics: 'rabbitmq-server#15725: a member comes back under another id after a restart',
    edits: [
      {
        file: CONFIGURATION,
        find: 'if (keepsNumber(current, former)) return { number: former, id, incarnation, address };',
        put: '',
      },
    ],
    killedBy: [turmoil(50), unit],
  },
  {
    name: 'newcomers-get-numbers-that-were-given-out',
    fault: 'configuration',
    mimics: 'dragonboat#256, redisraft#2: the id of one node is given to another',
    edits: [
      {
        file: CONFIGURATION,
        find: '    nextMember += 1;\n    return { number: nextMember - 1,',
        put: '    return { number: Math.min(nextMember, current.members.length),',
      },
    ],
    killedBy: [explorer('quick-replace'), unit],
  },
  {
    name: 'primary-of-members-that-a-checkpoint-brought',
    fault: 'configuration',
    mimics: 'a leader that installs a snapshot with other members goes on without having counted them in',
    edits: [
      {
        file: 'protocol/progress.ts',
        find: 'this.#goOn(isNewer ? configuration : null);',
        put: 'if (isNewer) this.configure(configuration);\n    else this.#goOn(null);',
      },
    ],
    killedBy: [turmoil(400), { check: 'unit', file: 'test/protocol/learner.test.ts' }],
  },
];
