// What a completion is about: the kind of operation and the index of its socket or file operation, packed. An index
// is not used again before the last completion for it was seen, so no generation is needed.

#ifndef SYNOD_URING_USER_DATA_H_
#define SYNOD_URING_USER_DATA_H_

#include <cstdint>

namespace synod {

enum class OperationKind : std::uint8_t {
  // Nobody cares how it ended: cancels.
  kNone = 0,
  kAccept,
  kConnect,
  kReceive,
  kSend,
  kFile,
};

inline constexpr unsigned kOperationKindShift = 56;

constexpr std::uint64_t PackUserData(OperationKind kind, std::uint32_t index) {
  return (static_cast<std::uint64_t>(kind) << kOperationKindShift) | index;
}
constexpr OperationKind KindOf(std::uint64_t user_data) {
  return static_cast<OperationKind>(user_data >> kOperationKindShift);
}
constexpr std::uint32_t IndexOf(std::uint64_t user_data) { return static_cast<std::uint32_t>(user_data); }

}  // namespace synod

#endif  // SYNOD_URING_USER_DATA_H_
