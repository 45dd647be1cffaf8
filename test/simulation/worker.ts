/** A process of `jobs.ts`. */

import { serveJobs } from './jobs.js';

Error.stackTraceLimit = 0;
serveJobs();
