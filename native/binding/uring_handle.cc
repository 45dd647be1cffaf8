#include "binding/uring_handle.h"

#include "binding/environment.h"
#include "binding/functions.h"

namespace synod {

namespace {

// Turns taken in one wake-up while completions keep coming; after that the loop sees to its other work.
constexpr int kRoundsMax = 4;
// What the end of an environment waits for writes that are in flight.
constexpr int kStopTimeoutMs = 10'000;

}  // namespace

template <typename Array>
typename std::remove_pointer_t<decltype(Array().Data())>* UringHandle::Share(Napi::Object result, const char* name,
                                                                            std::size_t length) {
  auto array = Array::New(env_, length);
  result.Set(name, array);
  KeepAlive(array);
  return array.Data();
}

std::shared_ptr<UringHandle::Link> UringHandle::Start(Napi::Env env, Napi::Function wake,
                                                      Napi::Object result) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "this runtime has no event loop");
  auto owner = std::unique_ptr<UringHandle>(new UringHandle(env));
  owner->memories_ = Napi::Persistent(Napi::Array::New(env).As<Napi::Object>());
  EngineMemory memory{};
  memory.rows = owner->Share<Napi::Int32Array>(result, "events", EventRows::kCapacity * EventRows::kFields);
  memory.holds = owner->Share<Napi::Int32Array>(result, "holds", Engine::kBuffersMax);
  memory.bytes_sent = owner->Share<Napi::Float64Array>(result, "bytesSent", Sockets::kSocketsMax);
  owner->sends_ = owner->Share<Napi::Float64Array>(result, "sends", kSendRows * kSendFields);
  owner->staging_ = owner->Share<Napi::Uint8Array>(result, "staging", kStagingBytes);
  owner->returns_ = owner->Share<Napi::Int32Array>(result, "returns", Engine::kBuffersMax);
  // Memory 0 is for payloads of no bytes.
  owner->memory_table_.push_back({nullptr, 0});
  owner->engine_ = std::make_unique<Engine>(memory);
  if (const Status status = owner->engine_->Open(); !status.ok()) {
    throw SystemError(env, status.error_number, status.system_call);
  }
  if (const int error = uv_poll_init(loop, &owner->poll_, owner->engine_->fd()); error != 0) {
    throw SystemError(env, -error, "uv_poll_init");
  }
  // From here on the loop knows the handles: they must live until it has let go of them.
  UringHandle* self = owner.release();
  uv_timer_init(loop, &self->timer_);
  self->poll_.data = self;
  self->timer_.data = self;
  self->handles_open_ = 2;
  uv_unref(reinterpret_cast<uv_handle_t*>(&self->timer_));
  napi_add_async_cleanup_hook(env, &UringHandle::OnCleanup, self, &self->cleanup_hook_);
  self->wake_ = Napi::Persistent(wake);
  self->resource_ = Napi::Persistent(Napi::Object::New(env));
  napi_async_init(env, nullptr, Napi::String::New(env, "SynodUring"), &self->async_context_);
  self->link_ = std::make_shared<Link>(Link{self});
  auto link = self->link_;
  if (const int error = uv_poll_start(&self->poll_, UV_READABLE, &UringHandle::OnReadable); error != 0) {
    self->Close();
    throw SystemError(env, -error, "uv_poll_start");
  }
  self->Settle();
  return link;
}

std::uint32_t UringHandle::RegisterMemory(char* base, std::size_t bytes) {
  std::uint32_t id;
  if (memory_free_.empty()) {
    id = static_cast<std::uint32_t>(memory_table_.size());
    memory_table_.push_back({base, bytes});
  } else {
    id = memory_free_.back();
    memory_free_.pop_back();
    memory_table_[id] = {base, bytes};
  }
  return id;
}

void UringHandle::UnregisterMemory(std::uint32_t id) {
  if (id == 0 || id >= memory_table_.size() || memory_table_[id].base == nullptr) return;
  memory_table_[id] = {nullptr, 0};
  memory_free_.push_back(id);
}

const char* UringHandle::Resolve(double id, double offset, double length) const {
  if (!(id >= 1 && id < static_cast<double>(memory_table_.size()))) return nullptr;
  const Memory& memory = memory_table_[static_cast<std::size_t>(id)];
  if (memory.base == nullptr || !(offset >= 0 && length >= 0)) return nullptr;
  if (!(offset + length <= static_cast<double>(memory.bytes))) return nullptr;
  return memory.base + static_cast<std::size_t>(offset);
}

