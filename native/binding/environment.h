// What the addon keeps per environment: one for the main thread, one for each worker that loads it. Nothing mutable
// is global but the names of mappings, so that environments come and go without knowing of each other.

#ifndef SYNOD_BINDING_ENVIRONMENT_H_
#define SYNOD_BINDING_ENVIRONMENT_H_

#include <napi.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/counters.h"

namespace synod {

class MappedRegion;
// In media_binding.cc.
struct MappedSegment;

class Environment {
 public:
  // Makes the environment's state and stores it as instance data. Once, when the addon is loaded.
  static Environment& Create(Napi::Env env, Napi::Object exports);

  // Valid until the environment is torn down, that is, in any call from JavaScript and in any cleanup hook that
  // was added after Create.
  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  void Count(CounterIndex index, double amount) { counters_[index] += amount; }
  // The memory behind the Float64Array `counters`, kept alive by a reference for as long as this object.
  double* counters() { return counters_; }

  // Mapped segments by their first byte. An entry goes when the segment is unmapped by hand or collected. Shared with
  // the finalizers, which may run after this object is gone.
  using MappedTable = std::unordered_map<const void*, MappedSegment*>;
  const std::shared_ptr<MappedTable>& mapped() { return mapped_; }

  // Mappings, by name, that last without a buffer.
  std::unordered_map<std::uint32_t, std::shared_ptr<MappedRegion>>& kept_regions() { return kept_regions_; }

 private:
  double* counters_ = nullptr;
  Napi::Reference<Napi::Float64Array> counters_reference_;
  std::shared_ptr<MappedTable> mapped_ = std::make_shared<MappedTable>();
  std::unordered_map<std::uint32_t, std::shared_ptr<MappedRegion>> kept_regions_;
};

}  // namespace synod

#endif  // SYNOD_BINDING_ENVIRONMENT_H_
