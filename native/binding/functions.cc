#include "binding/functions.h"

#include <uv.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <system_error>

namespace synod {

namespace {

Napi::TypeError WrongType(Napi::Env env, const char* name, const char* wanted) {
  return Napi::TypeError::New(env, std::string(name) + " must be " + wanted);
}

}  // namespace

std::span<std::uint8_t> ReadBytes(const Napi::Value& value, const char* name) {
  // The plain C call, not Napi::Uint8Array: that one asks for the ArrayBuffer too, which a SharedArrayBuffer is not.
  napi_env env = value.Env();
  bool is_typed_array = false;
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array ||
      napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      (type != napi_uint8_array && type != napi_uint8_clamped_array)) {
    throw WrongType(value.Env(), name, "a Uint8Array");
  }
  return {static_cast<std::uint8_t*>(data), data == nullptr ? 0 : length};
}

std::size_t ReadSize(const Napi::Value& value, const char* name, std::size_t maximum) {
  double number = 0;
  if (napi_get_value_double(value.Env(), value, &number) != napi_ok) {
    throw WrongType(value.Env(), name, "a number");
  }
  // Written so that NaN fails too.
  if (!(number >= 0 && number <= static_cast<double>(maximum)) || number != std::floor(number)) {
    throw Napi::RangeError::New(value.Env(), std::string(name) + " must be a whole number from 0 to " +
                                                 std::to_string(maximum));
  }
  return static_cast<std::size_t>(number);
}

std::span<std::uint8_t> ReadRange(std::span<std::uint8_t> bytes, const Napi::Value& start, const Napi::Value& end) {
  const std::size_t to = ReadSize(end, "end", bytes.size());
  const std::size_t from = ReadSize(start, "start", to);
  return bytes.subspan(from, to - from);
}

std::uint32_t ReadUint32(const Napi::Value& value, const char* name) {
  return static_cast<std::uint32_t>(ReadSize(value, name, UINT32_MAX));
}

bool ReadBoolean(const Napi::Value& value, const char* name) {
  bool result = false;
  if (napi_get_value_bool(value.Env(), value, &result) != napi_ok) throw WrongType(value.Env(), name, "a boolean");
  return result;
}

std::string ReadString(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw WrongType(value.Env(), name, "a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  // A zero byte would cut the path short inside the kernel: another file than the one that was named.
  if (text.find('\0') != std::string::npos) throw WrongType(value.Env(), name, "a string without zero bytes");
  return text;
}

Napi::Error SystemError(Napi::Env env, int error_number, const char* system_call, const std::string& path) {
  // The names that Node.js gives them.
  char code[32];
  uv_err_name_r(-error_number, code, sizeof(code));
  std::string message = std::string(code) + ": " + std::generic_category().message(error_number) + ", " + system_call;
  if (!path.empty()) message += " '" + path + "'";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.Set("errno", Napi::Number::New(env, -error_number));
  error.Set("syscall", Napi::String::New(env, system_call));
  if (!path.empty()) error.Set("path", Napi::String::New(env, path));
  return error;
}

}  // namespace synod
