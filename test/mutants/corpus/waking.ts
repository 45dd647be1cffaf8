/** What is put off for the sake of speed: it must come all the same, and nobody who waits may be made to wait for it. */

import type { Mutant } from '../mutant.js';

const WAKE = 'engine/delivery-wake.ts';
const wake = { check: 'unit', file: 'test/engine/delivery-wake.test.ts' } as const;
const PACE = 'engine/catch-up-pace.ts';
const pace = { check: 'unit', file: 'test/engine/catch-up-pace.test.ts' } as const;
const later = { check: 'unit', file: 'test/engine/later-step.test.ts' } as const;

export const waking: readonly Mutant[] = [
  {
    name: 'read-waits-for-the-wake-of-others',
    fault: 'execution',
    mimics: 'a wake-up that is put off for everybody, also for who waits for it',
    edits: [
      {
        file: WAKE,
        find: "return bridge.readSlot('read') <= applied && bridge.readSlot('lease-read') <= applied;",
        put: 'return applied >= 0;',
      },
    ],
    killedBy: [wake],
  },
  {
    name: 'application-not-woken-after-the-last-decree',
    fault: 'execution',
    mimics: 'what is chosen last is not executed before something else happens',
    edits: [{ file: WAKE, find: 'this.#options.later(GATHER_MS, this.#onTimer);', put: '' }],
    killedBy: [wake],
  },
  {
    name: 'step-lost-to-the-timer-of-the-one-before',
    fault: 'execution',
    mimics: 'a timer is kept for a later deadline, and not set again when it comes too early for that',
    edits: [
      {
        file: 'engine/later-step.ts',
        find: 'if (leftMs > 0) this.#time(Math.max(leftMs, LEFT_MS_MIN));\n    else this.#options.onDue();',
        put: 'if (leftMs <= 0) this.#options.onDue();',
      },
    ],
    killedBy: [later],
  },
  {
    name: 'rests-and-stays-behind',
    fault: 'execution',
    mimics: 'catching up is throttled below the rate at which others go on, and never ends',
    edits: [
      {
        file: PACE,
        find: 'if (restMs <= 0 || isIdle || executed + lossMax < GAIN_MIN * chosenMeanwhile) return;',
        put: 'if (restMs <= 0 || isIdle) return;',
      },
    ],
    killedBy: [pace],
  },
  {
    name: 'rests-where-it-leads',
    fault: 'execution',
    mimics: 'a background throttle that goes on where everybody waits for the work',
    edits: [
      {
        file: PACE,
        find: "return primary === 0 || role === 'primary' || role === 'preparing' || role === 'candidate';",
        put: 'return primary === 0;',
      },
    ],
    killedBy: [pace],
  },
  {
    name: 'fetch-held-for-ever',
    fault: 'execution',
    mimics: 'a request that waits for room waits longer than whoever is to answer it is waited for',
    edits: [
      {
        file: PACE,
        find: '(this.#mayAsk || this.#now >= held.until)',
        put: 'this.#mayAsk',
      },
    ],
    killedBy: [pace],
  },
  {
    name: 'orders-taken-in-the-middle-of-a-turn',
    fault: 'execution',
    mimics: 'a message loop that is entered again from within: it closes what the caller goes on with',
    edits: [
      {
        file: 'engine/mailbox.ts',
        find: 'this.#waiting = this.#waiting.filter((message) => !isOfMemory(message));',
        put: 'for (const message of this.#waiting.splice(0)) if (!isOfMemory(message)) take(message);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/mailbox.test.ts' }],
  },
];
