/** Carries out what the protocol wants recorded. */

import type { Crc32c } from '../checksum.js';
import { unreachable } from '../contracts.js';
import { RecordKind } from '../log/format.js';
import type { LogRecord } from '../protocol/effects.js';
import { encodeConfiguration } from '../wire/configuration-codec.js';
import type { LogWriter } from './log-writer.js';
import { HeapPlace, TailPlace } from './places.js';

/** The record's payload lies at the log's tail already. */
export function isInPlace(record: LogRecord): boolean {
  return record.kind === 'accept' && record.decree.source instanceof TailPlace;
}

export function appendRecord(log: LogWriter, record: LogRecord, write: number, crc32c: Crc32c): void {
  switch (record.kind) {
    case 'promise':
      log.append(RecordKind.promise, write, record.ballot, 0, null);
      // Behind the record: it may be the first of a segment, whose header tells of the records before.
      log.promised = Math.max(log.promised, record.ballot);
      break;
    case 'accept':
    case 'learn': {
      const { decree } = record;
      if (decree.configuration !== null && decree.source === null) {
        // Proposed here: these are its bytes from now on, in the log and on the wire.
        const payload = encodeConfiguration(decree.configuration);
        decree.bytes = payload.length;
        decree.checksum = crc32c(payload, 0, payload.length, 0);
        decree.source = new HeapPlace([payload]);
      }
      const kind = record.kind === 'accept' ? RecordKind.accept : RecordKind.learn;
      log.appendDecree(kind, write, record.ballot, record.slot, decree);
      // An acceptance is a promise too; what is learned is not.
      if (record.kind === 'accept') log.promised = Math.max(log.promised, record.ballot);
      break;
    }
    case 'genesis':
      log.append(RecordKind.genesis, write, 0, 0, encodeConfiguration(record.configuration));
      break;
    case 'jump':
      log.appendJump(write, record.slot);
      break;
    default:
      unreachable(record);
  }
}
