/** A surveyed log as plain data, for people and for JSON. */

import { RecordKind } from '../log/format.js';
import type { LogVerdict } from '../log/recovery.js';
import { formatBallot } from '../protocol/ballot.js';
import { DecreeKind } from '../protocol/decree.js';
import { decodeConfiguration, decodeMemberList } from '../wire/configuration-codec.js';
import type { LogSurvey, SurveyedRecord } from './log-survey.js';

export interface LogReport {
  readonly directory: string;
  readonly verdict: LogVerdict['kind'];
  /** Why, and where; null for a clean log. */
  readonly detail: string | null;
  readonly cluster: string | null;
  readonly replica: string | null;
  /** Of the disk, in hexadecimal. */
  readonly incarnation: string | null;
  readonly segments: number;
  readonly records: number;
  readonly payloadBytes: number;
  /** How often the log was opened. */
  readonly starts: number;
  readonly promised: string;
  /** Every slot up to this is known to be chosen by the log itself. */
  readonly chosen: number;
  /** The last slot with a decree, chosen or not. */
  readonly lastSlot: number;
}

export interface RecordReport {
  readonly segment: number;
  readonly offset: number;
  readonly sequence: number;
  readonly kind: string;
  readonly ballot?: string;
  readonly slot?: number;
  readonly start?: number;
  readonly chosen: number;
  readonly decree?: string;
  readonly commands?: number;
  readonly bytes?: number;
  readonly configuration?: unknown;
  readonly members?: unknown;
}

function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(table).find((name) => table[name] === value) ?? `kind ${value}`;
}

function detailOf(verdict: LogVerdict): string | null {
  if (verdict.kind === 'corrupt') {
    return `segment ${verdict.segment}, byte ${verdict.offset}: ${verdict.reason}: ${verdict.detail}`;
  }
  if (verdict.discarded === null) return null;
  const { segment, offset } = verdict.discarded;
  return `segment ${segment}, byte ${offset}: an interrupted write, never acknowledged, is discarded`;
}

export function reportLog(survey: LogSurvey): LogReport {
  const { header, state, verdict } = survey;
  return {
    directory: survey.directory,
    verdict: verdict.kind,
    detail: detailOf(verdict),
    cluster: header?.cluster ?? null,
    replica: header?.replica ?? null,
    incarnation: header === null ? null : Buffer.from(header.diskIncarnation).toString('hex'),
    segments: survey.segments,
    records: survey.records,
    payloadBytes: survey.payloadBytes,
    starts: state.startNumber,
    promised: formatBallot(state.promised),
    chosen: state.chosenThrough,
    lastSlot: Math.max(0, state.index.lastSlot),
  };
}

export function reportRecord(record: SurveyedRecord): RecordReport {
  const { segment, offset, sequence, kind, chosen } = record;
  const common = { segment, offset, sequence, kind: nameOf(RecordKind, kind), chosen };
  const ballot = formatBallot(record.ballot);
  switch (kind) {
    case RecordKind.accept:
    case RecordKind.learn: {
      const decree = nameOf(DecreeKind, record.decreeKind);
      const { slot, commands, payloadBytes: bytes } = record;
      const more =
        record.decreeKind === DecreeKind.configuration
          ? { configuration: decodeConfiguration(record.payload) }
          : {};
      return { ...common, ballot, slot, decree, commands, bytes, ...more };
    }
    case RecordKind.promise:
      return { ...common, ballot };
    case RecordKind.jump:
      return { ...common, slot: record.slot };
    case RecordKind.start:
      return { ...common, start: record.slot };
    case RecordKind.genesis:
      return { ...common, configuration: decodeConfiguration(record.payload) };
    case RecordKind.list:
      return { ...common, members: decodeMemberList(record.payload) };
    case RecordKind.pad:
      return { ...common, bytes: record.payloadBytes };
    default:
      return common;
  }
}
