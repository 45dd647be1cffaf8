/**
 * The scopes that are explored. Replicas are a, b and c. Of these, a and b stand for election; c only where it comes back with
 * an empty disk, to be let in again.
 */

import type { Scope } from './scope.js';

const base = {
  network: 'ordered',
  beginning: 'led',
  proposals: 1,
  timeouts: [0, 1, 0],
  breaks: 0,
  crashes: 0,
  mayCrash: [],
} as const;

/** c has lost its patience with a, so that b is elected; but a does not know, and both propose. */
const elected: readonly string[] = [
  'c hears nothing for an election timeout, and cannot stand',
  'b loses patience',
  'c <- b status-query round 1',
  'b <- c status-reply round 1: promised 1.1, chosen 0, hears no primary',
  'b has 1 more on its disk',
  'c <- b prepare 2.2 from 1',
  'c has 1 more on its disk',
  'b <- c promised 2.2: 0 entries, chosen 0',
];

/** a has two decrees on their way when c agrees that b may ask for promises. */
const succeeded: readonly string[] = [
  'a is given decree 1',
  'a is given decree 2',
  'a has 2 more on its disk',
  'c hears nothing for an election timeout, and cannot stand',
  'b loses patience',
  'c <- b status-query round 1',
  'b <- c status-reply round 1: promised 1.1, chosen 0, hears no primary',
  'b has 1 more on its disk',
];

/** Decree 1 of a is on its disk and on its way to c, when decree 2 of b is chosen for the same slot by b and c. */
const overtaken: readonly string[] = [
  ...elected,
  'a is given decree 1',
  'a has 1 more on its disk',
  'b is given decree 2',
  'b has 1 more on its disk',
  'c <- b heartbeat 2.2 round 0: chosen 0',
  'c <- b accept 2.2: slot 1 #2, chosen 0',
  'c has 1 more on its disk',
];

/** `npm run explore` goes through them; to the end, except where a scope says how far. */
export const scopes: readonly Scope[] = [
  {
    ...base,
    name: 'election',
    about: 'from the start: a and b stand for election, and who wins gets a decree',
    beginning: 'idle',
    timeouts: [1, 1, 0],
  },
  {
    ...base,
    name: 'succession',
    about: 'a leads and gets a decree, b takes over',
    silences: [0, 0, 1],
  },
  {
    ...base,
    name: 'rivals',
    about: 'a and b both take themselves for primary, and get two decrees between them',
    opening: elected,
    proposals: 2,
    silences: [0, 0, 1],
  },
  {
    ...base,
    name: 'three-slots',
    about: 'the same with three decrees in up to three slots',
    opening: elected,
    proposals: 3,
    silences: [0, 0, 1],
  },
  {
    ...base,
    name: 'pipeline',
    about: 'two decrees of a are under way, in two slots, while b takes over',
    opening: succeeded,
    proposals: 2,
    silences: [0, 0, 1],
  },
  {
    ...base,
    name: 'comeback',
    about: 'the decree of b is chosen over that of a, and a takes over again',
    opening: overtaken,
    proposals: 2,
    timeouts: [2, 1, 0],
    silences: [0, 0, 2],
  },
  {
    ...base,
    name: 'crash',
    about: 'one replica crashes, whichever, with every prefix of what it wrote; b may take over',
    crashes: 1,
    mayCrash: [0, 1, 2],
  },
  {
    ...base,
    name: 'break',
    about: 'one link breaks, whichever; b may take over',
    breaks: 1,
  },
  {
    ...base,
    name: 'disorder',
    about:
      'messages arrive in any order, any number of times, or never; the decree of b is chosen over that of a',
    network: 'unordered',
    opening: overtaken,
    proposals: 2,
    silences: [0, 0, 1],
    statesMax: 2_000_000,
  },
  {
    ...base,
    name: 'readmission',
    about: 'c is back with an empty disk and is let in again; b may take over meanwhile',
    isWiped: true,
    timeouts: [0, 1, 1],
  },
  {
    ...base,
    name: 'lost-disk',
    about: 'c loses its disk, at any time, and is let in again',
    timeouts: [0, 0, 1],
    wipes: 1,
    mayLose: [2],
  },
];

/** For each change: within a minute. */
export const quick: readonly Scope[] = [
  {
    ...base,
    name: 'quick-pipeline',
    about: 'a leads and gets two decrees; b asks around',
    proposals: 2,
  },
  {
    ...base,
    name: 'quick-overtaken',
    about: 'the decree of b is chosen over that of a, and a link breaks',
    opening: overtaken,
    proposals: 2,
    silences: [0, 0, 1],
    breaks: 1,
  },
  {
    ...base,
    name: 'quick-break',
    about: 'a leads and gets a decree, one link breaks',
    timeouts: [0, 0, 0],
    breaks: 1,
  },
  {
    ...base,
    name: 'quick-crash',
    about: 'a crashes with a decree on its way, b takes over',
    crashes: 1,
    mayCrash: [0],
  },
  {
    ...base,
    name: 'quick-disorder',
    about: 'messages in any order, and a second candidate that is denied',
    network: 'unordered',
  },
  {
    ...base,
    name: 'quick-readmission',
    about: 'c is back with an empty disk and is let in again',
    isWiped: true,
    timeouts: [0, 0, 1],
  },
];
