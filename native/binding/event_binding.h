#ifndef SYNOD_BINDING_EVENT_BINDING_H_
#define SYNOD_BINDING_EVENT_BINDING_H_

#include <napi.h>

// Exports createEvent and openEventSender.
void RegisterEvents(Napi::Env env, Napi::Object exports);

#endif  // SYNOD_BINDING_EVENT_BINDING_H_
