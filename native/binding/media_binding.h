#ifndef SYNOD_BINDING_MEDIA_BINDING_H_
#define SYNOD_BINDING_MEDIA_BINDING_H_

#include <napi.h>

// Exports mapSegment, unmapSegment, keepRegion, openRegion, dropRegion, populate, flushRange, flushInstruction and lockFile.
void RegisterMedia(Napi::Env env, Napi::Object exports);

#endif  // SYNOD_BINDING_MEDIA_BINDING_H_
