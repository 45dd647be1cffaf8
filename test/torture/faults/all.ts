/** All kinds of faults. */

import { clockFaults } from './clocks.js';
import { diskFaults } from './disks.js';
import type { FaultKind } from './fault.js';
import { memberFaults } from './members.js';
import { networkFaults } from './network.js';
import { processFaults } from './processes.js';

export const faultKinds: readonly FaultKind[] = [
  ...processFaults,
  ...networkFaults,
  ...diskFaults,
  ...clockFaults,
  ...memberFaults,
];
