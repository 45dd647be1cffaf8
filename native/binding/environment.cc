#include "binding/environment.h"

#include "binding/functions.h"

namespace synod {

Environment& Environment::Create(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  env.SetInstanceData(environment);
  auto counters = Napi::Float64Array::New(env, kCounterCount);
  environment->counters_ = counters.Data();
  environment->counters_reference_ = Napi::Persistent(counters);
  // The environment's teardown deletes references itself; a destructor that does it again would be too late.
  environment->counters_reference_.SuppressDestruct();

  auto names = Napi::Object::New(env);
  for (const CounterName& counter : kCounterNames) {
    names.Set(counter.name, Napi::Number::New(env, static_cast<double>(counter.index)));
  }
  exports.Set("counters", counters);
  exports.Set("counterIndex", names);
  return *environment;
}

}  // namespace synod
