#include "binding/uring_binding.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "binding/functions.h"
#include "binding/uring_handle.h"
#include "uring/probe.h"
#include "uring/socket_address.h"

namespace synod {

namespace {

using Link = UringHandle::Link;

// Methods of a ring that was closed do nothing and yield undefined: TypeScript knows before it calls whether it closed it,
// except where the environment is going down.
void Method(Napi::Object object, const std::shared_ptr<Link>& link, const char* name,
            Napi::Value (*body)(UringHandle&, const Napi::CallbackInfo&)) {
  object.Set(name, Napi::Function::New(
                       object.Env(),
                       [link, body](const Napi::CallbackInfo& info) -> Napi::Value {
                         if (link->handle == nullptr) return info.Env().Undefined();
                         return body(*link->handle, info);
                       },
                       name));
}

std::uint32_t ReadSocket(UringHandle& handle, const Napi::Value& value) {
  const std::uint32_t index = ReadUint32(value, "socket");
  if (!handle.engine().sockets().IsValid(index)) throw Napi::RangeError::New(value.Env(), "socket is not open");
  return index;
}

SocketAddress ReadAddress(const Napi::CallbackInfo& info) {
  SocketAddress address;
  const auto port = static_cast<std::uint16_t>(ReadSize(info[1], "port", UINT16_MAX));
  if (!address.Parse(ReadString(info[0], "host"), port)) {
    throw Napi::TypeError::New(info.Env(), "host must be an IPv4 or IPv6 address");
  }
  return address;
}

Napi::Value ToIndex(UringHandle& handle, Napi::Env env, int result, const char* system_call) {
  if (result < 0) throw SystemError(env, -result, system_call);
  handle.Settle();
  return Napi::Number::New(env, result);
}

// flush(sendCount, returnCount, submit): rows of `sends` and elements of `returns` are taken; then, if `submit`, all
// that is queued goes out.
Napi::Value Flush(UringHandle& handle, const Napi::CallbackInfo& info) {
  const auto sends = static_cast<std::uint32_t>(ReadSize(info[0], "sendCount", UringHandle::kSendRows));
  const auto returns = static_cast<std::uint32_t>(ReadSize(info[1], "returnCount", Engine::kBuffersMax));
  const bool submit = ReadBoolean(info[2], "submit");
  if (!handle.Ingest(sends, returns)) throw Napi::RangeError::New(info.Env(), "a descriptor names what is not there");
  if (submit) handle.Flush();
  return info.Env().Undefined();
}

Napi::Value RegisterMemory(UringHandle& handle, const Napi::CallbackInfo& info) {
  const auto bytes = ReadBytes(info[0], "memory");
  return Napi::Number::New(info.Env(), bytes.empty() ? 0
                                                     : handle.RegisterMemory(reinterpret_cast<char*>(bytes.data()),
                                                                             bytes.size()));
}

Napi::Value UnregisterMemory(UringHandle& handle, const Napi::CallbackInfo& info) {
  handle.UnregisterMemory(ReadUint32(info[0], "id"));
  return info.Env().Undefined();
}

// openPool(incremental, bufferBytes): whether buffers are filled in pieces.
Napi::Value OpenPool(UringHandle& handle, const Napi::CallbackInfo& info) {
  if (handle.engine().pool().registered()) throw Napi::Error::New(info.Env(), "the pool is open");
  const bool incremental = ReadBoolean(info[0], "incremental");
  const auto bytes = static_cast<std::uint32_t>(ReadSize(info[1], "bufferBytes", 1 << 24));
  if (bytes == 0) throw Napi::RangeError::New(info.Env(), "bufferBytes must not be 0");
  if (const Status status = handle.engine().OpenPool(incremental, bytes); !status.ok()) {
    throw SystemError(info.Env(), status.error_number, status.system_call);
  }
  return Napi::Boolean::New(info.Env(), handle.engine().pool().incremental());
}

// addReceiveMemory(memory): buffers of bufferBytes are cut from it.
Napi::Value AddReceiveMemory(UringHandle& handle, const Napi::CallbackInfo& info) {
  const auto bytes = ReadBytes(info[0], "memory");
  if (!handle.engine().pool().registered()) throw Napi::Error::New(info.Env(), "the pool is not open");
  handle.KeepAlive(info[0].As<Napi::Object>());
  handle.engine().AddReceiveMemory(reinterpret_cast<char*>(bytes.data()), bytes.size());
  handle.Settle();
  return info.Env().Undefined();
}

Napi::Value Listen(UringHandle& handle, const Napi::CallbackInfo& info) {
  const SocketAddress address = ReadAddress(info);
  const auto backlog = static_cast<int>(ReadSize(info[2], "backlog", INT32_MAX));
  return ToIndex(handle, info.Env(), handle.engine().sockets().Listen(address, backlog), "listen");
}

Napi::Value Connect(UringHandle& handle, const Napi::CallbackInfo& info) {
  return ToIndex(handle, info.Env(), handle.engine().sockets().Connect(ReadAddress(info)), "connect");
}

Napi::Value AcceptAgain(UringHandle& handle, const Napi::CallbackInfo& info) {
  handle.engine().sockets().AcceptAgain(ReadSocket(handle, info[0]));
  handle.Settle();
  return info.Env().Undefined();
}

Napi::Value CloseSocket(UringHandle& handle, const Napi::CallbackInfo& info) {
  handle.engine().sockets().Close(ReadSocket(handle, info[0]));
  handle.Settle();
  return info.Env().Undefined();
}

Napi::Value SetReceiving(UringHandle& handle, const Napi::CallbackInfo& info) {
  const bool receiving = ReadBoolean(info[1], "receiving");
  handle.engine().sockets().SetReceiving(ReadSocket(handle, info[0]), receiving);
  // Stopping cannot wait for the end of the turn: the kernel goes on receiving into all the buffers that there are.
  if (!receiving) handle.engine().Submit();
  handle.Settle();
  return info.Env().Undefined();
}

// addressOf(socket, otherEnd): { host, port }, or undefined where there is no other end any more.
Napi::Value AddressOf(UringHandle& handle, const Napi::CallbackInfo& info) {
  SocketAddress address;
  const std::uint32_t socket = ReadSocket(handle, info[0]);
  if (!handle.engine().sockets().AddressOf(socket, ReadBoolean(info[1], "otherEnd"), address)) {
    return info.Env().Undefined();
  }
  auto result = Napi::Object::New(info.Env());
  result.Set("host", Napi::String::New(info.Env(), address.host()));
  result.Set("port", Napi::Number::New(info.Env(), address.port()));
  return result;
}

// write(fd, memory, memoryOffset, length, fileOffset, synced): token.
Napi::Value Write(UringHandle& handle, const Napi::CallbackInfo& info) {
  const auto fd = static_cast<int>(ReadSize(info[0], "fd", INT32_MAX));
  constexpr std::size_t kSizeMax = std::size_t{1} << 53;
  const std::size_t length = ReadSize(info[3], "length", kSizeMax);
  const char* data = handle.Resolve(static_cast<double>(ReadUint32(info[1], "memory")),
                                    static_cast<double>(ReadSize(info[2], "memoryOffset", kSizeMax)),
                                    static_cast<double>(length));
  if (data == nullptr) throw Napi::RangeError::New(info.Env(), "the range is not in the memory");
  const std::uint32_t token = handle.engine().files().Write(fd, data, length, ReadSize(info[4], "fileOffset", kSizeMax),
                                                            ReadBoolean(info[5], "synced"));
  handle.Settle();
  return Napi::Number::New(info.Env(), token);
}

Napi::Value Sync(UringHandle& handle, const Napi::CallbackInfo& info) {
  const auto fd = static_cast<int>(ReadSize(info[0], "fd", INT32_MAX));
  const std::uint32_t token = handle.engine().files().Sync(fd);
  handle.Settle();
  return Napi::Number::New(info.Env(), token);
}

Napi::Value Close(UringHandle& handle, const Napi::CallbackInfo& info) {
  handle.Close();
  return info.Env().Undefined();
}

// createUring(wake): see NativeUring in src/native/uring.ts.
Napi::Value CreateUring(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsFunction()) throw Napi::TypeError::New(env, "wake must be a function");
  auto result = Napi::Object::New(env);
  auto link = UringHandle::Start(env, info[0].As<Napi::Function>(), result);
  Method(result, link, "flush", Flush);
  Method(result, link, "registerMemory", RegisterMemory);
  Method(result, link, "unregisterMemory", UnregisterMemory);
  Method(result, link, "openPool", OpenPool);
  Method(result, link, "addReceiveMemory", AddReceiveMemory);
  Method(result, link, "listen", Listen);
  Method(result, link, "connect", Connect);
  Method(result, link, "acceptAgain", AcceptAgain);
  Method(result, link, "closeSocket", CloseSocket);
  Method(result, link, "setReceiving", SetReceiving);
  Method(result, link, "addressOf", AddressOf);
  Method(result, link, "write", Write);
  Method(result, link, "sync", Sync);
  Method(result, link, "close", Close);
  return result;
}

Napi::Value Probe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const UringProbe probe = ProbeUring();
  auto result = Napi::Object::New(env);
  result.Set("error", probe.status.ok()
                          ? env.Null()
                          : SystemError(env, probe.status.error_number, probe.status.system_call).Value());
  result.Set("missingForFiles", Napi::String::New(env, probe.missing_for_files));
  result.Set("missingForSockets", Napi::String::New(env, probe.missing_for_sockets));
  result.Set("incrementalBuffers", Napi::Boolean::New(env, probe.incremental_buffers));
  return result;
}

