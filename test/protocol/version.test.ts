/** A version of the protocol comes into force by a decree (rule 11), once all members speak it, and is never lowered. */

import { describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/protocol/configuration.js';
import {
  genesisConfiguration,
  keepsVersion,
  raiseVersion,
  readmit,
  reconfigure,
  sameConfiguration,
  versionOf,
} from '../../src/protocol/configuration.js';
import { b, configurationDecree, configurationOf, incarnationOf, Scene } from './harness.js';

const outsider = 65_540;
const PATIENCE_MS = 3000;

/** a, of a build that speaks up to 3, is primary; b and c said that they speak up to these versions. */
function primary(second: number, third: number, configuration: Configuration = configurationOf(3)): Scene {
  const scene = new Scene({ configuration, options: { versionMax: 3 }, linked: [] });
  scene.feed({ kind: 'peer-up', peer: 2, versionMax: second });
  scene.feed({ kind: 'peer-up', peer: 3, versionMax: third });
  return scene.toPrimary();
}

const raise = (version = 0, request = 1) => ({ kind: 'change', change: { request, version } }) as const;

const answers = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith('change'));

function choose(scene: Scene): string[] {
  const ballot = scene.replica.ballot;
  scene.durable();
  return scene.receive(2, { kind: 'accepted', ballot, from: 1, through: scene.replica.chosen + 1 });
}

const inForce = (scene: Scene): number => versionOf(scene.replica.configuration!);

describe('a raise of the version', () => {
  it('is one configuration decree, with the same members, and in force once it is chosen', () => {
    const scene = primary(3, 2);
    expect(scene.feed(raise())).toEqual([
      'append 2: accept 1.1 slot 1 configuration 2',
      'send 2: accept 1.1: slot 1 configuration 2, chosen 0',
    ]);
    expect(inForce(scene)).toBe(1);
    expect(scene.replica.canPropose).toBe(false);
    expect(answers(choose(scene))).toEqual(['change 1: configuration 2']);
    expect(scene.replica.configuration).toEqual({ ...configurationOf(3), number: 2, version: 2 });
  });

  it('goes as far as it is asked to, and no further', () => {
    const scene = primary(3, 3);
    scene.feed(raise(2));
    choose(scene);
    expect(inForce(scene)).toBe(2);
  });

  it('is refused where a member does not speak it, and names those', () => {
    expect(answers(primary(3, 2).feed(raise(3)))).toEqual(['change 1: version c']);
    expect(answers(primary(1, 2).feed(raise(2)))).toEqual(['change 1: version b']);
    expect(answers(primary(3, 3).feed(raise(4)))).toEqual(['change 1: version a b c']);
  });

  it('is nothing to do where it is in force, and is refused where a higher one is', () => {
    const scene = primary(3, 3, { ...configurationOf(3), version: 2 });
    expect(scene.feed(raise(2))).toEqual(['change 1: configuration 1']);
    expect(scene.feed(raise(1, 2))).toEqual(['change 2: version']);
    expect(answers(primary(1, 1).feed(raise()))).toEqual(['change 1: configuration 1']);
  });

  it('waits for members that are not linked, and gives up with their names', () => {
    const scene = primary(2, 2);
    scene.feed({ kind: 'peer-down', peer: 3 });
    expect(scene.feed(raise())).toEqual([]);
    for (let passed = 0; passed <= PATIENCE_MS / 2; passed += 20) {
      scene.receive(2, {
        ...{ kind: 'heartbeat-reply', ballot: b(1, 1), round: scene.replica.lastProposed },
        ...{ from: 1, through: 0, chosen: 0, standing: 0 },
      });
      expect(answers(scene.wait(20))).toEqual([]);
    }
    expect(scene.feed({ kind: 'peer-up', peer: 3, versionMax: 2 })).toContain(
      'append 2: accept 1.1 slot 1 configuration 2',
    );
  });

  it('asks the link that stands: whoever came back with an older build is not taken for the one before', () => {
    const scene = primary(2, 2);
    scene.feed({ kind: 'peer-down', peer: 3 });
    scene.feed({ kind: 'peer-up', peer: 3 });
    expect(answers(scene.feed(raise(2)))).toEqual(['change 1: version c']);
  });

  it('is one of the changes of which there is one at a time, and on the primary alone', () => {
    const scene = primary(2, 2);
    scene.feed(raise());
    expect(answers(scene.feed(raise(0, 2)))).toEqual(['change 2: in-flight']);
    const secondary = new Scene({ options: { versionMax: 2 } }).toSecondaryOf(2);
    expect(answers(secondary.feed(raise()))).toEqual(['change 1: not-primary']);
  });

  it('keeps the cookie of the member set', () => {
    const current = { ...configurationOf(3), cookie: 'eA==' };
    expect(raiseVersion(current, 2)).toEqual({ ...current, number: 2, version: 2 });
  });
});

describe('the version in force', () => {
  const current = { ...configurationOf(3), version: 2 };

  it('stays as it is through changes of members and new disks', () => {
    const wanted = ['a', 'b', 'd'].map((id) => ({
      ...{ id, address: `${id}:1`, incarnation: incarnationOf(id), former: 0 },
    }));
    expect(versionOf(reconfigure(current, wanted, ''))).toBe(2);
    expect(versionOf(readmit(current, 'c', incarnationOf('c', 2)))).toBe(2);
    expect(keepsVersion(current, configurationOf(3))).toBe(false);
    expect(keepsVersion(configurationOf(3), current)).toBe(true);
  });

  it('is 1 at first, where nothing else is said, and tells configurations apart', () => {
    expect(versionOf(configurationOf(3))).toBe(1);
    expect(genesisConfiguration([{ id: 'a', incarnation: incarnationOf('a') }], 2).version).toBe(2);
    expect(sameConfiguration(configurationOf(3), current)).toBe(false);
    expect(sameConfiguration(configurationOf(3), { ...configurationOf(3), version: 1 })).toBe(true);
  });

  it('is nothing that a peer may lower', () => {
    const scene = new Scene({ configuration: current, options: { versionMax: 2 } }).toSecondaryOf(2);
    const lower = { ...configurationOf(3), number: 2 };
    const accept = { kind: 'accept', ballot: b(1, 2), slot: 1, chosen: 0 } as const;
    expect(() => scene.receive(2, { ...accept, decree: configurationDecree(lower) })).toThrow(
      'version-never-lowered',
    );
  });

  it('must be spoken by who is let in, with a new disk or as a newcomer', () => {
    for (const versionMax of [1, 2]) {
      const scene = primary(2, 2, current);
      scene.feed({ kind: 'peer-down', peer: 3 });
      scene.feed({ kind: 'peer-up', peer: outsider, versionMax });
      const join = { kind: 'join', chosen: 0, former: 0 } as const;
      const lines = scene.receive(outsider, { ...join, id: 'c', incarnation: incarnationOf('c', 2) }, 1);
      expect(lines.some((line) => line.includes('configuration 2'))).toBe(versionMax === 2);
      const other = primary(2, 2, current);
      other.feed({ kind: 'peer-up', peer: outsider, versionMax });
      other.receive(outsider, { ...join, id: 'd', incarnation: incarnationOf('d') }, 1);
      const members = ['a', 'b', 'c', 'd'].map((id) => ({ id, address: `${id}:1` }));
      const change = { request: 1, members, cookie: '', force: false, ifNumber: 0 };
      const asked = other.feed({ kind: 'change', change });
      expect(asked.some((line) => line.includes('configuration 2'))).toBe(versionMax === 2);
    }
  });
});
