/**
 * Answers that come when their question is over: a replica asks for promises, or for votes, and gets none; another one is elected and decides; it stands again,
 * and only now the first answers arrive (docs/protocol.md, rules 3 and 4).
 */

import { Plot } from './plot.js';

export class Answers extends Plot {
  readonly name = 'answers';

  begin(): number {
    const world = this.world;
    const { random, members } = world;
    if (members.length < 3) return 0;
    const [asks, second, ...others] = random.shuffled(members);
    const stall = (from: typeof others, to: typeof others, isStalled: boolean): void => {
      for (const line of world.lines)
        if (from.includes(line.from) && to.includes(line.to)) line.isStalled = isStalled;
    };
    world.endStalls();
    stall(others, [asks!], true);
    stall([asks!], [second!], true);
    if (asks!.isPrimary) world.propose(asks!);
    else world.promote(asks!);
    world.plan(random.between(10, 25), () => world.promote(second!));
    const hasYielded = (): boolean => {
      const role = second!.replica?.role;
      return (
        (role === 'preparing' || role === 'primary') &&
        (asks!.replica?.promised ?? 0) >= second!.replica!.promised
      );
    };
    world.when(150, hasYielded, () => {
      if (random.chance(0.8)) stall([second!], [asks!], true);
      world.when(
        100,
        () => second!.isPrimary,
        () => {
          world.propose(second!);
          world.plan(random.between(15, 40), () => {
            if (random.chance(0.6)) stall([asks!], others, true);
            world.promote(asks!);
          });
          world.plan(random.between(25, 60), () => {
            stall(
              others.filter(() => random.chance(0.6)),
              [asks!],
              false,
            );
          });
          world.plan(random.between(60, 100), () => stall(others, [asks!], false));
        },
      );
    });
    for (const afterMs of [120, 160, 200])
      world.plan(random.between(afterMs - 30, afterMs), () => {
        for (const primary of world.primaries) world.propose(primary);
      });
    world.plan(240, () => world.endStalls());
    return 250;
  }
}
