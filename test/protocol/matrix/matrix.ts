/**
 * Every role, every message, with every relation of its slot and its ballot to those of the replica, and what comes of it
 * in a word or a few. `table.md` is the result, made by `matrix.test.ts`.
 */

import { ContractViolation } from '../../../src/contracts.js';
import type { Ballot } from '../../../src/protocol/ballot.js';
import { readmit } from '../../../src/protocol/configuration.js';
import type { Slot } from '../../../src/protocol/decree.js';
import type { Role } from '../../../src/protocol/effects.js';
import type { Message, MessageKind } from '../../../src/protocol/messages.js';
import { b, configurationOf, decree, incarnationOf, Scene, statusReply } from '../harness.js';

export const roles: readonly Role[] = [
  'inactive',
  'learner',
  'secondary',
  'candidate',
  'preparing',
  'primary',
];

/** Slot 10 is the last that is known chosen, 11 is accepted, 12 comes next. */
export const slots = { lower: 10, same: 11, next: 12, far: 30 } as const;
export type SlotRelation = keyof typeof slots;
export type BallotRelation = 'lower' | 'same' | 'higher';
const slotRelations = Object.keys(slots) as SlotRelation[];
const ballotRelations: BallotRelation[] = ['lower', 'same', 'higher'];

const open = decree('x');

function recoveredScene(): Scene {
  return new Scene({ chosen: 10, promised: b(5, 2), accepted: { 11: [b(5, 2), open] } });
}

/** A replica in the role; slot 11 is accepted and durable where the role has votes. */
function sceneOf(role: Role): Scene {
  switch (role) {
    case 'inactive':
      return new Scene({ size: 0, linked: [2, 3] });
    case 'learner':
      return new Scene({ id: 'c', life: 2, chosen: 10, linked: [1, 2] });
    case 'secondary': {
      const scene = recoveredScene();
      scene.receive(2, { kind: 'heartbeat', ballot: b(5, 2), chosen: 10, round: 0 });
      scene.receive(2, { kind: 'accept', ballot: b(5, 2), slot: 11, chosen: 10, decree: open });
      return scene;
    }
    case 'candidate':
      return recoveredScene().toCandidate();
    case 'preparing': {
      const scene = recoveredScene().toPreparing();
      scene.durable();
      return scene;
    }
    case 'primary':
      return recoveredScene().toPrimary();
  }
}

/** The ballot that the replica goes by: its own where it leads or tries to, else that of the primary. */
function ballotOf(role: Role): { round: number; member: number } {
  return role === 'preparing' || role === 'primary' ? { round: 6, member: 1 } : { round: 5, member: 2 };
}

/** As the sender, member 2, would propose under it. */
function proposing(role: Role, relation: BallotRelation): Ballot {
  const { round, member } = ballotOf(role);
  if (relation === 'same') return b(round, member);
  return b(relation === 'lower' ? round - 1 : round + 1, 2);
}

/** As the receiver proposed under it, which member 2 replies to. */
function replying(role: Role, relation: BallotRelation): Ballot {
  const { round } = ballotOf(role);
  return b({ lower: round - 1, same: round, higher: round + 1 }[relation], 1);
}

interface Shape {
  readonly slot: boolean;
  readonly ballot: boolean;
  /** What the slot and the ballot are in this message. */
  readonly note: string;
  readonly make: (role: Role, slot: Slot, ballot: BallotRelation) => Message;
}

