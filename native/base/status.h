// Outcome of something that asks the operating system: success, or which call failed and how. Plain data; the
// binding turns it into a JavaScript error.

#ifndef SYNOD_BASE_STATUS_H_
#define SYNOD_BASE_STATUS_H_

namespace synod {

struct [[nodiscard]] Status {
  int error_number = 0;
  const char* system_call = "";

  bool ok() const { return error_number == 0; }
  static Status Ok() { return {}; }
};

}  // namespace synod

#endif  // SYNOD_BASE_STATUS_H_
