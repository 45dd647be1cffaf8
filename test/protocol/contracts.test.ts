/**
 * Every contract of the protocol bites. Most are tripped by an impossible input, in the test of the role that has them;
 * here are those that take a corrupted state, and the list that shows that none was forgotten.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Acceptor } from '../../src/protocol/acceptor.js';
import { Context } from '../../src/protocol/context.js';
import type { Acceptance } from '../../src/protocol/decree.js';
import type { Input } from '../../src/protocol/inputs.js';
import { Proposer } from '../../src/protocol/proposer.js';
import {
  b,
  configurationDecree,
  configurationOf,
  contractOf,
  decree,
  incarnationOf,
  options,
  Scene,
} from './harness.js';

/** Roles without the replica around them, whose state a test may corrupt. */
function roles(): { context: Context; acceptor: Acceptor; proposer: Proposer } {
  const context = new Context(options, { id: 'a', incarnation: incarnationOf('a') }, () => 0);
  context.configuration = configurationOf(3);
  context.self = 1;
  context.role = 'secondary';
  const acceptor = new Acceptor(context, {
    promiseDurable: (ballot) => proposer.onOwnPromiseDurable(ballot),
    acceptedDurable: (from, through) => proposer.onOwnAccepted(from, through),
  });
  const proposer = new Proposer(context, acceptor);
  return { context, acceptor, proposer };
}

/** As far as phase 1 is over. */
function prepared(): ReturnType<typeof roles> {
  const all = roles();
  const { context, acceptor, proposer } = all;
  context.role = 'preparing';
  proposer.prepare();
  acceptor.onDurable(context.writes);
  acceptor.reply();
  proposer.onPromised(2, { kind: 'promised', ballot: proposer.ballot, entries: 0, chosen: 0 });
  return all;
}

function primary(): ReturnType<typeof roles> {
  const all = prepared();
  all.context.role = 'primary';
  all.proposer.becomePrimary();
  return all;
}

describe('of the acceptor', () => {
  it('learn-in-order', () => {
    const { acceptor } = roles();
    expect(contractOf(() => acceptor.learn(2, b(1, 2), decree('x')))).toBe('learn-in-order');
  });

  it('accepted-ballot-never-lowered: what is held is above what was promised', () => {
    const { acceptor } = roles();
    acceptor.accepted.set(1, { ballot: b(9, 3), decree: decree('x') });
    expect(contractOf(() => acceptor.accept(b(1, 2), 1, decree('x')))).toBe('accepted-ballot-never-lowered');
  });

  it('replies-held-in-order: write numbers go back', () => {
    const { context, acceptor } = roles();
    acceptor.accept(b(1, 2), 1, decree('x'));
    context.writes = -5;
    expect(contractOf(() => acceptor.accept(b(1, 2), 2, decree('y')))).toBe('replies-held-in-order');
  });
});

describe('of the proposer', () => {
  it('only-members-prepare', () => {
    const { context, proposer } = roles();
    context.self = 0;
    expect(contractOf(() => proposer.prepare())).toBe('only-members-prepare');
  });

  it('phase-two-after-quorum-of-promises', () => {
    const { context, proposer } = roles();
    proposer.prepare();
    context.role = 'primary';
    expect(contractOf(() => proposer.becomePrimary())).toBe('phase-two-after-quorum-of-promises');
  });

  it('phase-two-after-learning', () => {
    const { proposer } = prepared();
    proposer.learnFirst = 3;
    expect(contractOf(() => proposer.becomePrimary())).toBe('phase-two-after-learning');
  });

  it('primary-promised-its-ballot', () => {
    const { acceptor, proposer } = prepared();
    acceptor.promised = b(9, 3);
    expect(contractOf(() => proposer.becomePrimary())).toBe('primary-promised-its-ballot');
  });

  it('primary-accepts-its-own', () => {
    const { acceptor, proposer } = primary();
    acceptor.promised = b(9, 3);
    expect(contractOf(() => proposer.propose(decree('x')))).toBe('primary-accepts-its-own');
  });

  it('ballot-owner-proposes', () => {
    const { proposer } = primary();
    proposer.ballot = b(9, 3);
    expect(contractOf(() => proposer.propose(decree('x')))).toBe('ballot-owner-proposes');
  });

  it('open-slot-has-decree', () => {
    const { context, proposer } = primary();
    context.connected.add(2);
    proposer.last += 1;
    expect(contractOf(() => proposer.pump())).toBe('open-slot-has-decree');
  });

  it('one-configuration-at-a-time', () => {
    const { proposer } = primary();
    const next = configurationDecree({ ...configurationOf(3), number: 2 });
    proposer.proposeConfiguration(next);
    expect(contractOf(() => proposer.proposeConfiguration(next))).toBe('one-configuration-at-a-time');
  });

  it('configured-before-counting', () => {
    const { context } = roles();
    context.configuration = null;
    expect(contractOf(() => context.quorum)).toBe('configured-before-counting');
  });
});

describe('of the replica', () => {
  it('genesis-once: slots are chosen, but no configuration was ever there', () => {
    const scene = new Scene({ size: 0, chosen: 3 });
    const genesis = { kind: 'genesis', configuration: configurationOf(3) } as const;
    expect(contractOf(() => scene.receive(65_540, genesis))).toBe('genesis-once');
  });

  it('chosen-is-in-the-log: the primary forgot what it proposed', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    (scene.replica.accepted as Map<number, Acceptance>).delete(1);
    expect(
      contractOf(() => scene.receive(2, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 })),
    ).toBe('chosen-is-in-the-log');
  });

  it('complete-dispatch: an input and a message of no kind that exists', () => {
    const scene = new Scene();
    expect(contractOf(() => scene.feed({ kind: 'nonsense' } as unknown as Input))).toBe('complete-dispatch');
  });
});

describe('all of them', () => {
  /** Double checks of what the lines before them have just made true: no input and no corrupted field reaches them. */
  const outOfReach = new Set([
    'promise-never-lowered',
    'chosen-never-lowered',
    'promise-durable-before-reply',
  ]);

  const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const texts = (path: string): string =>
    readdirSync(folder(path), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(folder(path), name), 'utf8'))
      .join('\n');

  it('are tripped by a test in this folder', () => {
    const source = texts('../../src/protocol');
    const names = [...source.matchAll(/\b(?:requires|ensures|invariant)\(([\s\S]*?)\);/g)].map(
      ([, body]) => body!.match(/'([a-z]+(?:-[a-z]+)+)',?\s*(?:\(\) =>|$)/)?.[1] ?? `none in: ${body}`,
    );
    expect(names.length).toBeGreaterThan(35);
    const tests = texts('.').replace(/\s+/g, '');
    const missing = [...new Set(names)].filter(
      (name) => !outOfReach.has(name) && !tests.includes(`toBe('${name}'`),
    );
    expect(missing).toEqual([]);
  });
});