export const shapes: Record<MessageKind, Shape> = {
  'status-query': {
    slot: false,
    ballot: false,
    note: '',
    make: () => ({ kind: 'status-query', round: 1 }),
  },
  'status-reply': {
    slot: true,
    ballot: false,
    note: 'slot: what the sender knows chosen; it hears no primary',
    make: (_, slot) => statusReply(1, { chosen: slot }),
  },
  prepare: {
    slot: true,
    ballot: true,
    note: 'slot: the first that the candidate asks for',
    make: (role, slot, ballot) => ({ kind: 'prepare', ballot: proposing(role, ballot), from: slot }),
  },
  'promise-entry': {
    slot: true,
    ballot: true,
    note: 'the reported decree was accepted under 5.3',
    make: (role, slot, ballot) => ({
      kind: 'promise-entry',
      ballot: replying(role, ballot),
      slot,
      acceptedBallot: b(5, 3),
      decree: decree('other'),
    }),
  },
  promised: {
    slot: true,
    ballot: true,
    note: 'slot: what the acceptor knows chosen',
    make: (role, slot, ballot) => ({
      kind: 'promised',
      ballot: replying(role, ballot),
      entries: 0,
      chosen: slot,
    }),
  },
  accept: {
    slot: true,
    ballot: true,
    note: 'the decree is the one that slot 11 has',
    make: (role, slot, ballot) => ({
      kind: 'accept',
      ballot: proposing(role, ballot),
      slot,
      chosen: 10,
      decree: open,
    }),
  },
  accepted: {
    slot: true,
    ballot: true,
    note: 'slot: everything from 11 through this; "lower" is nothing',
    make: (role, slot, ballot) => ({
      kind: 'accepted',
      ballot: replying(role, ballot),
      from: 11,
      through: slot,
    }),
  },
  heartbeat: {
    slot: true,
    ballot: true,
    note: 'slot: what the primary says is chosen',
    make: (role, slot, ballot) => ({
      kind: 'heartbeat',
      ballot: proposing(role, ballot),
      chosen: slot,
      round: 1,
    }),
  },
  'heartbeat-reply': {
    slot: true,
    ballot: true,
    note: 'slot: accepted from 11 through this; "lower" is nothing',
    make: (role, slot, ballot) => ({
      kind: 'heartbeat-reply',
      ballot: replying(role, ballot),
      round: 1,
      from: 11,
      through: slot,
      chosen: 10,
      standing: 100,
    }),
  },
  'hand-over': {
    slot: true,
    ballot: true,
    note: 'slot: the last that was proposed',
    make: (role, slot, ballot) => ({ kind: 'hand-over', ballot: proposing(role, ballot), last: slot }),
  },
  resign: {
    slot: false,
    ballot: true,
    note: '',
    make: (role, _, ballot) => ({ kind: 'resign', ballot: proposing(role, ballot) }),
  },
  'hand-over-declined': {
    slot: false,
    ballot: true,
    note: 'nothing was offered',
    make: (role, _, ballot) => ({ kind: 'hand-over-declined', ballot: replying(role, ballot) }),
  },
  refuse: {
    slot: false,
    ballot: true,
    note: 'the sender has promised 9.3',
    make: (role, _, ballot) => ({ kind: 'refuse', ballot: replying(role, ballot), promised: b(9, 3) }),
  },
  fetch: {
    slot: true,
    ballot: false,
    note: 'slot: the first that is asked for',
    make: (_, slot) => ({ kind: 'fetch', from: slot, bytesMax: 1000 }),
  },
  learn: {
    slot: true,
    ballot: true,
    note: 'the decree is the one that slot 11 has; the ballot is the one that the sender has it under',
    make: (_, slot, ballot) => ({
      kind: 'learn',
      slot,
      ballot: b({ lower: 4, same: 5, higher: 6 }[ballot], 2),
      decree: open,
    }),
  },
  'fetch-end': {
    slot: true,
    ballot: false,
    note: 'slot: what the sender knows chosen',
    make: (_, slot) => ({ kind: 'fetch-end', through: 10, chosen: slot }),
  },
  defunct: {
    slot: true,
    ballot: false,
    note: 'slot: what the sender knows chosen',
    make: (_, slot) => ({ kind: 'defunct', chosen: slot }),
  },
  join: {
    slot: true,
    ballot: false,
    note: 'slot: what the sender, another disk of "c", knows chosen; the link to the old disk is down',
    make: (_, slot) => ({
      kind: 'join',
      id: 'c',
      incarnation: incarnationOf('c', 3),
      chosen: slot,
      former: 0,
    }),
  },
  genesis: {
    slot: false,
    ballot: false,
    note: '',
    make: () => ({ kind: 'genesis', configuration: configurationOf(3) }),
  },
  'read-query': {
    slot: false,
    ballot: false,
    note: '',
    make: () => ({ kind: 'read-query', life: 1, read: 1 }),
  },
  'read-reply': {
    slot: true,
    ballot: false,
    note: 'for reads of another process',
    make: (_, slot) => ({ kind: 'read-reply', life: 1, read: 1, slot }),
  },
  'lease-request': {
    slot: false,
    ballot: true,
    note: 'leases are off',
    make: (role, _, ballot) => ({
      kind: 'lease-request',
      ballot: proposing(role, ballot),
      round: 1,
      durationMs: 100,
    }),
  },
  'lease-grant': {
    slot: false,
    ballot: true,
    note: 'leases are off',
    make: (role, _, ballot) => ({ kind: 'lease-grant', ballot: replying(role, ballot), round: 0 }),
  },
  'lease-release': {
    slot: false,
    ballot: true,
    note: 'leases are off',
    make: (role, _, ballot) => ({ kind: 'lease-release', ballot: proposing(role, ballot) }),
  },
  'lease-query': {
    slot: false,
    ballot: false,
    note: '',
    make: () => ({ kind: 'lease-query', life: 1, read: 1 }),
  },
  'lease-reply': {
    slot: true,
    ballot: false,
    note: 'for reads of another process',
    make: (_, slot) => ({ kind: 'lease-reply', life: 1, read: 1, slot }),
  },
};

