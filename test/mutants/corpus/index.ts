/** All mutants. */

import type { Mutant } from '../mutant.js';
import { bootstraps } from './bootstrap.js';
import { checkpoints } from './checkpoints.js';
import { clients } from './client.js';
import { elections } from './elections.js';
import { execution } from './execution.js';
import { leadership } from './leadership.js';
import { learning } from './learning.js';
import { links } from './links.js';
import { log } from './log.js';
import { membership } from './membership.js';
import { persistence } from './persistence.js';
import { proposing } from './proposing.js';
import { reads } from './reads.js';
import { statistics } from './statistics.js';
import { storage } from './storage.js';
import { tools } from './tools.js';
import { versions } from './versions.js';
import { waking } from './waking.js';

/** Red in every run: what does not find this one does not run. */
export const CANARY = 'canary-quorum-of-one';

export const mutants: readonly Mutant[] = [
  ...proposing,
  ...persistence,
  ...learning,
  ...elections,
  ...log,
  ...storage,
  ...links,
  ...execution,
  ...reads,
  ...statistics,
  ...tools,
  ...waking,
  ...checkpoints,
  ...leadership,
  ...membership,
  ...bootstraps,
  ...clients,
  ...versions,
];
