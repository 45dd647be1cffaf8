/** Unit tests run with the walks over whole states: see src/contracts.ts. */

import { contracts } from '../src/contracts.js';

contracts.level = 'full';
