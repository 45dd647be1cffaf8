// The ring of one thread with everything on it: log writes and sockets share it, so that one system call per turn
// submits both and fetches what was completed.
//
// Who calls what:
//
//     loop: the ring's descriptor is readable          Collect -> rows for JavaScript -> Recycle, again while there is more
//     JavaScript: sends, writes, closes                queued; nothing leaves
//     JavaScript: end of turn                          Flush

#ifndef SYNOD_URING_ENGINE_H_
#define SYNOD_URING_ENGINE_H_

#include <cstdint>

#include "base/status.h"
#include "uring/events.h"
#include "uring/files.h"
#include "uring/receive_pool.h"
#include "uring/ring.h"
#include "uring/sockets.h"

namespace synod {

struct EngineMemory {
  // EventRows::kCapacity rows.
  std::int32_t* rows;
  // One per buffer that there may ever be.
  std::int32_t* holds;
  // One per socket.
  double* bytes_sent;
};

class Engine {
 public:
  static constexpr unsigned kSubmissionEntries = 512;
  static constexpr unsigned kCompletionEntries = 8192;
  static constexpr std::uint32_t kBuffersMax = 1024;

  explicit Engine(const EngineMemory& memory);
  // Everything must have ended: Stop first.
  ~Engine();

  Status Open();
  // Cancels and waits until the kernel refers to none of the memory it was given. Writes may take as long as the device
  // does, so there is a bound: a write that outlasts it can at worst put wrong bytes behind what was acknowledged, which
  // checksums tell. Nothing is ever received after this. False where the bound was reached.
  bool Stop(int timeout_ms);

  // Brings sockets to life. Once.
  Status OpenPool(bool incremental, std::uint32_t buffer_bytes);
  void AddReceiveMemory(char* memory, std::size_t bytes);
  void GiveBuffer(std::uint16_t id) { pool_.Give(id); }

  int fd() const { return ring_.fd(); }
  const Ring& ring() const { return ring_; }
  const ReceivePool& pool() const { return pool_; }
  EventRows& rows() { return rows_; }
  Files& files() { return files_; }
  Sockets& sockets() { return sockets_; }

  // End of a turn: everything queued goes out. Sends that the kernel took at once are counted at once, and go on with
  // what did not fit into their first message.
  void Flush();
  // What is queued in the ring goes out now; pushed sends stay for the end of the turn.
  void Submit() { refused_ = ring_.Enter() != 0; }
  // Fetches completions and writes rows. False where there is nothing to tell.
  bool Collect();
  // JavaScript has seen the rows.
  void Recycle();

  // True where a call without a wake-up from the ring is due: something to tell or to submit that no completion will
  // bring up. `urgent`: now, else within a millisecond or with the next wake-up.
  bool NeedsTick(bool* urgent) const;
  // True while anything may still happen: the thread's loop should stay alive.
  bool active() const { return sockets_.count() > 0 || files_.in_flight() > 0; }

 private:
  void Dispatch(const abi::Completion& completion);
  void CountSendsOnly();

  Ring ring_;
  ReceivePool pool_;
  EventRows rows_;
  Files files_;
  Sockets sockets_;
  std::int32_t* holds_;
  // The kernel said later to something; asked again with the next tick.
  bool refused_ = false;
  // The last flush ended with sends that are yet to be started.
  bool unfinished_ = false;
};

}  // namespace synod

#endif  // SYNOD_URING_ENGINE_H_
