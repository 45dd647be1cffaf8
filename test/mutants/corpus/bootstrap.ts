/** How a cluster begins, where its members are found, and what an operator is let do (docs/protocol.md, "Bootstrap"). */

import type { Mutant } from '../mutant.js';

const FIRST = 'engine/first-configuration.ts';
const first = { check: 'unit', file: 'test/engine/first-configuration.test.ts' } as const;
const administration = { check: 'unit', file: 'test/kv/administration.test.ts' } as const;
const resolver = { check: 'unit', file: 'test/engine/address-resolver.test.ts' } as const;

export const bootstraps: readonly Mutant[] = [
  {
    name: 'list-taken-over-another',
    fault: 'configuration',
    mimics: 'a member that takes part in two bootstraps: the second list overwrites the first',
    edits: [
      {
        file: FIRST,
        find: 'if (this.#list === null && this.#hasRoom) this.#take(list);',
        put: 'if (this.#hasRoom) this.#take(list);',
      },
    ],
    killedBy: [first],
  },
  {
    name: 'list-told-before-it-is-durable',
    fault: 'persistence',
    mimics: 'an answer that leaves before its record is synced: the disk forgets what it told',
    edits: [
      {
        file: FIRST,
        find: 'if (this.#isTold || this.#list === null || this.#options.log.durable < this.#sequence) return;',
        put: 'if (this.#isTold || this.#list === null) return;',
      },
    ],
    killedBy: [first],
  },
  {
    name: 'first-configuration-without-asking-for-the-list',
    fault: 'configuration',
    mimics: 'members that were configured differently begin as one cluster',
    edits: [
      {
        file: FIRST,
        find: 'if (link?.peer == null || link.peer.hasGenesis || this.#told.get(link) !== ids) return;',
        put: 'if (link?.peer == null || link.peer.hasGenesis) return;',
      },
    ],
    killedBy: [first],
  },
  {
    name: 'first-configuration-although-one-is-known',
    fault: 'configuration',
    mimics: 'a replica that lost its disk begins the cluster anew, beside those that remember it',
    edits: [
      {
        file: FIRST,
        find: 'if (link?.peer == null || link.peer.hasGenesis || this.#told.get(link) !== ids) return;',
        put: 'if (link?.peer == null || this.#told.get(link) !== ids) return;',
      },
    ],
    killedBy: [first],
  },
  {
    name: 'first-configuration-by-two-authors',
    fault: 'configuration',
    mimics: 'two nodes bootstrap at the same time, and each is right',
    edits: [
      { file: FIRST, find: '!this.#isTold || list.some((other) => other.id < id)', put: '!this.#isTold' },
    ],
    killedBy: [first],
  },
  {
    name: 'first-configuration-of-strangers-taken',
    fault: 'configuration',
    mimics: 'a disk that is named by one cluster takes part in another',
    edits: [
      {
        file: FIRST,
        find: 'if (this.#isRecorded && idsOf(configuration.members) !== idsOf(this.#list!)) {',
        put: 'if (this.#list === null && this.#isRecorded) {',
      },
    ],
    killedBy: [first],
  },
  {
    name: 'what-an-old-link-told-still-counts',
    fault: 'links',
    mimics: 'state of a connection that outlives it',
    edits: [
      {
        file: FIRST,
        find: 'readonly #told: Map<Link, string> = new Map();',
        put: 'readonly #told = new (class { readonly byId = new Map<string, string>(); get(link: Link) { return this.byId.get(link.peer!.id); } set(link: Link, ids: string) { this.byId.set(link.peer!.id, ids); } delete(_: Link) {} })();',
      },
    ],
    killedBy: [first],
  },
  {
    name: 'list-forgotten-by-a-restart',
    fault: 'log',
    mimics: 'a record kind that recovery passes over',
    edits: [{ file: 'log/log-state.ts', find: 'this.list = payloadOf(scan, at);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/log/log-state.test.ts' }],
  },
  {
    name: 'change-in-the-place-of-another-set',
    fault: 'configuration',
    mimics: 'read, modify and write without a comparison: of two changes one is lost',
    edits: [
      {
        file: 'protocol/reconfiguration.ts',
        find: 'if (change.ifNumber !== 0 && change.ifNumber !== current.number) {',
        put: 'if (change.ifNumber > current.number + 1_000) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/protocol/reconfiguration.test.ts' }],
  },
  {
    name: 'changes-from-anywhere',
    fault: 'tools',
    mimics: 'an administrative port that is open to the network',
    edits: [
      {
        file: 'kv/administration.ts',
        find: "return kind !== 'status' && kind !== 'health' && kind !== 'members' && kind !== 'version';",
        put: "return kind === 'promote';",
      },
    ],
    killedBy: [administration],
  },
  {
    name: 'addresses-that-begin-like-loopback',
    fault: 'tools',
    mimics: 'a comparison of the beginning of an address',
    edits: [
      {
        file: 'kv/administration.ts',
        find: '/^127\\.\\d+\\.\\d+\\.\\d+$/.test(plain)',
        put: "plain.startsWith('127.')",
      },
    ],
    killedBy: [administration],
  },
  {
    name: 'changed-members-lose-the-cookie',
    fault: 'tools',
    mimics: 'a tool that writes back less than it read',
    edits: [
      {
        file: 'kv/administration.ts',
        find: '...(current.cookie === null ? {} : { cookie: current.cookie }),',
        put: '',
      },
    ],
    killedBy: [administration],
  },
  {
    name: 'address-asked-once',
    fault: 'links',
    mimics: 'a name that is resolved when a client starts, and never again',
    edits: [
      {
        file: 'engine/address-resolver.ts',
        find: 'asked.callback(address, reason);',
        put: 'asked.callback(this.#last.get(asked.id) ?? address, reason);',
      },
    ],
    killedBy: [resolver],
  },
  {
    name: 'address-waited-for-without-end',
    fault: 'links',
    mimics: 'a lookup without a timeout keeps a peer from being dialled again',
    edits: [
      {
        file: 'engine/address-resolver.ts',
        find: 'const stopTimer = startTimer(timeoutMs, () => {',
        put: 'const stopTimer = startTimer(timeoutMs, () => {\n      if (timeoutMs > 0) return;',
      },
    ],
    killedBy: [resolver],
  },
  {
    name: 'cookie-of-a-checkpoint-passed-over',
    fault: 'storage',
    mimics: 'a block of a newer kind is skipped by the reader, and what it held is lost',
    edits: [{ file: 'checkpoint/blocks.ts', find: 'this.#handler.onCookie(payload.slice());', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/checkpoint/checkpoint-format.test.ts' }],
  },
];
