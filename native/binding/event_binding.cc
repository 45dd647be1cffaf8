#include "binding/event_binding.h"

#include <uv.h>

#include <cerrno>
#include <memory>

#include "base/event_fd.h"
#include "binding/environment.h"
#include "binding/functions.h"

namespace synod {

namespace {

// The receiving end: an eventfd in the environment's own loop. A thread-safe function would do as well, and costs three
// times as much per wake-up.
//
// Life: owned by itself from Start to OnClosed. The environment's end waits for that, by an asynchronous cleanup hook:
// a loop that is freed with an open handle in it would abort the process. JavaScript holds a share of a Handle, which
// forgets the receiver when it closes.
class EventReceiver {
 public:
  struct Handle {
    EventReceiver* receiver = nullptr;
    // Kept after closing, for the object's `fd`.
    int fd = -1;
  };

  static std::shared_ptr<Handle> Start(Napi::Env env, Napi::Function callback) {
    auto receiver = std::unique_ptr<EventReceiver>(new EventReceiver(env));
    if (const Status status = receiver->event_.Create(); !status.ok()) {
      throw SystemError(env, status.error_number, status.system_call);
    }
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "this runtime has no event loop");
    if (const int error = uv_poll_init(loop, &receiver->poll_, receiver->event_.get()); error != 0) {
      throw SystemError(env, -error, "uv_poll_init");
    }
    // From here on the loop knows the handle: the receiver must live until the loop has let go of it.
    EventReceiver* self = receiver.release();
    self->poll_.data = self;
    napi_add_async_cleanup_hook(env, &EventReceiver::OnCleanup, self, &self->cleanup_hook_);
    self->callback_ = Napi::Persistent(callback);
    self->resource_ = Napi::Persistent(Napi::Object::New(env));
    napi_async_init(env, nullptr, Napi::String::New(env, "SynodEvent"), &self->async_context_);
    self->handle_ = std::make_shared<Handle>(Handle{self, self->event_.get()});
    auto handle = self->handle_;
    if (const int error = uv_poll_start(&self->poll_, UV_READABLE, &EventReceiver::OnReadable); error != 0) {
      self->Close();
      throw SystemError(env, -error, "uv_poll_start");
    }
    return handle;
  }

  // On the environment's thread. The second call comes from the cleanup hook at most, and finds `closing_` set.
  void Close() {
    if (closing_) return;
    closing_ = true;
    handle_->receiver = nullptr;
    callback_.Reset();
    resource_.Reset();
    if (async_context_ != nullptr) napi_async_destroy(env_, async_context_);
    async_context_ = nullptr;
    uv_poll_stop(&poll_);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), &EventReceiver::OnClosed);
  }

  void Ref() { uv_ref(reinterpret_cast<uv_handle_t*>(&poll_)); }
  void Unref() { uv_unref(reinterpret_cast<uv_handle_t*>(&poll_)); }

 private:
  explicit EventReceiver(Napi::Env env) : env_(env) {}

  static void OnReadable(uv_poll_t* poll, int status, int) {
    auto* self = static_cast<EventReceiver*>(poll->data);
    if (status < 0 || !self->event_.Take()) return;
    Napi::HandleScope scope(self->env_);
    napi_value callback = self->callback_.Value();
    napi_value resource = self->resource_.Value();
    // `self` may be closed, but not deleted, by the callback: that happens in a later phase of the loop.
    const napi_env env = self->env_;
    napi_value result = nullptr;
    if (napi_make_callback(env, self->async_context_, resource, callback, 0, nullptr, &result) == napi_ok) return;
    // No JavaScript frame is below this one: what the callback threw goes where an uncaught exception goes. In an
    // environment that is being terminated none of this does anything.
    bool pending = false;
    napi_value error = nullptr;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
  }

  static void OnClosed(uv_handle_t* handle) {
    auto* self = static_cast<EventReceiver*>(handle->data);
    // The descriptor closes after the loop has forgotten it, or the loop would wait for another file of that number.
    self->event_.Close();
    napi_remove_async_cleanup_hook(self->cleanup_hook_);
    delete self;
  }

  static void OnCleanup(napi_async_cleanup_hook_handle, void* data) { static_cast<EventReceiver*>(data)->Close(); }

  napi_env env_;
  EventFd event_;
  uv_poll_t poll_{};
  Napi::FunctionReference callback_;
  Napi::ObjectReference resource_;
  napi_async_context async_context_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  std::shared_ptr<Handle> handle_;
  bool closing_ = false;
};

// createEvent(callback): { fd, close(), ref(), unref() }
Napi::Value CreateEvent(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsFunction()) throw Napi::TypeError::New(env, "callback must be a function");
  auto handle = EventReceiver::Start(env, info[0].As<Napi::Function>());
  auto result = Napi::Object::New(env);
  result.Set("fd", Napi::Number::New(env, handle->fd));
  const auto method = [&](const char* name, void (EventReceiver::*function)()) {
    result.Set(name, Napi::Function::New(
                         env,
                         [handle, function](const Napi::CallbackInfo&) {
                           if (handle->receiver != nullptr) (handle->receiver->*function)();
                         },
                         name));
  };
  method("close", &EventReceiver::Close);
  method("ref", &EventReceiver::Ref);
  method("unref", &EventReceiver::Unref);
  return result;
}

// openEventSender(fd): { signal(), close() }
Napi::Value OpenEventSender(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto fd = static_cast<int>(ReadSize(info[0], "fd", INT32_MAX));
  auto event = std::make_shared<EventFd>();
  if (const Status status = event->Duplicate(fd); !status.ok()) {
    if (status.error_number == EINVAL) throw Napi::TypeError::New(env, "fd must be that of an event");
    throw SystemError(env, status.error_number, status.system_call);
  }
  auto result = Napi::Object::New(env);
  result.Set("signal", Napi::Function::New(
                           env,
                           [event](const Napi::CallbackInfo& call) {
                             if (!event->valid()) return;
                             event->Signal();
                             Environment& environment = Environment::Of(call.Env());
                             environment.Count(kSignals, 1);
                             environment.Count(kSystemCalls, 1);
                           },
                           "signal"));
  result.Set("close", Napi::Function::New(env, [event](const Napi::CallbackInfo&) { event->Close(); }, "close"));
  return result;
}

}  // namespace

}  // namespace synod

void RegisterEvents(Napi::Env, Napi::Object exports) {
  using namespace synod;
  SetFunction<CreateEvent>(exports, "createEvent");
  SetFunction<OpenEventSender>(exports, "openEventSender");
}
