#include "binding/media_binding.h"

#include <atomic>
#include <cerrno>
#include <memory>

#include "base/file_lock.h"
#include "base/mapped_region.h"
#include "binding/environment.h"
#include "binding/functions.h"
#include "media/flush.h"

namespace synod {

namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kMappedBytesMax = std::size_t{1} << 40;

struct MappedSegment {
  MappedRegion region;
  std::shared_ptr<Environment::MappedTable> table;
};

// Runs on the environment's thread when the mapped memory's buffer is collected or detached, or when the environment
// ends. Only frees: at this time no JavaScript may run, and the environment's state may be gone.
void DeleteSegment(napi_env, void* data, void* hint) {
  const std::unique_ptr<MappedSegment> segment(static_cast<MappedSegment*>(hint));
  // After an early unmapping the address may belong to a later segment already, whose entry must stay.
  const auto found = segment->table->find(data);
  if (found != segment->table->end() && found->second == &segment->region) segment->table->erase(found);
}

// mapSegment(path, bytes, readOnly, requireSync): { bytes, sync }
Napi::Value MapSegment(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = ReadString(info[0], "path");
  const std::size_t length = ReadSize(info[1], "bytes", kMappedBytesMax);
  const bool read_only = ReadBoolean(info[2], "readOnly");
  const bool require_synchronous = ReadBoolean(info[3], "requireSync");

  auto segment = std::make_unique<MappedSegment>();
  MappedRegion& region = segment->region;
  if (const Status status = region.Map(path, length, read_only, require_synchronous); !status.ok()) {
    throw SystemError(env, status.error_number, status.system_call, path);
  }
  // The plain C call: its finalizer gets the hint alone and needs no environment.
  napi_value buffer = nullptr;
  segment->table = Environment::Of(env).mapped();
  (*segment->table)[region.bytes().data()] = &region;
  const napi_status status =
      napi_create_external_arraybuffer(env, region.bytes().data(), length, &DeleteSegment, segment.get(), &buffer);
  if (status != napi_ok) {
    segment->table->erase(region.bytes().data());
    throw Napi::Error::New(env, "this runtime does not take mapped memory as an ArrayBuffer");
  }
  (void)segment.release();

  auto result = Napi::Object::New(env);
  result.Set("bytes", Napi::Uint8Array::New(env, length, Napi::ArrayBuffer(env, buffer), 0));
  result.Set("sync", Napi::Boolean::New(env, region.synchronous()));
  return result;
}

// unmapSegment(bytes)
void UnmapSegment(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto bytes = ReadBytes(info[0], "bytes");
  if (bytes.empty()) return;  // Unmapped before: its views have no length any more.
  auto& mapped = *Environment::Of(env).mapped();
  const auto found = mapped.find(bytes.data());
  if (found == mapped.end()) throw Napi::TypeError::New(env, "bytes must be what mapSegment gave");
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env, info[0], nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
      napi_detach_arraybuffer(env, buffer) != napi_ok) {
    throw Napi::TypeError::New(env, "bytes must be what mapSegment gave");
  }
  // Detached first: from here on no view reaches the memory. The region's object goes with its finalizer, later.
  MappedRegion* region = found->second;
  mapped.erase(found);
  region->Unmap();
}

// populate(bytes, from, to)
void Populate(const Napi::CallbackInfo& info) {
  const auto range = ReadRange(ReadBytes(info[0], "bytes"), info[1], info[2]);
  for (std::size_t at = 0; at < range.size(); at += kPageBytes) {
    // An atomic addition of nothing: a store, which makes the page writable, that loses no other thread's store.
    std::atomic_ref<std::uint8_t>(range[at]).fetch_add(0, std::memory_order_relaxed);
  }
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
  SetFunction<UnmapSegment>(exports, "unmapSegment");
  SetFunction<Populate>(exports, "populate");
  SetFunction<FlushRange>(exports, "flushRange");
  SetFunction<LockFile>(exports, "lockFile");
  exports.Set("flushInstruction", Napi::String::New(env, Flusher::Best().instruction()));
}
