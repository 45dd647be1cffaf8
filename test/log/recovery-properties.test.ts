/**
 * Random lives of a log: batches, completions in any order, crashes that keep any part of what was in flight, openings in a row,
 * removals, stale bytes in new segments. After each crash: everything acknowledged is there, nothing is served that was never
 * written, recovery is idempotent and agrees with a slow version of itself. At the end damage is done to what was durable: it
 * is never served and never cut off.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordKind } from '../../src/log/format.js';
import { type Images, LogWriterModel, makeRandom, type RecordSpec, recover } from './log-writer-model.js';
import { recoverSlowly } from './recovery-reference.js';

/** `SYNOD_TEST_EFFORT=20` runs twenty times as many cases. */
const effort = Number(process.env.SYNOD_TEST_EFFORT ?? 1);

type Step =
  | { readonly kind: 'append'; readonly payloads: readonly number[] }
  | { readonly kind: 'give-up'; readonly bytes: number }
  | { readonly kind: 'complete'; readonly index: number }
  | { readonly kind: 'complete-all' }
  | { readonly kind: 'crash'; readonly density: number; readonly removes: boolean };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        payloads: fc.array(fc.nat(500), { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('give-up' as const), bytes: fc.nat(900) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('complete' as const), index: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('complete-all' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        // 0 and 1 are as likely as anything between.
        density: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
        removes: fc.boolean(),
      }),
    },
  ),
  { minLength: 1, maxLength: 40 },
);

const programs = fc.record({
  seed: fc.integer(),
  blockBytes: fc.constantFrom(64, 512, 1024),
  unitBytes: fc.constantFrom(8, 64, 512),
  stale: fc.boolean(),
  steps,
});
type Program = typeof programs extends fc.Arbitrary<infer Value> ? Value : never;

/** What the programs came across, so that they are known to reach the rare branches. */
const reached = { crashes: 0, torn: 0, rolledBack: 0, recoveredUnacknowledged: 0, lostUnacknowledged: 0 };

class Life {
  readonly model: LogWriterModel;
  readonly random: () => number;
  slot = 0;
  unused: readonly number[] = [];

  constructor(program: Program) {
    this.random = makeRandom(program.seed);
    const { blockBytes, unitBytes, stale } = program;
    this.model = new LogWriterModel({
      segmentBytes: 8192,
      blockBytes,
      unitBytes,
      stale,
      random: this.random,
    });
    this.model.open();
  }

  run(step: Step): void {
    switch (step.kind) {
      case 'append':
        this.model.append(step.payloads.map((bytes) => this.spec(bytes)));
        break;
      case 'give-up':
        this.model.append([{ kind: RecordKind.pad, padBytes: step.bytes }]);
        break;
      case 'complete':
        this.model.complete(step.index);
        break;
      case 'complete-all':
        this.model.completeAll();
        break;
      case 'crash':
        this.crash(step.density, step.removes);
        break;
      default:
        step satisfies never;
    }
  }

  spec(bytes: number): RecordSpec {
    const kinds = [
      RecordKind.accept,
      RecordKind.accept,
      RecordKind.learn,
      RecordKind.promise,
      RecordKind.mark,
    ];
    const kind = kinds[Math.floor(this.random() * kinds.length)]!;
    this.slot += 1;
    const payload = Uint8Array.from({ length: bytes }, () => this.random() * 256);
    return { kind, slot: this.slot, ballot: 3, chosen: this.slot >> 1, commandCount: 1, payload };
  }

  crash(density: number, removes: boolean): void {
    const { model } = this;
    const acknowledged = model.durable;
    const written = model.history.slice();
    model.crash(() => density === 1 || this.random() < density);
    const images = model.images();
    checkSound(images, written, acknowledged);
    const { verdict, records } = model.open();
    if (verdict.kind === 'corrupt') throw new Error('checked above');
    reached.crashes += 1;
    if (verdict.kind === 'torn') reached.torn += 1;
    if (verdict.rule === 'torn-before-next-segment') reached.rolledBack += 1;
    if (records.length > acknowledged) reached.recoveredUnacknowledged += 1;
    if (records.length < written.length) reached.lostUnacknowledged += 1;
    if (removes) {
      // As an engine does it: the new header first, then away with what holds nothing.
      model.completeAll();
      model.remove(verdict.unused);
    }
  }
}