bool UringHandle::Ingest(std::uint32_t send_count, std::uint32_t return_count) {
  for (std::uint32_t index = 0; index < return_count; index++) {
    const std::int32_t id = returns_[index];
    if (id < 0 || static_cast<std::uint32_t>(id) >= engine_->pool().count()) return false;
    engine_->GiveBuffer(static_cast<std::uint16_t>(id));
  }
  Sockets& sockets = engine_->sockets();
  const double* row = sends_;
  for (std::uint32_t index = 0; index < send_count; index++, row += kSendFields) {
    const auto socket = static_cast<std::uint32_t>(row[0]);
    if (!sockets.IsValid(socket)) return false;
    if (row[1] < 0) {
      if (!(row[2] >= 0 && row[3] >= 0 && row[2] + row[3] <= kStagingBytes)) return false;
      sockets.PushHeader(socket, reinterpret_cast<const char*>(staging_) + static_cast<std::size_t>(row[2]),
                         static_cast<std::size_t>(row[3]));
    } else if (row[3] == 0) {
      sockets.PushPayload(socket, nullptr, 0);
    } else {
      const char* data = Resolve(row[1], row[2], row[3]);
      if (data == nullptr) return false;
      sockets.PushPayload(socket, data, static_cast<std::size_t>(row[3]));
    }
  }
  return true;
}

void UringHandle::Flush() {
  engine_->Flush();
  Settle();
}

void UringHandle::Settle() {
  // The end of the wake-up does it for all calls made in it.
  if (dispatching_ || closing_) return;
  bool urgent = false;
  const bool needed = engine_->NeedsTick(&urgent);
  if (needed && (!timer_set_ || (urgent && !timer_urgent_))) {
    uv_timer_start(&timer_, &UringHandle::OnTick, urgent ? 0 : 1, 0);
    timer_set_ = true;
    timer_urgent_ = urgent;
  } else if (!needed && timer_set_) {
    uv_timer_stop(&timer_);
    timer_set_ = false;
  }
  if (const bool active = engine_->active(); active != referenced_) {
    referenced_ = active;
    auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
    if (active) {
      uv_ref(handle);
    } else {
      uv_unref(handle);
    }
  }
  Count();
}

void UringHandle::Count() {
  Environment& environment = Environment::Of(env_);
  const auto count = [&environment](std::uint64_t& counted, std::uint64_t now, CounterIndex index) {
    if (now == counted) return;
    environment.Count(index, static_cast<double>(now - counted));
    counted = now;
  };
  const Sockets& sockets = engine_->sockets();
  const Files& files = engine_->files();
  count(counted_.system_calls, engine_->ring().enters() + sockets.system_calls(), kSystemCalls);
  count(counted_.bytes_sent, sockets.bytes_sent(), kBytesSent);
  count(counted_.bytes_received, sockets.bytes_received(), kBytesReceived);
  count(counted_.bytes_synced, files.bytes_synced(), kBytesPersisted);
  count(counted_.syncs, files.syncs(), kPersists);
}

void UringHandle::OnReadable(uv_poll_t* poll, int status, int) {
  if (status >= 0) static_cast<UringHandle*>(poll->data)->Wake();
}

void UringHandle::OnTick(uv_timer_t* timer) {
  auto* self = static_cast<UringHandle*>(timer->data);
  self->timer_set_ = false;
  self->engine_->Flush();
  self->Wake();
}

void UringHandle::Wake() {
  if (closing_) return;
  Napi::HandleScope scope(env_);
  dispatching_ = true;
  for (int round = 0; round < kRoundsMax; round++) {
    if (engine_->Collect()) {
      if (!CallJavaScript()) {
        dispatching_ = false;
        return;
      }
      engine_->Recycle();
    }
    // What the handlers, and the completions themselves, queued and nobody has flushed.
    engine_->Flush();
    if (engine_->ring().Peek() == nullptr) break;
  }
  dispatching_ = false;
  Settle();
}

bool UringHandle::CallJavaScript() {
  // What the handlers are told of is in the counters already.
  Count();
  // `this` may be closed, but not deleted, by the call: that happens in a later phase of the loop.
  const napi_env env = env_;
  napi_value argument = Napi::Number::New(env, engine_->rows().count());
  napi_value result = nullptr;
  if (napi_make_callback(env, async_context_, resource_.Value(), wake_.Value(), 1, &argument, &result) != napi_ok) {
    // No JavaScript frame is below this one: what was thrown goes where an uncaught exception goes. In an environment that
    // is being terminated none of this does anything.
    bool pending = false;
    napi_value error = nullptr;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
  }
  return !closing_;
}

void UringHandle::Close() {
  if (closing_) return;
  closing_ = true;
  link_->handle = nullptr;
  // Before anything else, and without a way around it: the kernel must not refer to memory that JavaScript is about to
  // lose.
  engine_->Stop(kStopTimeoutMs);
  uv_poll_stop(&poll_);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), &UringHandle::OnHandleClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), &UringHandle::OnHandleClosed);
  wake_.Reset();
  resource_.Reset();
  memories_.Reset();
  if (async_context_ != nullptr) napi_async_destroy(env_, async_context_);
  async_context_ = nullptr;
}

void UringHandle::OnHandleClosed(uv_handle_t* handle) {
  auto* self = static_cast<UringHandle*>(handle->data);
  if (--self->handles_open_ > 0) return;
  napi_remove_async_cleanup_hook(self->cleanup_hook_);
  // The ring's descriptor closes with the engine: after the loop has forgotten it.
  delete self;
}

void UringHandle::OnCleanup(napi_async_cleanup_hook_handle, void* data) { static_cast<UringHandle*>(data)->Close(); }

}  // namespace synod
