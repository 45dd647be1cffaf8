#ifndef SYNOD_BINDING_LOG_BINDING_H_
#define SYNOD_BINDING_LOG_BINDING_H_

#include <napi.h>

// Exports crc32c, copy, copyAndChecksum, checksumKind and the constants: those of the log format, and the version of the exports.
void RegisterLog(Napi::Env env, Napi::Object exports);

#endif  // SYNOD_BINDING_LOG_BINDING_H_
