/**
 * Compares the log format that the addon was built with to this one. An addon left over from another version would
 * otherwise write or accept bytes that this code reads differently.
 */

import * as format from '../log/format.js';

const own: Readonly<Record<string, number>> = {
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
export function compareFormat(addonFormat: Readonly<Record<string, number>> | undefined): string | null {
  if (typeof addonFormat !== 'object' || addonFormat === null) return 'it exports no format constants';
  const names = new Set([...Object.keys(own), ...Object.keys(addonFormat)]);
  for (const name of names) {
    if (own[name] !== addonFormat[name]) return `${name} is ${own[name]} here and ${addonFormat[name]} there`;
  }
  return null;
}
