// A ring in an environment's event loop: polls the ring's descriptor, calls JavaScript with what it collected, and ends
// with the environment whatever is in flight.
//
// Life: owned by itself from Start to OnClosed, as the loop keeps pointers to its handles that long. JavaScript reaches
// it through a share of a Link, which forgets it when it closes.
//
// Memory that the kernel reads and writes belongs to JavaScript objects. Those end after the cleanup hooks, and the hook
// here waits for the kernel first.

#ifndef SYNOD_BINDING_URING_HANDLE_H_
#define SYNOD_BINDING_URING_HANDLE_H_

#include <napi.h>
#include <uv.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "uring/engine.h"

namespace synod {

class UringHandle {
 public:
  // Descriptors of sends that cross at once, in Float64 rows: socket, memory (-1: the header staging), offset, length.
  static constexpr std::uint32_t kSendFields = 4;
  static constexpr std::uint32_t kSendRows = 1024;
  static constexpr std::uint32_t kStagingBytes = 64 * 1024;

  struct Link {
    UringHandle* handle = nullptr;
  };

  // Throws a JavaScript error where the kernel refuses. `result` gets the shared arrays.
  static std::shared_ptr<Link> Start(Napi::Env env, Napi::Function wake, Napi::Object result);

  Engine& engine() { return *engine_; }

  std::uint32_t RegisterMemory(char* base, std::size_t bytes);
  void UnregisterMemory(std::uint32_t id);
  // The address of [offset, offset + length) of a registered memory, or null where that is not in it.
  const char* Resolve(double id, double offset, double length) const;

  // Takes what JavaScript wrote into the shared arrays. False where a descriptor makes no sense.
  bool Ingest(std::uint32_t send_count, std::uint32_t return_count);
  void Flush();
  // After a call from JavaScript that queued something: sees to it that it goes out, and that the loop stays alive while it
  // must.
  void Settle();
  // Idempotent. Waits for what is in flight.
  void Close();
  void KeepAlive(Napi::Object memory) { memories_.Set(memories_.Value().As<Napi::Array>().Length(), memory); }

 private:
  struct Memory {
    char* base;
    std::size_t bytes;
  };

  explicit UringHandle(Napi::Env env) : env_(env) {}
  template <typename Array>
  typename std::remove_pointer_t<decltype(Array().Data())>* Share(Napi::Object result, const char* name,
                                                                 std::size_t length);

  static void OnReadable(uv_poll_t* poll, int status, int events);
  static void OnTick(uv_timer_t* timer);
  static void OnHandleClosed(uv_handle_t* handle);
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* data);

  void Wake();
  // False where JavaScript can no longer be called, or closed the ring.
  bool CallJavaScript();
  void Count();

  napi_env env_;
  std::unique_ptr<Engine> engine_;
  uv_poll_t poll_{};
  uv_timer_t timer_{};
  int handles_open_ = 0;
  bool closing_ = false;
  bool dispatching_ = false;
  bool timer_set_ = false;
  bool timer_urgent_ = false;
  bool referenced_ = true;

  Napi::FunctionReference wake_;
  Napi::ObjectReference resource_;
  // What the shared arrays and the receive buffers live in.
  Napi::ObjectReference memories_;
  napi_async_context async_context_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  std::shared_ptr<Link> link_;

  double* sends_ = nullptr;
  std::uint8_t* staging_ = nullptr;
  std::int32_t* returns_ = nullptr;
  std::vector<Memory> memory_table_;
  std::vector<std::uint32_t> memory_free_;

  struct {
    std::uint64_t system_calls, bytes_sent, bytes_received, bytes_synced, syncs;
  } counted_{};
};

}  // namespace synod

#endif  // SYNOD_BINDING_URING_HANDLE_H_
