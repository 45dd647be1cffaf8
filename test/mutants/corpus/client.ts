/** Clients: each call is executed at most once and has its own answer (docs/client-protocol.md). */

import type { Mutant } from '../mutant.js';

const LINK = 'client/link.ts';
const SESSION = 'client/session.ts';
const SERVICE = 'client/service.ts';
const client = { check: 'unit', file: 'test/client/client.test.ts' } as const;
const frames = { check: 'unit', file: 'test/client/frames.test.ts' } as const;
const kept = (name: string) => ({ check: 'unit', file: 'test/fuzz/fuzz.test.ts', name }) as const;

export const clients: readonly Mutant[] = [
  {
    name: 'answer-given-to-whoever-waits-longest',
    fault: 'execution',
    mimics: 'clients with pipelines: after an answer that was lost, each call gets that of the call before',
    edits: [
      {
        file: LINK,
        find: 'if (request === undefined || request.next !== frame.first)',
        put: 'if (request === undefined)',
      },
      { file: LINK, find: 'if (frame.first <= this.#acknowledged) return;', put: '' },
    ],
    killedBy: [kept('client-link')],
  },
  {
    name: 'sent-again-to-a-process-that-never-knew-the-session',
    fault: 'execution',
    mimics: 'clients that try again after an unknown outcome: the command is executed twice',
    edits: [
      {
        file: LINK,
        find: 'if (this.#life !== null && !(isResumed && welcome.life === this.#life)) {',
        put: 'if (this.#life === null && isResumed) {',
      },
    ],
    killedBy: [client],
  },
  {
    name: 'lost-calls-given-to-the-next-server',
    fault: 'execution',
    mimics:
      'Jepsen TigerBeetle: requests are tried again for ever, also where what became of them is unknown',
    edits: [
      {
        file: 'client/client.ts',
        find: '      request.reject(error);\n      this.#release(request);\n    }\n    this.#link = null;',
        put: '      this.#queue.unshift(request);\n    }\n    this.#link = null;',
      },
    ],
    killedBy: [client],
  },
  {
    name: 'command-that-comes-again-is-executed-again',
    fault: 'execution',
    mimics: 'atomix#341: a command that is sent again is executed again',
    edits: [{ file: SERVICE, find: 'if (!isNew) return null;', put: '' }],
    killedBy: [kept('client-service')],
  },
  {
    name: 'answers-leave-as-they-are-ready',
    fault: 'execution',
    mimics: 'pipelined answers out of the order of their requests',
    edits: [
      {
        file: SERVICE,
        find: '          session.answer(first, answer);\n          this.#deliver(session);',
        put: '          this.#attached.get(session)?.send(answer);',
      },
    ],
    killedBy: [client],
  },
  {
    name: 'session-resumed-though-answers-are-gone',
    fault: 'execution',
    mimics: 'a resumed session whose results were dropped: the client waits for ever',
    edits: [
      {
        file: SESSION,
        find: 'if (received < this.#forgotten || !this.acknowledge(received)) return false;',
        put: 'if (!this.acknowledge(received)) return false;',
      },
    ],
    killedBy: [frames],
  },
  {
    name: 'acknowledgement-of-what-was-not-sent-believed',
    fault: 'execution',
    mimics: 'openraft#1802: what a peer says is counted and not checked',
    edits: [{ file: SESSION, find: 'if (sequence > this.received) return false;\n', put: '' }],
    killedBy: [frames],
  },
  {
    name: 'call-that-was-sent-told-as-not-applied',
    fault: 'execution',
    mimics: 'indefinite results told as failures: the write is there afterwards',
    edits: [
      {
        file: 'client/client.ts',
        find: "request.reject(timedOut('unknown'));",
        put: "request.reject(timedOut('not-applied'));",
      },
    ],
    killedBy: [client],
  },
  {
    name: 'checksum-of-client-frames-not-checked',
    fault: 'links',
    mimics: 'Stone and Partridge 2000: TCP hands on what it did not notice was damaged',
    edits: [
      {
        file: 'client/format.ts',
        find: "throw new ClientFrameError('wrong checksum');",
        put: 'void 0;',
      },
    ],
    killedBy: [frames],
  },
  {
    name: 'client-frame-of-any-size-awaited',
    fault: 'back-pressure',
    mimics: 'a length field makes the server allocate',
    edits: [
      {
        file: 'client/format.ts',
        find: 'if (total < HEADER_BYTES || total > this.bytesMax)',
        put: 'if (total < HEADER_BYTES)',
      },
    ],
    killedBy: [frames],
  },
  {
    name: 'results-read-beyond-their-frame',
    fault: 'links',
    mimics: 'Heartbleed: a length inside a message is believed',
    edits: [
      {
        file: 'client/request.ts',
        find: "if (at !== bytes.length) throw new ClientFrameError('results that do not fill their frame');",
        put: '',
      },
      {
        file: 'client/request.ts',
        find: "if (at + LENGTH_BYTES > bytes.length) throw new ClientFrameError('results that are cut short');",
        put: 'if (at + LENGTH_BYTES > bytes.length) break;',
      },
    ],
    killedBy: [kept('client-link')],
  },
  {
    name: 'service-stops-where-onevent-throws',
    fault: 'execution',
    mimics:
      'a hook of the application throws between two steps, and the second is never made: the caller waits',
    edits: [
      {
        file: 'client/service-options.ts',
        find: 'onEvent: throwingLater(options.onEvent ?? (() => {})),',
        put: 'onEvent: options.onEvent ?? throwingLater(() => {}),',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/client/results.test.ts', name: 'also where onEvent throws' }],
  },
  {
    name: 'heartbeats-pile-up-for-who-does-not-read',
    fault: 'back-pressure',
    mimics:
      'what is sent by a clock, and not in answer to anything, is written without a look at what was read',
    edits: [
      {
        file: SERVICE,
        find: 'connection.session !== null && !connection.isCongested',
        put: 'connection.session !== null',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/client/slow-reader.test.ts', name: 'piles up' }],
  },
  {
    name: 'batch-that-cannot-be-copied-destroys-others',
    fault: 'execution',
    mimics:
      'any error is taken for one of a kind, and goes on as a value: the request of other calls is built from it',
    edits: [
      {
        file: 'client/client.ts',
        find: 'return SynodError.is(error) ? error :',
        put: 'return error instanceof Error ? (error as SynodError) :',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/client/limits.test.ts', name: 'cannot be copied' }],
  },
  {
    name: 'read-from-whatever-results-are-to-come',
    fault: 'back-pressure',
    mimics: 'the room for answers is looked at when they are there, and not when the requests are taken in',
    edits: [
      {
        file: 'client/service-connection.ts',
        find: 'this.waitingBytes + (this.session?.expectedBytes ?? 0)',
        put: 'this.waitingBytes',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/client/slow-reader.test.ts', name: 'as far as there is room' }],
  },
  {
    name: 'results-written-for-who-does-not-read',
    fault: 'back-pressure',
    mimics: 'what a slow consumer has not taken piles up in the socket',
    edits: [
      {
        file: SERVICE,
        find: 'if (connection.waitingBytes > outputBytesMax) {',
        put: 'if (connection.waitingBytes < 0 * outputBytesMax) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/client/slow-reader.test.ts', name: 'it is cut off' }],
  },
  {
    name: 'clients-told-more-than-the-replica-takes',
    fault: 'back-pressure',
    mimics: 'a front end with bounds of its own: one call that is too long fails its neighbours',
    edits: [
      {
        file: 'client/service.ts',
        find: 'Math.min(commandBytesMax, this.#replica.commandBytesMax)',
        put: 'commandBytesMax',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/client/limits.test.ts' }],
  },
];
