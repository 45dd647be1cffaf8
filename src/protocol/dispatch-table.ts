/**
 * Which role takes which message. Complete: every pair of role and message is here, and a test compares the table
 * with the one in docs/protocol.md. `member` messages count only from a member of the same configuration.
 */

import type { Role } from './effects.js';
import type { MessageKind } from './messages.js';

export type Disposition =
  /** The handler runs. */
  | 'handle'
  /** Arrives in good order, late or early, and means nothing in this role. */
  | 'ignore';

/** `member`: from a member under the same configuration; `anyone`: also from learners and across configurations. */
export const messageScope: Record<MessageKind, 'member' | 'anyone'> = {
  'status-query': 'member',
  'status-reply': 'member',
  prepare: 'member',
  'promise-entry': 'member',
  promised: 'member',
  accept: 'member',
  accepted: 'member',
  heartbeat: 'member',
  'heartbeat-reply': 'member',
  'hand-over': 'member',
  'hand-over-declined': 'member',
  resign: 'member',
  refuse: 'member',
  fetch: 'anyone',
  learn: 'anyone',
  'fetch-end': 'anyone',
  defunct: 'anyone',
  join: 'anyone',
  genesis: 'anyone',
  'read-query': 'member',
  'read-reply': 'member',
};

const acceptor = {
  'status-query': 'handle',
  prepare: 'handle',
  accept: 'handle',
  heartbeat: 'handle',
  fetch: 'handle',
  learn: 'handle',
  'fetch-end': 'handle',
  defunct: 'handle',
  join: 'handle',
  genesis: 'ignore',
  'read-query': 'ignore',
  'read-reply': 'handle',
} as const;

export const dispatchTable: Record<Role, Record<MessageKind, Disposition>> = {
  /** Has no configuration yet: it can only be given one. */
  inactive: {
    'status-query': 'ignore',
    'status-reply': 'ignore',
    prepare: 'ignore',
    'promise-entry': 'ignore',
    promised: 'ignore',
    accept: 'ignore',
    accepted: 'ignore',
    heartbeat: 'ignore',
    'heartbeat-reply': 'ignore',
    'hand-over': 'ignore',
    'hand-over-declined': 'ignore',
    resign: 'ignore',
    refuse: 'ignore',
    'read-query': 'ignore',
    'read-reply': 'ignore',
    fetch: 'ignore',
    learn: 'ignore',
    'fetch-end': 'ignore',
    defunct: 'ignore',
    join: 'ignore',
    genesis: 'handle',
  },
  /** Is no member: it learns, and tells that it could be one. It has no vote to give. */
  learner: {
    'status-query': 'ignore',
    'status-reply': 'ignore',
    prepare: 'ignore',
    'promise-entry': 'ignore',
    promised: 'ignore',
    accept: 'ignore',
    accepted: 'ignore',
    heartbeat: 'ignore',
    'heartbeat-reply': 'ignore',
    'hand-over': 'ignore',
    'hand-over-declined': 'ignore',
    resign: 'ignore',
    refuse: 'ignore',
    'read-query': 'ignore',
    'read-reply': 'ignore',
    fetch: 'handle',
    learn: 'handle',
    'fetch-end': 'handle',
    defunct: 'handle',
    /** Those who asked for the change may all be gone: whoever knows of it tells newcomers. */
    join: 'handle',
    genesis: 'ignore',
  },
  secondary: {
    ...acceptor,
    'status-reply': 'ignore',
    'promise-entry': 'ignore',
    promised: 'ignore',
    accepted: 'ignore',
    'heartbeat-reply': 'ignore',
    'hand-over': 'handle',
    'hand-over-declined': 'ignore',
    resign: 'handle',
    refuse: 'ignore',
  },
  candidate: {
    ...acceptor,
    'status-reply': 'handle',
    'promise-entry': 'ignore',
    promised: 'ignore',
    accepted: 'ignore',
    'heartbeat-reply': 'ignore',
    'hand-over': 'handle',
    'hand-over-declined': 'ignore',
    resign: 'ignore',
    refuse: 'ignore',
  },
  preparing: {
    ...acceptor,
    'status-reply': 'ignore',
    'promise-entry': 'handle',
    promised: 'handle',
    accepted: 'ignore',
    'heartbeat-reply': 'ignore',
    'hand-over': 'ignore',
    'hand-over-declined': 'ignore',
    resign: 'ignore',
    refuse: 'handle',
  },
  primary: {
    ...acceptor,
    'read-query': 'handle',
    /** The primary has every chosen decree: what it asked for before it was elected comes too late. */
    learn: 'ignore',
    'status-reply': 'ignore',
    'promise-entry': 'ignore',
    promised: 'ignore',
    accepted: 'handle',
    'heartbeat-reply': 'handle',
    'hand-over': 'ignore',
    'hand-over-declined': 'handle',
    resign: 'ignore',
    refuse: 'handle',
  },
};
