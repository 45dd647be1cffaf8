// What the addon counts, per environment (main thread or worker). JavaScript reads the same memory as a
// Float64Array; the names cross as `counterIndex`, so that no list is kept twice.

#ifndef SYNOD_BASE_COUNTERS_H_
#define SYNOD_BASE_COUNTERS_H_

#include <cstddef>

namespace synod {

enum CounterIndex : std::size_t {
  kBytesCopied,     // payload bytes moved by copy and copyAndChecksum
  kBytesPersisted,  // bytes made durable: flushed from the cache, or written by the ring
  kPersists,        // flushes, or synced writes completed
  kSystemCalls,     // system calls made on the data path
  kBytesSent,       // bytes that sockets of the ring have taken
  kBytesReceived,   // bytes that sockets of the ring have given
  kSignals,         // event signals sent
  kCounterCount = 16,
};

struct CounterName {
  CounterIndex index;
  const char* name;
};

inline constexpr CounterName kCounterNames[] = {
    {kBytesCopied, "bytesCopied"}, {kBytesPersisted, "bytesPersisted"}, {kPersists, "persists"},
    {kSystemCalls, "systemCalls"}, {kBytesSent, "bytesSent"},           {kBytesReceived, "bytesReceived"},
    {kSignals, "signals"},
};

}  // namespace synod

#endif  // SYNOD_BASE_COUNTERS_H_
