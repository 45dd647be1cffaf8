/**
 * Compares what the addon was built from to this code: the log format, and the version of the addon's functions. An addon left over from
 * another version would otherwise write or accept bytes that this code reads differently, or take its arguments for others.
 */

import * as format from '../log/format.js';

/** Raised with each change of what the addon exports, or of what an argument or a result means; native/binding/log_binding.cc has the same. */
export const INTERFACE_VERSION = 2;

const own: Readonly<Record<string, number>> = {
  INTERFACE_VERSION,
  FORMAT_VERSION: format.FORMAT_VERSION,
  SEGMENT_HEADER_BYTES: format.SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC_LOW: format.SEGMENT_MAGIC_LOW,
  SEGMENT_MAGIC_HIGH: format.SEGMENT_MAGIC_HIGH,
  RECORD_MAGIC: format.RECORD_MAGIC,
  RECORD_HEADER_BYTES: format.RECORD_HEADER_BYTES,
  RECORD_ALIGNMENT: format.RECORD_ALIGNMENT,
  'RecordField.magic': format.RecordField.magic,
  'RecordField.headerChecksum': format.RecordField.headerChecksum,
  'RecordField.payloadBytes': format.RecordField.payloadBytes,
  'RecordField.payloadChecksum': format.RecordField.payloadChecksum,
  'RecordField.version': format.RecordField.version,
  'RecordField.kind': format.RecordField.kind,
  'RecordField.sequence': format.RecordField.sequence,
  'RecordField.segmentNonce': format.RecordField.segmentNonce,
  'RecordField.previous': format.RecordField.previous,
};

/** Null where both agree, else the first difference, in words. */
export function compareBuild(built: Readonly<Record<string, number>> | undefined): string | null {
  if (typeof built !== 'object' || built === null) return 'it exports no constants';
  const names = new Set([...Object.keys(own), ...Object.keys(built)]);
  for (const name of names) {
    if (own[name] !== built[name]) return `${name} is ${own[name]} here and ${built[name]} there`;
  }
  return null;
}
