/** Builds of several versions in one cluster (docs/protocol.md, rule 11). */

import type { Mutant } from '../mutant.js';

const protocol = { check: 'unit', file: 'test/protocol/version.test.ts' } as const;
const engine = { check: 'unit', file: 'test/engine/versions.test.ts' } as const;

export const versions: readonly Mutant[] = [
  {
    name: 'version-raised-over-the-heads-of-members',
    fault: 'configuration',
    mimics: 'a feature is switched on while nodes of the old release still run, and they stop',
    edits: [
      {
        file: 'protocol/reconfiguration.ts',
        find: 'Math.min(...current.members.map(({ number }) => context.versionMaxOf(number)))',
        put: 'context.versionMaxOf(context.self)',
      },
    ],
    killedBy: [protocol],
  },
  {
    name: 'version-asked-of-a-link-that-is-gone',
    fault: 'configuration',
    mimics: 'a node that is taken for upgraded because it once was, and came back with the old release',
    edits: [{ file: 'protocol/replica.ts', find: '    this.#context.versions.delete(peer);\n', put: '' }],
    killedBy: [protocol],
  },
  {
    name: 'version-forgotten-with-the-members',
    fault: 'configuration',
    mimics: 'a setting that lives in the member list, and is lost when the list is replaced',
    edits: [
      {
        file: 'protocol/configuration.ts',
        find: '    ...(current.version === undefined ? {} : { version: current.version }),\n',
        put: '',
      },
    ],
    killedBy: [protocol],
  },
  {
    name: 'newer-log-opened-by-an-older-build',
    fault: 'log',
    mimics: 'etcd: a binary that was rolled back starts from data of the newer one, and reads it as it can',
    edits: [
      {
        file: 'engine/recover.ts',
        find: 'known === null ? null : tooNew(known, this.#versions)',
        put: 'null',
      },
    ],
    killedBy: [engine],
  },
  {
    name: 'higher-version-taken-from-a-frame',
    fault: 'configuration',
    mimics: 'a follower that appends an entry which it cannot interpret, and is stuck with it',
    edits: [
      {
        file: 'engine/frame-intake.ts',
        find: 'configuration === null ? null : tooNew(configuration)',
        put: 'null',
      },
    ],
    killedBy: [engine],
  },
  {
    name: 'word-of-the-version-in-force-passed-over',
    fault: 'configuration',
    mimics: 'a handshake that compares ranges, and lets in who speaks nothing that is in use',
    edits: [
      {
        file: 'engine/versions.ts',
        find: 'const version = Math.max(own.version, peer.version);',
        put: 'const version = own.version;',
      },
    ],
    killedBy: [engine],
  },
  {
    name: 'first-configuration-under-its-authors-version',
    fault: 'configuration',
    mimics: 'a cluster that begins by the newest release among its nodes, which the others cannot join',
    edits: [
      {
        file: 'engine/first-configuration.ts',
        find: '      version = Math.min(version, link.peer.versionMax);\n',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/first-configuration.test.ts' }],
  },
];
