/** Commands: each once, in order, and its result to its caller; and the memory that application and engine share. */

import type { Mutant } from '../mutant.js';

const SESSIONS = 'protocol/sessions.ts';
const GRANTS = 'engine/grants.ts';
const EXECUTOR = 'application/executor.ts';
const COMMANDS = 'application/command-writer.ts';
const fenced = (name: string) => ({ check: 'unit', file: 'test/application/fenced.test.ts', name }) as const;

export const execution: readonly Mutant[] = [
  {
    name: 'executed-again-after-the-primary-changed',
    fault: 'execution',
    mimics: 'RedisLabs/raft#49: a command that is sent again is executed again',
    edits: [
      {
        file: SESSIONS,
        find: 'if (session < known.session || first !== known.next) return false;',
        put: 'if (session < known.session || first > known.next) return false;',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'unit', file: 'test/application/executor.test.ts' },
    ],
  },
  {
    name: 'executed-before-what-came-before-it',
    fault: 'execution',
    mimics: 'atomix#341: a session goes on behind a command that is missing',
    edits: [
      {
        file: SESSIONS,
        find: 'if (session < known.session || first !== known.next) return false;',
        put: 'if (session < known.session || first < known.next) return false;',
      },
      { file: SESSIONS, find: 'known.next += count;', put: 'known.next = first + count;' },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/executor.test.ts' }],
  },
  {
    name: 'session-of-a-former-life-goes-on',
    fault: 'execution',
    mimics: 'atomix#417: sessions of a former life are mixed with those of the present one',
    edits: [
      {
        file: SESSIONS,
        find: 'if (known === undefined || session > known.session) {',
        put: 'if (known === undefined || session !== known.session) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/executor.test.ts' }],
  },
  {
    name: 'result-of-a-batch-in-the-order-of-arrival',
    fault: 'execution',
    mimics: 'ra#610: who waits gets the answer to another command',
    edits: [
      {
        file: 'application/batch.ts',
        find: 'this.#results[sequence - this.#first] = result;',
        put: 'this.#results[this.#results.length - this.#left - 1 + 0 * (sequence - this.#first)] = result;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/batch.test.ts' }],
  },
  {
    name: 'batch-of-many-counts-as-one-command',
    fault: 'execution',
    mimics: 'RedisLabs/raft#49: a command that is sent again is executed again',
    edits: [{ file: COMMANDS, find: 'this.#nextSequence += taken;', put: 'this.#nextSequence += 1;' }],
    killedBy: [{ check: 'unit', file: 'test/application/batch.test.ts' }],
  },
  {
    name: 'result-goes-to-the-wrong-caller',
    fault: 'execution',
    mimics: 'ra#610: who waits gets the answer to another command',
    edits: [
      {
        file: EXECUTOR,
        find: 'const isOwn = origin === bridge.self && session === bridge.session;',
        put: 'const isOwn = origin === bridge.self;',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 200 },
      { check: 'unit', file: 'test/application/executor.test.ts' },
    ],
  },
  {
    name: 'callers-without-a-result-wait-for-ever',
    fault: 'execution',
    mimics: 'openraft 1d5cc706: a caller hangs where its answer was dropped',
    edits: [{ file: EXECUTOR, find: 'if (bridge.resolved > before) settle(bridge.resolved);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/application/executor.test.ts' }],
  },
  {
    name: 'handed-over-before-it-is-chosen',
    fault: 'execution',
    mimics: 'CorfuDB#2470: what is not committed is visible',
    edits: [
      {
        file: 'engine/engine.ts',
        find: 'deliveries.advance(core.chosen)',
        put: 'deliveries.advance(this.#pieces.reader.find(core.chosen + 1) === null ? core.chosen : core.chosen + 1)',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 50 }],
  },
  {
    name: 'window-of-deliveries-has-no-bound',
    fault: 'back-pressure',
    mimics: 'ra#612: what a slow consumer has not taken piles up',
    edits: [
      {
        file: 'engine/deliveries.ts',
        find: '(this.#openBytes < windowBytes || this.#open.length === 0)',
        put: '(this.#openBytes >= 0 || this.#open.length === 0)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/deliveries.test.ts' }],
  },
  {
    name: 'not-sent-again-to-the-next-primary',
    fault: 'execution',
    mimics: 'ra#612: commands are dropped while leadership moves',
    edits: [
      {
        file: 'engine/submitter.ts',
        find: 'restart(): void {\n    this.#submitted = 0;',
        put: 'restart(): void {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/submitter.test.ts' }],
  },
  {
    name: 'batch-released-before-it-is-executed',
    fault: 'memory',
    mimics: 'memory of an operation in flight is used again',
    edits: [
      { file: GRANTS, find: 'if (last > resolved) break;', put: 'if (batch.first > resolved + 1) break;' },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/interleavings.test.ts' }],
  },
  {
    name: 'grant-closed-after-the-blocks-were-read',
    fault: 'memory',
    mimics: 'a race between giving memory back and writing to it',
    edits: [
      {
        file: GRANTS,
        find: 'if (!this.#open) return true;\n    this.#bridge.closeGrant();',
        put: 'if (!this.#open) return true;',
      },
      {
        file: GRANTS,
        find: '    this.#open = false;\n    this.#log.lentEnd = 0;\n    return true;',
        put: '    this.#bridge.closeGrant();\n    this.#open = false;\n    this.#log.lentEnd = 0;\n    return true;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/interleavings.test.ts' }],
  },
  {
    name: 'grant-stays-open-when-it-is-revoked',
    fault: 'memory',
    mimics: 'NuRaft#215: two threads take the same place for theirs',
    edits: [
      {
        file: GRANTS,
        find: 'if (!this.#open) return;\n    this.#bridge.closeGrant();',
        put: 'if (!this.#open) return;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/interleavings.test.ts' }],
  },
  {
    name: 'memory-of-a-revoked-burst-given-away',
    fault: 'memory',
    mimics: 'a buffer is used again while its owner still copies from it',
    edits: [{ file: GRANTS, find: 'for (const { segment } of this.#revoked) used.add(segment);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/submitter.test.ts' }],
  },
  {
    name: 'memory-claimed-after-the-grant-was-read',
    fault: 'memory',
    mimics: 'a check before the claim that makes it valid',
    edits: [
      {
        file: COMMANDS,
        find: 'if (batch === null || bridge.blockState(index) !== BlockState.writing)',
        put: 'if (batch === null)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/interleavings.test.ts' }],
  },
  {
    name: 'fault-told-before-anybody-can-listen',
    fault: 'execution',
    mimics: 'an event that comes once, and before whoever opened its source has it: nobody ever hears of it',
    edits: [
      {
        file: 'replica.ts',
        find: "tellLatecomers(this as EventEmitter, 'fenced', fault);",
        put: 'void tellLatecomers;',
      },
    ],
    killedBy: [fenced('engine inline.*those that come late')],
  },
  {
    name: 'listener-that-throws-is-the-last-to-hear',
    fault: 'execution',
    mimics: 'Node emits to listeners in a loop without a guard: what one throws keeps the next from hearing',
    edits: [
      {
        file: 'application/listeners.ts',
        find: 'for (const listener of emitter.rawListeners(name)) tell(emitter, listener, argument);',
        put: 'throwingLater((one: unknown) => void emitter.emit(name, one))(argument);',
      },
    ],
    killedBy: [fenced('engine inline.*whatever another one throws')],
  },
  {
    name: 'reply-that-comes-late-goes-to-the-next-command',
    fault: 'execution',
    mimics: 'ra#610: who waits gets the answer to another command',
    edits: [
      {
        file: 'application/decree-view.ts',
        find: 'if (this.slot === slot) this.reply(index, result);',
        put: 'if (slot > 0) this.reply(index, result);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/executor.test.ts', name: 'was kept' }],
  },
  {
    name: 'promise-of-a-read-that-throws-fences',
    fault: 'reads',
    mimics: 'a thenable is called outside of the guard around what made it: a bad query ends the server',
    edits: [
      {
        file: 'application/reads.ts',
        find: '        answer.then(resolve, reject);\n        return;\n      }\n    } catch (error) {\n      reject(error);\n      return;\n    }\n    resolve(answer);',
        put: '      }\n    } catch (error) {\n      reject(error);\n      return;\n    }\n    if (isPromise(answer)) answer.then(resolve, reject);\n    else resolve(answer);',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/application/reads.test.ts', name: 'engine inline.*promise that throws' },
    ],
  },
  {
    name: 'commands-executed-when-they-like',
    fault: 'execution',
    mimics:
      'an asynchronous handler is taken for a synchronous one: what stands behind its first wait is in no order',
    edits: [
      {
        file: 'application/executor.ts',
        find: "if (typeof then !== 'function') return;",
        put: 'if (then !== null) return;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/executor.test.ts' }],
  },
];
