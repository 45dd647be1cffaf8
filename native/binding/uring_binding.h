#ifndef SYNOD_BINDING_URING_BINDING_H_
#define SYNOD_BINDING_URING_BINDING_H_

#include <napi.h>

// Exports createUring, probeUring, readDirectIoAlignment, addressModulo and uringConstants.
void RegisterUring(Napi::Env env, Napi::Object exports);

#endif  // SYNOD_BINDING_URING_BINDING_H_
