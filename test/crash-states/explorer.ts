/** Looks at every point of a program: builds the images that a power cut may leave there, recovers from each, and goes on from some. */

import type { Crc32c } from '../../src/checksum.js';
import { Random } from '../properties/random.js';
import { describeEvent, type Image } from './disk.js';
import { enumerateImages } from './images.js';
import { recoverSegments, segmentsOf } from './recovery.js';
import { logPath, type MediumKind, shapes, type WriterBreakage } from './session.js';
import type { Breakage } from './simulated-system.js';
import { World } from './world.js';

export interface ExplorerOptions {
  readonly kind: MediumKind;
  readonly crc32c: Crc32c;
  readonly seed: number;
  /** At most so many images per point. */
  readonly imagesMax: number;
  /** A second crash follows on one in so many images. 0: never. */
  readonly secondCrashEvery: number;
  readonly breakage?: Breakage | WriterBreakage | null;
}

export interface Violation {
  readonly medium: MediumKind;
  readonly program: string;
  readonly what: string;
  /** What of the pending was on the disk. */
  readonly image: string;
  readonly events: readonly string[];
}

export interface Counts {
  programs: number;
  points: number;
  /** Points of which every possible image was looked at. */
  completePoints: number;
  images: number;
  secondCrashes: number;
  torn: number;
}

const SECOND_IMAGES_MAX = 8;
const VIOLATIONS_MAX = 10;
const noChecksum: Crc32c = () => 1;

export class Explorer {
  readonly counts: Counts = {
    programs: 0,
    points: 0,
    completePoints: 0,
    images: 0,
    secondCrashes: 0,
    torn: 0,
  };
  readonly violations: Violation[] = [];
  /** What runs, for reports. */
  program = '';
  /** Points are looked at only while this is true. */
  isActive = true;
  readonly options: ExplorerOptions;
  random: Random;
  readonly #crc32c: Crc32c;
  #nonces = { next: 0 };

  constructor(options: ExplorerOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    this.#crc32c = options.breakage === 'checksums-missing' ? noChecksum : options.crc32c;
  }

  get isFull(): boolean {
    return this.violations.length >= VIOLATIONS_MAX;
  }

  /** A new disk. */
  makeWorld(): World {
    this.#nonces = { next: 0 };
    return new World(this.#worldOptions((world) => this.#examine(world, this.options.imagesMax, true)));
  }

  /** Power goes now, and comes back: the world that goes on from one of the images. */
  cutPower(world: World): World | null {
    const { kind } = this.options;
    const sectorBytes = this.random.below(2) === 0 ? 512 : 4096;
    const { images } = enumerateImages(world.disk, logPath, {
      sectorBytes: kind === 'file' ? sectorBytes : 512,
      imagesMax: 3,
      random: this.random,
    });
    const possible = this.random.pick([...images]);
    const history = world.history.fork();
    const recovery = recoverSegments(segmentsOf(possible.image), history.checkpoint, this.#crc32c);
    if (recovery.kind === 'refused') return null;
    history.reopen(recovery.recovered);
    return new World(world.options, possible.image, history);
  }

  #worldOptions(onPoint: (world: World) => void): ConstructorParameters<typeof World>[0] {
    const { kind, breakage } = this.options;
    return {
      kind,
      crc32c: this.#crc32c,
      breakage: breakage ?? null,
      nonces: this.#nonces,
      onPoint,
      onViolation: (world, what) => this.#report(world, what, ''),
    };
  }

  #examine(world: World, imagesMax: number, mayGoOn: boolean): void {
    if (!this.isActive || this.isFull) return;
    const { kind, secondCrashEvery } = this.options;
    // A disk tears at its sectors, of 512 bytes or of 4096; persistent memory at its words.
    const sectorSizes = kind === 'file' ? [512, 4096] : [512];
    for (const sectorBytes of sectorSizes) {
      const { complete, images } = enumerateImages(world.disk, logPath, {
        sectorBytes,
        imagesMax,
        random: this.random,
      });
      this.counts.points += 1;
      if (complete) this.counts.completePoints += 1;
      for (const { image, describe } of images) {
        this.counts.images += 1;
        const segments = segmentsOf(image);
        const recovery = recoverSegments(segments, world.history.checkpoint, this.#crc32c);
        if (recovery.kind === 'refused') {
          this.#report(world, `refused: ${recovery.error.message}`, describe());
          continue;
        }
        const { recovered } = recovery;
        if (recovered.verdict.kind === 'torn') this.counts.torn += 1;
        const wrong = world.history.check(recovered, segments);
        if (wrong !== null) {
          this.#report(world, wrong, describe());
          continue;
        }
        if (mayGoOn && secondCrashEvery > 0 && this.random.below(secondCrashEvery) === 0) {
          const history = world.history.fork();
          history.reopen(recovered);
          this.#crashAgain(world, image, history);
        }
      }
    }
  }

  /** The next process opens the image, writes, and the power goes at any point of that. */
  #crashAgain(first: World, image: Image, history: World['history']): void {
    this.counts.secondCrashes += 1;
    const before = this.violations.length;
    const world = new World(
      this.#worldOptions((point) => this.#examine(point, SECOND_IMAGES_MAX, false)),
      image,
      history,
    );
    world.open();
    if (world.session.isOpen) {
      const { smallBytes, largeBytes } = shapes[this.options.kind];
      world.run(() => world.session.accept(smallBytes) && world.session.flush());
      world.run(() => world.system.queue.runAll());
      world.run(() => world.session.accept(largeBytes) && world.session.flush());
    }
    for (let index = before; index < this.violations.length; index += 1) {
      const violation = this.violations[index]!;
      const events = [...first.events.map(describeEvent), 'power cut', ...violation.events];
      this.violations[index] = { ...violation, events };
    }
  }

  #report(world: World, what: string, image: string): void {
    if (this.isFull) return;
    const { kind } = this.options;
    const events = world.events.map(describeEvent);
    this.violations.push({ medium: kind, program: this.program, what, image, events });
  }
}
