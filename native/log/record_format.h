// Constants of log format version 1, as src/log/format.ts has them. All of them are exported and compared when the
// addon is loaded: an addon that was built from another version of the format is refused.

#ifndef SYNOD_LOG_RECORD_FORMAT_H_
#define SYNOD_LOG_RECORD_FORMAT_H_

#include <cstdint>

namespace synod::format {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::uint32_t kSegmentHeaderBytes = 4096;
inline constexpr std::uint32_t kSegmentMagicLow = 0x4f4e5953;
inline constexpr std::uint32_t kSegmentMagicHigh = 0x47455344;
inline constexpr std::uint32_t kRecordMagic = 0x31434552;
inline constexpr std::uint32_t kRecordHeaderBytes = 80;
inline constexpr std::uint32_t kRecordAlignment = 8;

// Byte offsets in the record header.
namespace field {
inline constexpr std::uint32_t kMagic = 0;
inline constexpr std::uint32_t kHeaderChecksum = 4;
inline constexpr std::uint32_t kPayloadBytes = 8;
inline constexpr std::uint32_t kPayloadChecksum = 12;
inline constexpr std::uint32_t kVersion = 16;
inline constexpr std::uint32_t kKind = 17;
inline constexpr std::uint32_t kSequence = 40;
inline constexpr std::uint32_t kSegmentNonce = 68;
inline constexpr std::uint32_t kPrevious = 72;
}  // namespace field

struct Constant {
  const char* name;
  std::uint32_t value;
};

inline constexpr Constant kConstants[] = {
    {"FORMAT_VERSION", kFormatVersion},
    {"SEGMENT_HEADER_BYTES", kSegmentHeaderBytes},
    {"SEGMENT_MAGIC_LOW", kSegmentMagicLow},
    {"SEGMENT_MAGIC_HIGH", kSegmentMagicHigh},
    {"RECORD_MAGIC", kRecordMagic},
    {"RECORD_HEADER_BYTES", kRecordHeaderBytes},
    {"RECORD_ALIGNMENT", kRecordAlignment},
    {"RecordField.magic", field::kMagic},
    {"RecordField.headerChecksum", field::kHeaderChecksum},
    {"RecordField.payloadBytes", field::kPayloadBytes},
    {"RecordField.payloadChecksum", field::kPayloadChecksum},
    {"RecordField.version", field::kVersion},
    {"RecordField.kind", field::kKind},
    {"RecordField.sequence", field::kSequence},
    {"RecordField.segmentNonce", field::kSegmentNonce},
    {"RecordField.previous", field::kPrevious},
};

}  // namespace synod::format

#endif  // SYNOD_LOG_RECORD_FORMAT_H_
