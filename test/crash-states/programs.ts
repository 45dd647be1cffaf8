/** Programs for a log: all short ones, and random longer ones. */

import { Random } from '../properties/random.js';
import type { Explorer } from './explorer.js';
import { shapes } from './session.js';
import type { World } from './world.js';

/** A step; false where it would change nothing, so that a shorter program is the same. */
type Step = (world: World, explorer: Explorer) => boolean;

const accept =
  (size: 'smallBytes' | 'largeBytes'): Step =>
  (world) => {
    world.session.choose();
    return world.session.accept(shapes[world.options.kind][size]);
  };

/**
 * The alphabet of the exhaustive programs. Segments are made ahead at once, so that a program need not say when. `step` ends
 * the oldest write or sync that is under way.
 */
export const alphabet: Readonly<Record<string, Step>> = {
  small: accept('smallBytes'),
  large: accept('largeBytes'),
  flush: (world) => world.session.flush(),
  step: (world) => world.system.queue.runOldest(true),
  roll: (world) => world.session.roll(),
  kill: (world) => {
    if (world.history.entries.at(-1)!.sequence === world.openedAt) return false;
    world.kill();
    return true;
  },
};

/** Steps of programs that are written by hand. */
const moreSteps: Readonly<Record<string, Step>> = {
  newest: (world) => world.system.queue.runNewest(true),
};

/** All programs of `length` steps and their beginnings, each looked at once. False where it was stopped. */
export function explorePrograms(explorer: Explorer, length: number, onProgress: () => boolean): boolean {
  const names = Object.keys(alphabet);
  const steps = Object.values(alphabet);
  const program = Array.from({ length }, () => 0);
  // Steps before this one are those of the program before, and were looked at with it.
  let common = -1;
  for (;;) {
    if (!onProgress()) return false;
    const world = begin(explorer, common < 0);
    let useless = -1;
    for (let index = 0; index < length && world.session.isOpen && !explorer.isFull; index += 1) {
      explorer.isActive = index >= common;
      explorer.program = program
        .slice(0, index + 1)
        .map((step) => names[step])
        .join(' ');
      const step = steps[program[index]!]!;
      const wasOfUse = world.run(() => {
        const result = step(world, explorer);
        if (result) world.session.settleBackground();
        return result;
      });
      if (!wasOfUse) {
        useless = index;
        break;
      }
      if (explorer.isActive) explorer.counts.programs += 1;
    }
    if (explorer.isFull) return true;
    let at = useless < 0 ? length - 1 : useless;
    while (at >= 0 && program[at] === steps.length - 1) at -= 1;
    if (at < 0) return true;
    program[at]! += 1;
    program.fill(0, at + 1);
    common = at;
  }
}

/** One program, all of whose points are looked at. Throws where a step is not known. */
export function exploreProgram(explorer: Explorer, program: readonly string[]): void {
  const steps = program.map((name) => {
    const step = alphabet[name] ?? moreSteps[name];
    if (step === undefined) {
      const names = [...Object.keys(alphabet), ...Object.keys(moreSteps)];
      throw new RangeError(`no step ${name}: ${names.join(', ')}`);
    }
    return step;
  });
  const world = begin(explorer, true);
  for (const [index, step] of steps.entries()) {
    if (!world.session.isOpen) return;
    explorer.program = program.slice(0, index + 1).join(' ');
    world.run(() => {
      step(world, explorer);
      world.session.settleBackground();
    });
  }
  explorer.counts.programs += 1;
}

function begin(explorer: Explorer, isActive: boolean): World {
  explorer.isActive = isActive;
  explorer.program = '';
  const world = explorer.makeWorld();
  world.open();
  return world;
}

const again: Step = (world) => {
  const { history, session } = world;
  // Under a higher ballot, what is not chosen may be proposed anew.
  if (history.nextSlot <= history.chosenMax + 1) return false;
  history.ballot += 65_536;
  return session.accept(shapes[world.options.kind].smallBytes, history.nextSlot - 1);
};

const randomSteps: readonly { readonly name: string; readonly weight: number; readonly step: Step }[] = [
  { name: 'small', weight: 6, step: alphabet.small! },
  { name: 'large', weight: 3, step: alphabet.large! },
  {
    name: 'any',
    weight: 3,
    step: (world, { random }) =>
      world.session.accept(random.below(3 * shapes[world.options.kind].blockBytes)),
  },
  { name: 'again', weight: 1, step: again },
  { name: 'learn', weight: 1, step: (world) => world.session.learn(shapes[world.options.kind].smallBytes) },
  { name: 'promise', weight: 1, step: (world) => world.session.promise() },
  { name: 'jump', weight: 1, step: (world, { random }) => world.session.jump(1 + random.below(4)) },
  { name: 'list', weight: 1, step: (world, { random }) => world.session.list(1 + random.below(200)) },
  { name: 'mark', weight: 1, step: (world) => world.session.mark() },
  { name: 'abandon', weight: 1, step: (world, { random }) => world.session.abandon(1 + random.below(300)) },
  { name: 'flush', weight: 6, step: alphabet.flush! },
  {
    name: 'end',
    weight: 10,
    step: ({ system: { queue } }, { random }) => {
      if (queue.length === 0) return false;
      queue.runAt(random.below(queue.length));
      return true;
    },
  },
  {
    name: 'settle',
    weight: 2,
    step: (world) => {
      world.system.queue.runAll();
      world.session.release();
      return true;
    },
  },
  { name: 'roll', weight: 1, step: alphabet.roll! },
  { name: 'kill', weight: 1, step: alphabet.kill! },
  { name: 'cut', weight: 1, step: () => true },
];

const weights = randomSteps.reduce((sum, { weight }) => sum + weight, 0);

/** One random program of `length` steps, the same for the same seed. */
export function exploreRandom(explorer: Explorer, seed: number, length: number): void {
  explorer.random = new Random(seed);
  const { random } = explorer;
  let world = begin(explorer, true);
  const names: string[] = [];
  for (let count = 0; count < length && world.session.isOpen && !explorer.isFull; count += 1) {
    let draw = random.below(weights);
    const choice = randomSteps.find(({ weight }) => {
      draw -= weight;
      return draw < 0;
    })!;
    names.push(choice.name);
    explorer.program = `seed ${seed}: ${names.join(' ')}`;
    if (choice.name === 'cut') {
      const next = explorer.cutPower(world);
      if (next === null) break;
      world = next;
      world.open();
    } else world.run(() => choice.step(world, explorer));
  }
  explorer.counts.programs += 1;
}
