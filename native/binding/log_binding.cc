#include "binding/log_binding.h"

#include "base/copy.h"
#include "binding/environment.h"
#include "binding/functions.h"
#include "log/crc32c.h"
#include "log/record_format.h"

namespace synod {

namespace {

// crc32c(bytes, start, end, seed)
Napi::Value Checksum(const Napi::CallbackInfo& info) {
  const auto bytes = ReadRange(ReadBytes(info[0], "bytes"), info[1], info[2]);
  const std::uint32_t seed = ReadUint32(info[3], "seed");
  return Napi::Number::New(info.Env(), Crc32c(bytes.data(), bytes.size(), seed));
}

struct CopyArguments {
  std::span<std::uint8_t> target;
  std::span<std::uint8_t> source;
};

// (target, targetStart, source, start, end)
CopyArguments ReadCopyArguments(const Napi::CallbackInfo& info) {
  const auto target = ReadBytes(info[0], "target");
  const auto source = ReadRange(ReadBytes(info[2], "source"), info[3], info[4]);
  const std::size_t target_start = ReadSize(info[1], "targetStart", target.size());
  if (target.size() - target_start < source.size()) {
    throw Napi::RangeError::New(info.Env(), "target has no room for the bytes from start to end");
  }
  return {target.subspan(target_start, source.size()), source};
}

// Raised with each change of what the addon exports, or of what an argument or a result means; src/native/build-check.ts has the same.
constexpr int kInterfaceVersion = 2;

// copy(target, targetStart, source, start, end)
void Copy(const Napi::CallbackInfo& info) {
  const auto [target, source] = ReadCopyArguments(info);
  CopyBytes(target.data(), source.data(), source.size());
  Environment::Of(info.Env()).Count(kBytesCopied, static_cast<double>(source.size()));
}

// copyAndChecksum(target, targetStart, source, start, end, seed)
Napi::Value CopyAndChecksum(const Napi::CallbackInfo& info) {
  const auto [target, source] = ReadCopyArguments(info);
  const std::uint32_t seed = ReadUint32(info[5], "seed");
  const std::uint32_t checksum = CopyAndCrc32c(target.data(), source.data(), source.size(), seed);
  Environment::Of(info.Env()).Count(kBytesCopied, static_cast<double>(source.size()));
  return Napi::Number::New(info.Env(), checksum);
}

}  // namespace

}  // namespace synod

void RegisterLog(Napi::Env env, Napi::Object exports) {
  using namespace synod;
  SetFunction<Checksum>(exports, "crc32c");
  SetFunction<Copy>(exports, "copy");
  SetFunction<CopyAndChecksum>(exports, "copyAndChecksum");
  exports.Set("checksumKind", Napi::String::New(env, Crc32cKind()));
  auto constants = Napi::Object::New(env);
  for (const format::Constant& constant : format::kConstants) {
    constants.Set(constant.name, Napi::Number::New(env, constant.value));
  }
  constants.Set("INTERFACE_VERSION", Napi::Number::New(env, kInterfaceVersion));
  exports.Set("constants", constants);
}
