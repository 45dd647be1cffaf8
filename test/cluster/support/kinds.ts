/** The storage kinds that real processes are tested with here, and why the others are not. */

import { existsSync } from 'node:fs';
import { loadAddon } from '../../../src/native/addon.js';
import { probeUring } from '../../../src/storage/uring/uring-medium.js';
import type { StorageSetting } from './cluster.js';

export interface Kind {
  readonly name: string;
  readonly storage: StorageSetting;
  readonly env: NodeJS.ProcessEnv;
}

const { addon, reason } = loadAddon();
const noPmem = addon === null ? reason : existsSync('/dev/shm') ? null : 'there is no /dev/shm';
const noUring = probeUring();

if (noPmem !== null) console.log(`clusters on pmem do not run here: ${noPmem}`);
if (noUring !== null) console.log(`clusters on uring do not run here: ${noUring}`);

/** Storage kinds that work here, with the addon where it can be had. */
export const kinds: readonly Kind[] = [
  { name: 'file', storage: { kind: 'file' }, env: {} },
  ...(noUring === null ? [{ name: 'uring', storage: { kind: 'uring' }, env: {} }] : []),
  ...(noPmem === null ? [{ name: 'pmem', storage: { kind: 'pmem', allowVolatile: true }, env: {} }] : []),
];

/** The portable backends alone, as where the addon cannot be built. */
export const portable: Kind = {
  name: 'file, no addon',
  storage: { kind: 'file' },
  env: { SYNOD_NATIVE: '0' },
};

/** Each way to store, with the addon and without. Only the portable one where this run itself is without it. */
export const allKinds: readonly Kind[] = addon === null ? [portable] : [...kinds, portable];