interface Variant {
  readonly title: string;
  readonly kind: MessageKind;
  readonly shape: Shape;
}

/** The same messages once more, where what they carry decides. */
export const variants: readonly Variant[] = [
  {
    title: 'status-reply, there is a primary',
    kind: 'status-reply',
    shape: {
      ...shapes['status-reply'],
      note: 'slot: what the sender knows chosen; it hears a primary',
      make: (_, slot) => statusReply(1, { chosen: slot, primaryAlive: true }),
    },
  },
  {
    title: 'promised, with an entry that did not arrive',
    kind: 'promised',
    shape: {
      ...shapes.promised,
      make: (role, slot, ballot) => ({
        kind: 'promised',
        ballot: replying(role, ballot),
        entries: 1,
        chosen: slot,
      }),
    },
  },
  {
    title: 'accept, of another decree',
    kind: 'accept',
    shape: {
      ...shapes.accept,
      note: 'the decree is not the one that slot 11 has',
      make: (role, slot, ballot) => ({
        kind: 'accept',
        ballot: proposing(role, ballot),
        slot,
        chosen: 10,
        decree: decree('another'),
      }),
    },
  },
  {
    title: 'accept, of all that is before it',
    kind: 'accept',
    shape: {
      ...shapes.accept,
      note: 'it says that every slot before its own is chosen',
      make: (role, slot, ballot) => ({
        kind: 'accept',
        ballot: proposing(role, ballot),
        slot,
        chosen: slot - 1,
        decree: open,
      }),
    },
  },
  {
    title: 'learn, of another decree',
    kind: 'learn',
    shape: {
      ...shapes.learn,
      note: 'the decree is not the one that slot 11 has; the ballot is the one that the sender has it under',
      make: (_, slot, ballot) => ({
        kind: 'learn',
        slot,
        ballot: b({ lower: 4, same: 5, higher: 6 }[ballot], 2),
        decree: decree('another'),
      }),
    },
  },
];

/** What came of it, from the effects and the change of role. */
function summarise(before: Role, scene: Scene, effects: readonly string[]): string {
  const words: string[] = [];
  const has = (pattern: RegExp): boolean => effects.some((line) => pattern.test(line));
  const after = scene.role;
  if (has(/: refuse /)) words.push('refused');
  if (has(/: hand-over-declined /)) words.push('declines');
  if (before === 'inactive' && after !== 'inactive') words.push('begins');
  if (has(/^append \d+: promise/)) words.push(after === 'preparing' ? 'prepares' : 'promised');
  else if (has(/^send 2: promised/)) words.push('promised again');
  if (has(/^append \d+: accept .* configuration/)) words.push('lets it in');
  else if (before !== 'primary' && after === 'primary') words.push('becomes primary');
  else if (has(/^append \d+: accept/)) words.push('accepted');
  else if (has(/: accepted /)) words.push('acknowledged again');
  if (has(/^append \d+: learn/)) words.push('learned');
  if (has(/^retain/)) words.push('adopted');
  if (has(/: (status|heartbeat)-reply/)) words.push('answered');
  if (has(/: defunct/)) words.push('told');
  if (has(/^serve-fetch/)) words.push('served');
  const chosen = effects.filter((line) => line.startsWith('chosen')).at(-1);
  if (chosen !== undefined) words.push(chosen);
  if (has(/: fetch from/)) words.push('fetches');
  if (
    has(/^send \d: accept /) &&
    after === 'primary' &&
    before === 'primary' &&
    !words.includes('lets it in')
  )
    words.push('sends');
  if (after === 'secondary' && ['candidate', 'preparing', 'primary'].includes(before))
    words.push('steps down');
  return words.length === 0 ? 'ignored' : words.join(', ');
}

