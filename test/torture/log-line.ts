/** What a replica's log says, line by line: what is harmless, what a fault explains, and what is a finding. */

/** What a fault on purpose may make replicas say, or do. */
export type Excuse =
  /** Frames that make no sense, after bits were flipped on the way. */
  | 'garbage'
  /** A replica refuses another, because that lost its disk or has an older one. */
  | 'refusals'
  /** A replica ends by itself, because its log is damaged, its disk full or set back. */
  | 'ends';

/** `excuse`: what must be excused for the line to be harmless; null where nothing excuses it. */
export interface LogVerdict {
  readonly excuse: Excuse | null;
  readonly text: string;
}

/** A bug, whatever the fault was. */
const NEVER = /ERR_SYNOD_CONTRACT|ERR_SYNOD_STATE_MACHINE|ERR_SYNOD_STORAGE_FAILED|Sanitizer|runtime error:/;
const REFUSAL = /^(peer refused|refused by peer)$/;
/** What the command line says, outside of the log, where a replica cannot be opened or must stop. */
const ENDED = /^synod: .*\(ERR_SYNOD_(LOG_CORRUPT|STORAGE_FULL|REFUSED)\)/;

interface Entry {
  readonly level?: unknown;
  readonly event?: unknown;
}

/** Null where there is nothing to say about the line. */
export function judgeLine(line: string): LogVerdict | null {
  if (line.trim() === '') return null;
  if (NEVER.test(line)) return { excuse: null, text: line };
  let entry: Entry;
  try {
    entry = JSON.parse(line) as Entry;
  } catch {
    return { excuse: ENDED.test(line) ? 'ends' : null, text: line };
  }
  if (typeof entry?.event !== 'string') return { excuse: null, text: line };
  if (entry.event === 'connection cut off') return { excuse: 'garbage', text: line };
  if (REFUSAL.test(entry.event)) return { excuse: 'refusals', text: line };
  return entry.level === 'fatal' ? { excuse: 'ends', text: line } : null;
}