Napi::Value DirectIoAlignmentOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = ReadString(info[0], "path");
  DirectIoAlignment alignment;
  if (const Status status = ReadDirectIoAlignment(path.c_str(), alignment); !status.ok()) {
    throw SystemError(env, status.error_number, status.system_call, path);
  }
  if (!alignment.known) return env.Null();
  auto result = Napi::Object::New(env);
  result.Set("memory", Napi::Number::New(env, alignment.memory));
  result.Set("offset", Napi::Number::New(env, alignment.offset));
  return result;
}

Napi::Value AddressModulo(const Napi::CallbackInfo& info) {
  const auto bytes = ReadBytes(info[0], "bytes");
  const std::size_t modulus = ReadSize(info[1], "modulus", UINT32_MAX);
  if (modulus == 0) throw Napi::RangeError::New(info.Env(), "modulus must not be 0");
  return Napi::Number::New(info.Env(),
                           static_cast<double>(reinterpret_cast<std::uintptr_t>(bytes.data()) % modulus));
}

Napi::Object Constants(Napi::Env env) {
  auto constants = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { constants.Set(name, Napi::Number::New(env, value)); };
  set("eventFields", EventRows::kFields);
  set("eventRows", EventRows::kCapacity);
  set("eventAccepted", kEventAccepted);
  set("eventAcceptStopped", kEventAcceptStopped);
  set("eventConnected", kEventConnected);
  set("eventReceived", kEventReceived);
  set("eventSent", kEventSent);
  set("eventClosed", kEventClosed);
  set("eventStarved", kEventStarved);
  set("eventWritten", kEventWritten);
  set("sendFields", UringHandle::kSendFields);
  set("sendRows", UringHandle::kSendRows);
  set("stagingBytes", UringHandle::kStagingBytes);
  set("buffersMax", Engine::kBuffersMax);
  set("socketsMax", Sockets::kSocketsMax);
  return constants;
}

}  // namespace

}  // namespace synod

void RegisterUring(Napi::Env env, Napi::Object exports) {
  using namespace synod;
  SetFunction<CreateUring>(exports, "createUring");
  SetFunction<Probe>(exports, "probeUring");
  SetFunction<DirectIoAlignmentOf>(exports, "readDirectIoAlignment");
  SetFunction<AddressModulo>(exports, "addressModulo");
  exports.Set("uringConstants", Constants(env));
}
