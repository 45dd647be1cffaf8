/**
 * Newcomers are put in the place of most members, while one that stays is cut off and holds acceptances from behind the change. Then those who left are
 * switched off, the newcomers decide something, and the one that stayed votes for whoever leads next (docs/protocol.md, rule 7).
 */

import { Plot } from './plot.js';

export class Newcomers extends Plot {
  readonly name = 'newcomers';

  begin(): number {
    const world = this.world;
    const { random, members } = world;
    const first = members.find((node) => node.isPrimary);
    const outsiders = world.running.filter((node) => !members.includes(node));
    if (first === undefined || members.length < 3 || outsiders.length === 0) return 0;
    const kept = random.pick(members.filter((node) => node !== first));
    const others = members.filter((node) => node !== first && node !== kept);
    const second = random.pick(others);
    world.endStalls();
    // What the first one proposes reaches only who stays, and its own disk perhaps.
    world.stallBetween((node) => node === first || node === kept);
    first.isDiskStuck = random.chance(0.6);
    for (const afterMs of [5, 15]) world.plan(random.between(0, afterMs), () => world.propose(first));
    world.plan(random.between(25, 50), () => {
      first.isDiskStuck = false;
      if (first.replica !== null) first.crash();
      world.cutOff(kept);
      world.endStalls();
      if (random.chance(0.7)) world.restart(first);
    });
    world.plan(60, () => world.promote(second));
    const stay = random.chance(0.3) ? [random.pick(others)] : [];
    for (let afterMs = 110; afterMs < 450; afterMs += 40)
      world.plan(afterMs, () => {
        if (second.isPrimary) world.change(second, [kept, ...outsiders, ...stay], true);
      });
    world.plan(random.between(450, 520), () => {
      for (const node of [first, ...others])
        if (node.replica !== null && !stay.includes(node) && random.chance(0.9)) node.crash();
    });
    world.plan(530, () => world.promote(random.pick(outsiders)));
    for (const afterMs of [570, 600, 720, 760])
      world.plan(afterMs, () => {
        for (const primary of world.primaries) world.propose(primary);
      });
    world.plan(random.between(600, 660), () => {
      world.rejoin(kept);
      const leader = outsiders.find((node) => node.isPrimary);
      if (leader !== undefined && random.chance(0.7)) leader.crash();
      world.promote(random.pick([kept, ...outsiders]));
    });
    return 780;
  }
}
