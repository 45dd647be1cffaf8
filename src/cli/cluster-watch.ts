/** What is worth telling about a local cluster: from what was seen of it to lines of text. No I/O, no clock. */

import type { StatusReport } from './status.js';

/** What one round of asking found: the report, or null where there was no answer. */
export type Observation = ReadonlyMap<string, StatusReport | null>;

/** Rounds without an answer after which a replica that did not exit counts as silent. */
const SILENT_ROUNDS = 3;
/** Rounds without a primary after which that is worth a line. */
const LEADERLESS_ROUNDS = 5;

/** The primary as most see it: one that says so itself goes first. Null where nobody knows one. */
export function findPrimary(observation: Observation): string | null {
  const votes = new Map<string, number>();
  for (const report of observation.values()) {
    if (report === null) continue;
    if (report.role === 'primary') votes.set(report.replica, (votes.get(report.replica) ?? 0) + 1);
    if (report.primary !== null) votes.set(report.primary, (votes.get(report.primary) ?? 0) + 1);
  }
  let primary: string | null = null;
  let most = 0;
  for (const [id, count] of votes) {
    // One that is named and does not answer is the primary of yesterday.
    if ((observation.get(id) ?? null) === null || observation.get(id)?.role !== 'primary') continue;
    if (count > most) {
      primary = id;
      most = count;
    }
  }
  return primary;
}

type State = 'up' | 'down' | 'silent';

/** Compares what is seen with what was seen before. */
export class ClusterWatch {
  readonly #states = new Map<string, State>();
  readonly #missed = new Map<string, number>();
  #primary: string | null;
  #leaderless = 0;

  constructor(ids: readonly string[], primary: string | null) {
    for (const id of ids) this.#states.set(id, 'up');
    this.#primary = primary;
  }

  /** A process of ours ended. The next report of that replica is news again. */
  onExit(id: string, how: string, startCommand: string | null): readonly string[] {
    this.#states.set(id, 'down');
    this.#missed.delete(id);
    return [
      `${id} ${how}.${startCommand === null ? ' Starting it again.' : ` To start it again: ${startCommand}`}`,
    ];
  }

  onObservation(observation: Observation): readonly string[] {
    const lines: string[] = [];
    for (const [id, report] of observation) lines.push(...this.#onReport(id, report));
    const primary = findPrimary(observation);
    if (primary === null) {
      this.#leaderless += 1;
      if (this.#leaderless === LEADERLESS_ROUNDS) {
        const up = [...observation.values()].filter((report) => report !== null).length;
        lines.push(`there is no primary (${up} of ${observation.size} replicas answer)`);
      }
      return lines;
    }
    if (primary !== this.#primary || this.#leaderless >= LEADERLESS_ROUNDS) {
      const before = this.#primary === null || this.#primary === primary ? '' : ` (it was ${this.#primary})`;
      lines.push(`${primary} is the primary now${before}`);
    }
    this.#primary = primary;
    this.#leaderless = 0;
    return lines;
  }

  #onReport(id: string, report: StatusReport | null): readonly string[] {
    const state = this.#states.get(id);
    if (report !== null) {
      this.#missed.set(id, 0);
      this.#states.set(id, 'up');
      if (state === 'down') return [`${id} is up again`];
      if (state === 'silent') return [`${id} answers again`];
      return [];
    }
    if (state !== 'up') return [];
    const missed = (this.#missed.get(id) ?? 0) + 1;
    this.#missed.set(id, missed);
    if (missed < SILENT_ROUNDS) return [];
    this.#states.set(id, 'silent');
    return [`${id} does not answer`];
  }
}

/** Columns padded to their widest cell, two spaces between them and before them. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
    .join('\n');
}