function checkSound(images: Images, written: LogWriterModel['history'], acknowledged: number): void {
  const first = recover(images);
  expect(first.verdict).not.toMatchObject({ kind: 'corrupt' });
  expect(first.records.length).toBeGreaterThanOrEqual(acknowledged);
  expect(first.records).toEqual(written.slice(0, first.records.length));
  expect(recover(images).verdict).toEqual(first.verdict);
  expect(recoverSlowly(images)).toEqual({
    kind: 'sound',
    records: first.records.map(({ segment, offset }) => `${segment}:${offset}`),
  });
}

/** Damage of one sector, as media do it. */
function damage(images: Images, segment: number, sector: number, kind: string, random: () => number): void {
  const bytes = images.get(segment)!;
  const from = sector * 512;
  switch (kind) {
    case 'zeros':
      bytes.fill(0, from, from + 512);
      break;
    case 'noise':
      for (let at = from; at < from + 512; at++) bytes[at] = random() * 256;
      break;
    case 'flip':
      bytes[from + Math.floor(random() * 512)]! ^= 1 << Math.floor(random() * 8);
      break;
    case 'misdirected':
      // Another sector's content, from any segment.
      {
        const others = [...images.values()];
        const other = others[Math.floor(random() * others.length)]!;
        const source = Math.floor(random() * 16) * 512;
        bytes.set(other.slice(source, source + 512), from);
      }
      break;
    default:
      throw new Error(kind);
  }
}

describe('recovery over random lives of a log', () => {
  it('has everything acknowledged, nothing else than written, again and again', {
    timeout: 120_000 * effort,
  }, () => {
    fc.assert(
      fc.property(programs, (program) => {
        const life = new Life(program);
        for (const step of program.steps) life.run(step);
        life.crash(0.5, false);
      }),
      { numRuns: 600 * effort },
    );
    // Were these zero, the property would have shown little.
    for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(0);
  });

  const damages = fc.record({
    program: programs,
    kind: fc.constantFrom('zeros', 'noise', 'flip', 'misdirected'),
    places: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
  });

  it('never serves and never cuts off what was durable and is damaged', { timeout: 120_000 * effort }, () => {
    let corrupted = 0;
    let harmless = 0;
    fc.assert(
      fc.property(damages, ({ program, kind, places }) => {
        const life = new Life(program);
        const { model } = life;
        for (const step of program.steps) life.run(step);
        model.completeAll();
        const markSequence = model.nextSequence;
        model.close(life.slot);
        // What damages a sector must not take the witness with it: at small blocks, the mark is in the same one.
        model.append([{ kind: RecordKind.pad, padBytes: 1024 }]);
        model.close(life.slot);
        const sound = recover(model.media);
        expect(sound.records).toEqual(model.history);
        const whole = model.images();
        for (const place of places) {
          const images = model.images();
          const segments = [...images.keys()];
          const segment = segments[place % segments.length]!;
          damage(images, segment, Math.floor(place / segments.length) % 16, kind, life.random);
          const { verdict, records } = recover(images);
          const slow = recoverSlowly(images);
          expect(slow.kind).toBe(verdict.kind === 'corrupt' ? 'corrupt' : 'sound');
          // Whatever happened, what is handed out is what was written.
          expect(records).toEqual(model.history.slice(0, records.length));
          const before = whole.get(segment)!;
          const after = images.get(segment)!;
          const touched = model.meaningful.filter(
            (range) =>
              range.segment === segment &&
              Buffer.compare(before.subarray(range.from, range.to), after.subarray(range.from, range.to)) !==
                0,
          );
          // A header behind which nothing was written is not needed to know that.
          const isNeeded = touched.some(({ sequence }) =>
            sequence === 0
              ? model.history.some((each) => each.segment === segment && each.sequence < markSequence)
              : sequence < markSequence,
          );
          if (isNeeded) {
            corrupted += 1;
            expect(verdict.kind).toBe('corrupt');
          } else if (touched.length === 0) {
            // What was meant for another place is intact where nothing should be: no crash does that.
            const isStray =
              kind === 'misdirected' &&
              verdict.kind === 'corrupt' &&
              ['segment-misplaced', 'record-impossible'].includes(verdict.reason);
            if (isStray) continue;
            harmless += 1;
            expect(verdict.kind).not.toBe('corrupt');
            expect(records).toEqual(model.history);
          } else if (verdict.kind !== 'corrupt') {
            expect(records.length).toBeGreaterThanOrEqual(markSequence - 1);
          }
        }
      }),
      { numRuns: 200 * effort },
    );
    expect(corrupted).toBeGreaterThan(100);
    expect(harmless).toBeGreaterThan(20);
  });
});
