/** A machine of the simulated cluster: its disk, its clock, and the replica's process while it runs. */

import type { Configuration } from '../../src/protocol/configuration.js';
import { PROTOCOL_VERSIONS, type ProtocolVersions } from '../../src/wire/frame.js';
import type { MachineClock } from './clock.js';
import type { Disk, DiskSnapshot } from './disk.js';
import type { LogTap } from './log-tap.js';
import type { SimulatedProcess } from './process.js';

export interface Backup {
  readonly at: number;
  readonly content: DiskSnapshot;
  readonly records: number;
}

export class Machine {
  readonly index: number;
  readonly id: string;
  readonly clock: MachineClock;
  disk: Disk;
  tap: LogTap;
  /** 32 hexadecimal digits; empty before the disk was first used. */
  incarnation = '';
  process: SimulatedProcess | null = null;
  /** Counts the lives of processes here, so that what was meant for one does not meet the next. */
  life = 0;
  startsAt = Number.POSITIVE_INFINITY;
  /** The process was asked to close, and has not done so yet. */
  isClosing = false;
  /** No process is started here any more. */
  isOff = false;
  /** The steps after which the next life, or this one, ends. */
  stepsArmed = 0;
  stepsDownMs = 0;
  /** Of the protocol, that the build which is started here speaks. */
  versions: ProtocolVersions = PROTOCOL_VERSIONS;
  /** What this disk held when a process opened it. */
  backups: Backup[] = [];
  /** The disk was set back, and nobody has found that out yet. */
  isSetBack = false;
  isPrimary = false;
  becamePrimary = 0;
  appliedSlot = 0;
  /** Calls whose command this life's state machine has executed. */
  executed: Set<number> = new Set();
  digest = '';

  constructor(index: number, id: string, clock: MachineClock, disk: Disk, tap: LogTap) {
    this.index = index;
    this.id = id;
    this.clock = clock;
    this.disk = disk;
    this.tap = tap;
  }

  get isRunning(): boolean {
    return this.process !== null;
  }

  /** Takes commands. */
  get isOpen(): boolean {
    return this.process?.state === 'open';
  }

  holds(configuration: Configuration): boolean {
    return this.tap.genesis !== null && JSON.stringify(this.tap.genesis) === JSON.stringify(configuration);
  }
}
