/**
 * A member knows more to be chosen than the next primary does, hears of that one's ballot by nothing but accepts for these slots, learns from others what was
 * decided under it, and is started again: whatever it knows must not rest on a promise that no record tells of (docs/protocol.md, rule 7).
 */

import type { Node } from './node.js';
import { Plot } from './plot.js';

export class Unrecorded extends Plot {
  readonly name = 'unrecorded';

  begin(): number {
    const world = this.world;
    const { random, members } = world;
    const first = members.find((node) => node.isPrimary);
    if (first === undefined || members.length < 3) return 0;
    const [ahead, second, ...others] = random.shuffled(members.filter((node) => node !== first));
    world.endStalls();
    world.plan(0, () => world.propose(first));
    // By then they have accepted, and have not been told that it is chosen.
    world.plan(random.between(4, 16), () => {
      for (const line of world.lines) if (line.from === first && line.to !== ahead) line.isStalled = true;
    });
    world.plan(random.between(30, 60), () => {
      if (first.replica !== null) first.crash();
      world.endStalls();
      if (random.chance(0.8)) world.restart(first);
      world.setCut(ahead!, second!, true);
      world.promote(second!);
      this.#succeed(ahead!, second!, [first, ...others]);
    });
    return 600;
  }

  #succeed(ahead: Node, second: Node, others: readonly Node[]): void {
    const world = this.world;
    const { random } = world;
    const ballotOf = (): number => second.replica?.promised ?? 0;
    const isPreparing = (): boolean => second.replica?.role === 'preparing';
    const havePromised = (): boolean =>
      isPreparing() && others.some(({ disk }) => disk.promisedDurable >= ballotOf());
    // The slots stay open until the one that knows them to be chosen gets them, too.
    world.when(300, havePromised, () => {
      const stick = random.chance(0.8);
      world.when(
        20,
        () => second.isPrimary,
        () => {
          for (const node of others) node.isDiskStuck = stick;
          world.setCut(ahead, second, false);
        },
      );
    });
    const hasFollowed = (): boolean => second.isPrimary && (ahead.replica?.promised ?? 0) >= ballotOf();
    world.when(400, hasFollowed, () => {
      world.setCut(ahead, second, true);
      for (const node of others) node.isDiskStuck = false;
      const before = ahead.replica!.configuration!.number;
      const staying = [second, ...others].filter(() => random.chance(0.5));
      world.plan(random.between(0, 10), () => world.change(second, [ahead, ...staying], true));
      const knows = (): boolean => (ahead.replica?.configuration?.number ?? 0) > before;
      world.when(500, knows, () => world.plan(random.between(0, 20), () => world.restart(ahead)));
    });
    world.plan(500, () => {
      for (const node of others) node.isDiskStuck = false;
      world.setCut(ahead, second, false);
    });
  }
}
