// Reading arguments and making functions. TypeScript checks arguments for people; these checks keep a wrong call
// from harming the process: each throws a TypeError or RangeError, which node-addon-api turns into a JavaScript one.

#ifndef SYNOD_BINDING_FUNCTIONS_H_
#define SYNOD_BINDING_FUNCTIONS_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace synod {

// The bytes of a Uint8Array (a Buffer too), whether an ArrayBuffer or a SharedArrayBuffer is behind it. Valid during
// the call; `name` is for the message.
std::span<std::uint8_t> ReadBytes(const Napi::Value& value, const char* name);

// A whole number from 0 to `maximum`, both included.
std::size_t ReadSize(const Napi::Value& value, const char* name, std::size_t maximum);

// Bytes [start, end) of `bytes`, with `start` and `end` taken from the call.
std::span<std::uint8_t> ReadRange(std::span<std::uint8_t> bytes, const Napi::Value& start, const Napi::Value& end);

std::uint32_t ReadUint32(const Napi::Value& value, const char* name);
bool ReadBoolean(const Napi::Value& value, const char* name);
std::string ReadString(const Napi::Value& value, const char* name);

// A JavaScript Error with `code` (ENOSPC, ...), `errno` (negative, as Node has it), `syscall` and `path`, for throwing.
Napi::Error SystemError(Napi::Env env, int error_number, const char* system_call, const std::string& path = {});

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void SetFunction(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<function>(exports.Env(), name));
}

template <void (*function)(const Napi::CallbackInfo&)>
void SetFunction(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<function>(exports.Env(), name));
}

}  // namespace synod

#endif  // SYNOD_BINDING_FUNCTIONS_H_
