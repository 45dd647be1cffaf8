#include "binding/media_binding.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/file_lock.h"
#include "base/mapped_region.h"
#include "base/populate.h"
#include "binding/environment.h"
#include "binding/functions.h"
#include "media/flush.h"

namespace synod {

// One thread's hold on a mapping.
struct MappedSegment {
  std::shared_ptr<MappedRegion> region;
  std::shared_ptr<Environment::MappedTable> table;
};

namespace {

constexpr std::size_t kMappedBytesMax = std::size_t{1} << 40;

// The mappings of this process, by the names that its threads tell each other. A name is never given twice.
class RegionNames {
 public:
  static RegionNames& OfProcess() {
    static RegionNames names;
    return names;
  }

  std::uint32_t Add(const std::shared_ptr<MappedRegion>& region) {
    const std::lock_guard lock(mutex_);
    std::erase_if(regions_, [](const auto& entry) { return entry.second.expired(); });
    regions_[++last_] = region;
    return last_;
  }

  std::shared_ptr<MappedRegion> Find(std::uint32_t name) {
    const std::lock_guard lock(mutex_);
    const auto found = regions_.find(name);
    return found == regions_.end() ? nullptr : found->second.lock();
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::weak_ptr<MappedRegion>> regions_;
  std::uint32_t last_ = 0;
};

// Runs on the environment's thread when the mapped memory's buffer is collected or detached, or when the environment
// ends. Only frees: at this time no JavaScript may run, and the environment's state may be gone.
void DeleteSegment(napi_env, void* data, void* hint) {
  const std::unique_ptr<MappedSegment> segment(static_cast<MappedSegment*>(hint));
  // After an early unmapping the address may belong to a later segment already, whose entry must stay.
  const auto found = segment->table->find(data);
  if (found != segment->table->end() && found->second == segment.get()) segment->table->erase(found);
}

// The region as an ArrayBuffer of this thread, which holds it until it is collected or detached.
Napi::Value BytesOf(Napi::Env env, std::shared_ptr<MappedRegion> region) {
  const auto bytes = region->bytes();
  auto segment = std::make_unique<MappedSegment>();
  segment->region = std::move(region);
  segment->table = Environment::Of(env).mapped();
  (*segment->table)[bytes.data()] = segment.get();
  // The plain C call: its finalizer gets the hint alone and needs no environment.
  napi_value buffer = nullptr;
  const napi_status status =
      napi_create_external_arraybuffer(env, bytes.data(), bytes.size(), &DeleteSegment, segment.get(), &buffer);
  if (status != napi_ok) {
    segment->table->erase(bytes.data());
    throw Napi::Error::New(env, "this runtime does not take mapped memory as an ArrayBuffer");
  }
  (void)segment.release();
  return Napi::Uint8Array::New(env, bytes.size(), Napi::ArrayBuffer(env, buffer), 0);
}

// mapSegment(path, bytes, readOnly, requireSync): { bytes, sync, region }
Napi::Value MapSegment(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = ReadString(info[0], "path");
  const std::size_t length = ReadSize(info[1], "bytes", kMappedBytesMax);
  const bool read_only = ReadBoolean(info[2], "readOnly");
  const bool require_synchronous = ReadBoolean(info[3], "requireSync");

  auto region = std::make_shared<MappedRegion>();
  if (const Status status = region->Map(path, length, read_only, require_synchronous); !status.ok()) {
    throw SystemError(env, status.error_number, status.system_call, path);
  }
  auto result = Napi::Object::New(env);
  result.Set("sync", Napi::Boolean::New(env, region->synchronous()));
  result.Set("region", Napi::Number::New(env, RegionNames::OfProcess().Add(region)));
  result.Set("bytes", BytesOf(env, std::move(region)));
  return result;
}

std::uint32_t ReadRegionName(const Napi::Value& value) {
  return static_cast<std::uint32_t>(ReadSize(value, "region", UINT32_MAX));
}

// openRegion(region): bytes or null
Napi::Value OpenRegion(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = RegionNames::OfProcess().Find(ReadRegionName(info[0]));
  if (region == nullptr) return env.Null();
  // One thread with two buffers on the same memory: the end of one would be taken for that of the other.
  if (Environment::Of(env).mapped()->contains(region->bytes().data())) return env.Null();
  return BytesOf(env, std::move(region));
}

// keepRegion(region)
void KeepRegion(const Napi::CallbackInfo& info) {
  const auto name = ReadRegionName(info[0]);
  auto region = RegionNames::OfProcess().Find(name);
  if (region == nullptr) throw Napi::TypeError::New(info.Env(), "region must be one that is mapped");
  Environment::Of(info.Env()).kept_regions()[name] = std::move(region);
}

// dropRegion(region)
void DropRegion(const Napi::CallbackInfo& info) {
  const auto name = ReadRegionName(info[0]);
  Environment::Of(info.Env()).kept_regions().erase(name);
}

// unmapSegment(bytes)
void UnmapSegment(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto bytes = ReadBytes(info[0], "bytes");
  if (bytes.empty()) return;  // Unmapped before: its views have no length any more.
  auto& mapped = *Environment::Of(env).mapped();
  const auto found = mapped.find(bytes.data());
  if (found == mapped.end()) throw Napi::TypeError::New(env, "bytes must be what mapSegment gave");
  MappedSegment* segment = found->second;
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env, info[0], nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
      napi_detach_arraybuffer(env, buffer) != napi_ok) {
    throw Napi::TypeError::New(env, "bytes must be what mapSegment gave");
  }
  // Detached first: from here on no view of this thread reaches the memory. The finalizer, later, frees the rest.
  mapped.erase(bytes.data());
  segment->region.reset();
}

// populate(bytes, from, to)
void PopulateRange(const Napi::CallbackInfo& info) {
  Populate(ReadRange(ReadBytes(info[0], "bytes"), info[1], info[2]));
}

// flushRange(bytes, from, to)
void FlushRange(const Napi::CallbackInfo& info) {
  const auto range = ReadRange(ReadBytes(info[0], "bytes"), info[1], info[2]);
  if (const Status status = Flusher::Best().Flush(range.data(), range.size()); !status.ok()) {
    throw SystemError(info.Env(), status.error_number, status.system_call);
  }
  Environment& environment = Environment::Of(info.Env());
  environment.Count(kBytesPersisted, static_cast<double>(range.size()));
  environment.Count(kPersists, 1);
}

// lockFile(path): { unlock() } or null
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = ReadString(info[0], "path");
  auto lock = std::make_shared<FileLock>();
  if (const Status status = lock->Lock(path); !status.ok()) {
    if (status.error_number == EAGAIN) return env.Null();
    throw SystemError(env, status.error_number, status.system_call, path);
  }
  auto result = Napi::Object::New(env);
  result.Set("unlock", Napi::Function::New(env, [lock](const Napi::CallbackInfo&) { lock->Unlock(); }, "unlock"));
  return result;
}

}  // namespace

}  // namespace synod

void RegisterMedia(Napi::Env env, Napi::Object exports) {
  using namespace synod;
  SetFunction<MapSegment>(exports, "mapSegment");
  SetFunction<OpenRegion>(exports, "openRegion");
  SetFunction<KeepRegion>(exports, "keepRegion");
  SetFunction<DropRegion>(exports, "dropRegion");
  SetFunction<UnmapSegment>(exports, "unmapSegment");
  SetFunction<PopulateRange>(exports, "populate");
  SetFunction<FlushRange>(exports, "flushRange");
  SetFunction<LockFile>(exports, "lockFile");
  exports.Set("flushInstruction", Napi::String::New(env, Flusher::Best().instruction()));
}
