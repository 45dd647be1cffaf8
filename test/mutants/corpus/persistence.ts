/** What is told before it is durable, and what is forgotten at a restart (docs/protocol.md, rules 1 to 3). */

import type { Mutant } from '../mutant.js';

const ACCEPTOR = 'protocol/acceptor.ts';
const PROPOSER = 'protocol/proposer.ts';
const REPLICA = 'protocol/replica.ts';

export const persistence: readonly Mutant[] = [
  {
    name: 'promise-leaves-before-it-is-durable',
    fault: 'persistence',
    mimics: 'sofa-jraft#1245: a vote is sent before term and vote are durable',
    edits: [
      {
        file: ACCEPTOR,
        find: 'if (write > this.#durable) break;',
        put: 'if (write > this.#durable && slot !== 0) break;',
      },
      {
        file: ACCEPTOR,
        find: "invariant(this.#promiseWrite <= this.#durable, 'promise-durable-before-reply');",
        put: '',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
    ],
  },
  {
    name: 'acceptance-acknowledged-before-it-is-durable',
    fault: 'persistence',
    mimics: 'ZOOKEEPER-3911: acks leave before proposals are durable',
    edits: [
      {
        file: ACCEPTOR,
        find: 'if (write > this.#durable) break;',
        put: 'if (write > this.#durable && slot === 0) break;',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'succession', statesMax: 1000 },
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'heartbeat-reply-tells-of-what-is-not-durable',
    fault: 'persistence',
    mimics: 'yugabyte-db#32875: a heartbeat is answered with "last received" before the own sync',
    edits: [
      {
        file: 'protocol/answers.ts',
        find: 'const { ballot, from: runFrom, durable } =',
        put: 'const { ballot, from: runFrom, through: durable } =',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'rivals', statesMax: 50000 },
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 100 },
    ],
  },
  {
    name: 'primary-counts-its-own-vote-before-it-is-durable',
    fault: 'persistence',
    mimics: 'etcd#14370: the leader counts its own entry before its sync',
    edits: [
      {
        file: PROPOSER,
        find: 'this.#openBytes += countedBytes(decree);',
        put: 'this.#openBytes += countedBytes(decree);\n    const own = this.#progress.get(context.self);\n    if (own !== undefined) own.through = slot;',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'succession', statesMax: 1000 },
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
    ],
  },
  {
    name: 'prepare-leaves-before-the-own-promise-is-durable',
    fault: 'persistence',
    mimics: 'phxpaxos#145: a proposer uses a number that it may have forgotten after a restart',
    edits: [
      {
        file: PROPOSER,
        find: 'if (!this.#promises.get(context.self)?.complete) return;\n    requires(this.#acceptor',
        put: 'requires(this.#acceptor',
      },
      {
        file: PROPOSER,
        find: 'this.#acceptor.prepare(this.ballot, context.chosen + 1);',
        put: 'this.#acceptor.prepare(this.ballot, context.chosen + 1);\n    this.sendPrepare();',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
    ],
  },
  {
    name: 'promise-is-not-recorded',
    fault: 'persistence',
    mimics: 'sofa-jraft#1241: the write of a vote failed, and it was granted all the same',
    edits: [
      {
        file: ACCEPTOR,
        find: "if (!this.#isRecorded) this.#recordPromise(this.#context.append({ kind: 'promise', ballot }));",
        put: 'this.#isRecorded = true;',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'properties', seeds: 50 },
    ],
  },
  {
    name: 'prepare-behind-its-accept-answered-before-that-is-durable',
    fault: 'persistence',
    mimics:
      'a bug of this project, found by the explorer: an acceptance that raises the promise is not waited for',
    edits: [
      {
        file: ACCEPTOR,
        find: '        this.#recordPromise(write);\n',
        put: '        this.#isRecorded = true;\n',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/acceptor.test.ts' }],
  },
  {
    name: 'promise-is-forgotten-at-a-restart',
    fault: 'persistence',
    mimics: 'ClickHouse#113654: a node restarts at term 0',
    edits: [
      {
        file: REPLICA,
        find: 'this.#acceptor.promised = recovered.promised;',
        put: 'this.#acceptor.promised = Math.max(0, ...[...recovered.accepted.values()].map((one) => one.ballot));',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'quick-crash', statesMax: 1000 },
      { check: 'simulation', seeds: 200 },
      { check: 'properties', seeds: 200 },
    ],
  },
  {
    name: 'log-forgets-promises',
    fault: 'persistence',
    mimics: 'sofa-jraft#96: a vote that was granted is not there after a restart',
    edits: [
      {
        file: 'log/log-state.ts',
        find: 'case RecordKind.promise:\n          if (ballot > this.promised) this.promised = ballot;',
        put: 'case RecordKind.promise:',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/log-state.test.ts' }],
  },
  {
    name: 'acceptance-does-not-record-the-promise-in-it',
    fault: 'persistence',
    mimics: 'hashicorp/raft#661: term and vote are written in two steps, with a crash between them',
    edits: [
      {
        file: 'log/log-state.ts',
        find: 'case RecordKind.accept:\n          if (ballot > this.promised) this.promised = ballot;',
        put: 'case RecordKind.accept:',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/log/log-state.test.ts' },
    ],
  },
  {
    name: 'acceptances-are-forgotten-at-a-restart',
    fault: 'persistence',
    mimics: 'openraft a9f696a9: a restart hides what was committed',
    edits: [{ file: REPLICA, find: 'this.#acceptor.accepted.set(slot, acceptance);', put: '' }],
    killedBy: [
      { check: 'simulation', seeds: 200 },
      { check: 'properties', seeds: 200 },
      { check: 'properties', seeds: 1000, agreementOnly: true },
    ],
  },
  {
    name: 'accepted-is-taken-for-chosen-at-a-restart',
    fault: 'persistence',
    mimics: 'CorfuDB#2470: what is merely written is shown, and lost again',
    edits: [
      {
        file: 'log/log-state.ts',
        find: 'this.#set(segment, scan, at, slot, ballot);',
        put: 'this.#set(segment, scan, at, slot, ballot);\n    if (slot > this.chosenThrough) this.chosenThrough = slot;',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/log/log-state.test.ts' },
    ],
  },
  {
    name: 'late-write-confirms-what-was-accepted-since',
    fault: 'persistence',
    mimics: 'rabbitmq/ra#516: a write of an older term completes late and confirms newer entries',
    edits: [
      {
        file: ACCEPTOR,
        find: '} else if (ballot === this.run.ballot && slot === this.run.durable + 1) {',
        put: '} else if (slot === this.run.durable + 1) {',
      },
    ],
    killedBy: [
      { check: 'explorer', scope: 'succession', statesMax: 100000 },
      { check: 'unit', file: 'test/protocol/acceptor.test.ts' },
    ],
  },
  {
    name: 'first-configuration-is-told-before-it-is-durable',
    fault: 'persistence',
    mimics: 'NuRaft#67: a configuration that is not durable is in force elsewhere when its author forgets it',
    edits: [
      {
        file: REPLICA,
        find: 'this.#progress.configure(configuration);\n    this.#election.restart();\n  }',
        put: 'this.#progress.configure(configuration);\n    this.#election.restart();\n    this.#genesis.onDurable(Number.POSITIVE_INFINITY);\n  }',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'unit', file: 'test/protocol/membership.test.ts' },
    ],
  },
  {
    name: 'fenced-engine-sends-what-was-under-way',
    fault: 'persistence',
    mimics: 'a server that found out that it lost data answers once more',
    edits: [
      {
        file: 'engine/engine.ts',
        find: '      if (this.#fenced !== null) return;\n      // Before the application',
        put: '      // Before the application',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/fenced-in-a-turn.test.ts' }],
  },
];
