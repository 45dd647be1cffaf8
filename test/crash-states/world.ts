/** One disk, and the processes that open the log on it one after another. */

import type { Crc32c } from '../../src/checksum.js';
import { Disk, type DiskEvent, type Image } from './disk.js';
import { History } from './history.js';
import { logPath, type MediumKind, Session, type WriterBreakage } from './session.js';
import { type Breakage, fillDisk, SimulatedSystem } from './simulated-system.js';

export interface WorldOptions {
  readonly kind: MediumKind;
  readonly crc32c: Crc32c;
  readonly breakage: Breakage | WriterBreakage | null;
  /** Called where the states that a power cut may leave are at their most, and where more was promised. */
  readonly onPoint: (world: World) => void;
  readonly onViolation: (world: World, what: string) => void;
  readonly nonces: { next: number };
}

export class World {
  readonly options: WorldOptions;
  readonly disk = new Disk();
  readonly history: History;
  readonly events: DiskEvent[] = [];
  system: SimulatedSystem;
  session: Session;
  /** Sequence of the last record when the log was opened. */
  openedAt = 0;
  #growthSeen = 0;

  /** `image`: what is on the disk, and `history` what was written to it. */
  constructor(options: WorldOptions, image: Image | null = null, history = new History()) {
    this.options = options;
    this.history = history;
    if (image !== null) fillDisk(this.disk, logPath, image);
    this.system = this.#boot();
    this.session = this.#open();
    this.disk.onShrink = () => this.point();
  }

  open(): void {
    this.run(() => this.session.open());
    this.openedAt = this.history.entries.at(-1)?.sequence ?? 0;
  }

  /** A program step: what changed in it is looked at in the end. False where it changed nothing, or could not be made. */
  run<Result>(action: () => Result): Result | false {
    let result: Result | false = false;
    try {
      result = this.options.kind === 'pmem' ? this.system.recording(action) : action();
    } catch (error) {
      // A broken contract, most likely: the engine would be fenced.
      this.session.fail(`thrown: ${(error as Error).message}`);
    }
    if (this.disk.growth !== this.#growthSeen) this.point();
    return result;
  }

  point(): void {
    this.#growthSeen = this.disk.growth;
    this.options.onPoint(this);
  }

  /** The process is killed, and the next one opens what it left, while the kernel lives on. */
  kill(): void {
    this.system.queue.clear();
    this.disk.abandonCalls();
    this.system = this.#boot();
    this.session = this.#open();
    this.open();
  }

  #boot(): SimulatedSystem {
    return new SimulatedSystem(this.disk, {
      breakage: this.options.breakage as Breakage | null,
      onEvent: (event) => void this.events.push(event),
    });
  }

  #open(): Session {
    const { kind, crc32c, breakage, onViolation, nonces } = this.options;
    return new Session({
      kind,
      crc32c,
      system: this.system,
      history: this.history,
      breakage: breakage as WriterBreakage | null,
      drawNonce: () => {
        nonces.next += 1;
        return [Math.imul(nonces.next, 0x9e3779b1) >>> 0, nonces.next];
      },
      onAcknowledged: () => this.point(),
      onViolation: (what) => onViolation(this, what),
    });
  }
}
