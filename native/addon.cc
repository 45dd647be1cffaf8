// Entry of the addon: makes the environment's state, then lets each part add its functions to the exports.

#include <napi.h>

#include "binding/environment.h"
#include "binding/event_binding.h"
#include "binding/log_binding.h"
#include "binding/media_binding.h"

#if defined(__linux__) && __has_include("binding/uring_binding.h")
#include "binding/uring_binding.h"
#define SYNOD_HAS_URING 1
#endif

namespace {

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  synod::Environment::Create(env, exports);
  RegisterLog(env, exports);
  RegisterMedia(env, exports);
  RegisterEvents(env, exports);
#if defined(SYNOD_HAS_URING)
  RegisterUring(env, exports);
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(synod_native, Initialize)