export function outcomeOf(
  role: Role,
  kind: MessageKind,
  slot: SlotRelation,
  ballot: BallotRelation,
  shape: Shape = shapes[kind],
): string {
  const scene = sceneOf(role);
  let from = 2;
  if (kind === 'join') {
    scene.feed({ kind: 'peer-down', peer: 3 });
    from = 65_538;
  }
  const message = shape.make(role, slots[slot], ballot);
  try {
    return summarise(role, scene, scene.receive(from, message));
  } catch (error) {
    if (error instanceof ContractViolation) return `**impossible** (${error.contract})`;
    throw error;
  }
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function sectionOf(title: string, kind: MessageKind, shape: Shape): string[] {
  const lines = [`## ${title}`, ''];
  if (shape.note !== '') lines.push(`${shape.note[0]!.toUpperCase()}${shape.note.slice(1)}.`, '');
  const head = [...(shape.ballot ? ['ballot'] : []), ...(shape.slot ? ['slot'] : []), ...roles];
  lines.push(row(head), row(head.map(() => '---')));
  for (const ballot of shape.ballot ? ballotRelations : (['same'] as const)) {
    for (const slot of shape.slot ? slotRelations : (['same'] as const)) {
      lines.push(
        row([
          ...(shape.ballot ? [ballot] : []),
          ...(shape.slot ? [slot] : []),
          ...roles.map((role) => outcomeOf(role, kind, slot, ballot, shape)),
        ]),
      );
    }
  }
  lines.push('');
  return lines;
}

/** Messages from members, outsiders, and across configurations, to a secondary under configuration 2. */
function scopeSection(): string[] {
  const senders = [
    ['a member, same configuration', 2, 2],
    ['an outsider, same configuration', 65_540, 2],
    ['a member, older configuration', 2, 1],
    ['a member, newer configuration', 2, 3],
    ['an outsider without one', 65_540, 0],
  ] as const;
  const lines = [
    '## Who may say what',
    '',
    'To a secondary under configuration 2; slot "next", ballot "higher".',
    '',
    row(['message', ...senders.map(([who]) => who)]),
    row(['message', ...senders].map(() => '---')),
  ];
  for (const kind of Object.keys(shapes) as MessageKind[]) {
    const cells = senders.map(([, from, number]) => {
      const configuration = readmit(configurationOf(3), 'c', incarnationOf('c', 2));
      const scene = new Scene({
        configuration,
        chosen: 10,
        promised: b(5, 2),
        accepted: { 11: [b(5, 2), open] },
      });
      scene.feed({ kind: 'peer-up', peer: 65_540 });
      const message = shapes[kind].make('secondary', slots.next, 'higher');
      try {
        return summarise('secondary', scene, scene.receive(from, message, number));
      } catch (error) {
        if (error instanceof ContractViolation) return `**impossible** (${error.contract})`;
        throw error;
      }
    });
    lines.push(row([kind, ...cells]));
  }
  return [...lines, ''];
}

export function renderTable(): string {
  const lines = [
    '# Every role, message, slot and ballot',
    '',
    'Made by `UPDATE_GOLDEN=1 npx vitest run --project unit test/protocol/matrix`, and compared by the same test without it.',
    '',
    'The replica is member 1 of three (the learner is another disk of member 3). It knows slots up to 10 to be chosen, and has',
    'accepted slot 11. Its ballot is 5.2 while it follows member 2, and 6.1 while it prepares or leads. Each message comes from',
    'member 2, under the same configuration.',
    '',
    '- **slot**: *lower* is 10, *same* is 11, *next* is 12, *far* is 30.',
    '- **ballot**: of the message, compared with that of the replica. For replies it is the one that is replied to.',
    '- **ignored**: no effect at all, though it may have been counted. **impossible**: a contract breaks, since no correct',
    '  replica can say so.',
    '',
  ];
  for (const kind of Object.keys(shapes) as MessageKind[]) {
    lines.push(...sectionOf(kind, kind, shapes[kind]));
    for (const { title, shape } of variants.filter((variant) => variant.kind === kind))
      lines.push(...sectionOf(title, kind, shape));
  }
  lines.push(...scopeSection());
  return lines.join('\n');
}
