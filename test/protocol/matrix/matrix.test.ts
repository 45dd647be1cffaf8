/**
 * The outcome of every role × message × slot × ballot against the committed table, and the dispatch table against both.
 *
 * `UPDATE_GOLDEN=1 npx vitest run --project unit test/protocol/matrix` makes table.md anew; then read what has changed.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { dispatchTable, messageScope } from '../../../src/protocol/dispatch-table.js';
import type { Role } from '../../../src/protocol/effects.js';
import type { MessageKind } from '../../../src/protocol/messages.js';
import type { BallotRelation, SlotRelation } from './matrix.js';
import { outcomeOf, renderTable, roles, shapes, slots } from './matrix.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const kinds = Object.keys(shapes) as MessageKind[];

it('is as table.md says', () => {
  const table = renderTable();
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path('table.md'), table);
  expect(table).toBe(readFileSync(path('table.md'), 'utf8'));
});

describe('the dispatch table', () => {
  it('has every role and every message', () => {
    expect(Object.keys(dispatchTable).sort()).toEqual([...roles].sort());
    for (const role of roles) expect(Object.keys(dispatchTable[role]).sort()).toEqual([...kinds].sort());
    expect(Object.keys(messageScope).sort()).toEqual([...kinds].sort());
  });

  const combinations = (kind: MessageKind, role: Role): string[] => {
    const outcomes: string[] = [];
    for (const slot of Object.keys(slots) as SlotRelation[])
      for (const ballot of ['lower', 'same', 'higher'] as BallotRelation[])
        outcomes.push(outcomeOf(role, kind, slot, ballot));
    return outcomes;
  };

  it('is right about what is ignored, whatever slot and ballot', () => {
    for (const role of roles) {
      for (const kind of kinds) {
        if (dispatchTable[role][kind] === 'ignore')
          expect({ role, kind, outcomes: [...new Set(combinations(kind, role))] }).toEqual({
            role,
            kind,
            outcomes: ['ignored'],
          });
      }
    }
  });

  it('handles nothing that never has an effect', () => {
    // What these do shows only later: the answer to a fetch ends, a peer is ahead, what was offered is declined, reads wait for
    // slot 11, or were not made here.
    const later = new Set<MessageKind>([
      'fetch-end',
      'defunct',
      'hand-over-declined',
      'resign',
      'read-query',
      'read-reply',
      // Leases are off here.
      'lease-request',
      'lease-grant',
      'lease-release',
      'lease-query',
      'lease-reply',
    ]);
    for (const role of roles) {
      for (const kind of kinds) {
        if (dispatchTable[role][kind] === 'ignore' || later.has(kind)) continue;
        const outcomes = combinations(kind, role);
        expect({ role, kind, isIdle: outcomes.every((outcome) => outcome === 'ignored') }).toEqual({
          role,
          kind,
          isIdle: false,
        });
      }
    }
  });

  it('is the one in docs/protocol.md', () => {
    const text = readFileSync(path('../../../docs/protocol.md'), 'utf8');
    const section = text.slice(text.indexOf('## Roles and messages'));
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    const head = rows[0]!.slice(1);
    expect(head).toEqual(roles);
    const seen: string[] = [];
    for (const [messages, ...cells] of rows.slice(2)) {
      for (const kind of messages!.split(', ')) {
        seen.push(kind);
        const documented = Object.fromEntries(
          head.map((role, at) => [role, cells[at] === '–' ? 'ignore' : 'handle']),
        );
        const actual = Object.fromEntries(
          roles.map((role) => [role, dispatchTable[role][kind as MessageKind]]),
        );
        expect({ kind, ...documented }).toEqual({ kind, ...actual });
      }
    }
    expect(seen.sort()).toEqual([...kinds].sort());
  });
});
