/** All targets, in the order in which they run. */

import type { FuzzTarget } from '../target.js';
import { canary } from './canary.js';
import { checkpoint } from './checkpoint.js';
import { clientFrames, clientLink, clientService } from './client.js';
import { commandLine, configFile } from './config-file.js';
import { decree } from './decree.js';
import { frames } from './frames.js';
import { hellos } from './hello.js';
import { kvCommand } from './kv-command.js';
import { kvConnection } from './kv-connection.js';
import { openLog } from './open-log.js';
import { options } from './options.js';
import { recovery } from './recovery.js';
import { resp } from './resp.js';

/** Run when none is named. */
export const targets: readonly FuzzTarget[] = [
  frames,
  hellos,
  decree,
  recovery,
  openLog,
  checkpoint,
  clientFrames,
  clientService,
  clientLink,
  resp,
  kvCommand,
  kvConnection,
  configFile,
  options,
  commandLine,
];

export function targetNamed(name: string): FuzzTarget | undefined {
  return [...targets, canary].find((target) => target.name === name);
}
