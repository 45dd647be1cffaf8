// Runs a command in which the system calls of io_uring fail, as they do in containers: a seccomp filter in front of them.
//
//   deny_io_uring ERRNO COMMAND [ARGUMENT...]        ERRNO as a number: 1 is EPERM, 38 is ENOSYS, 12 is ENOMEM
//
// Needs no privileges. Exits with 125 where the filter cannot be installed, 127 where the command cannot be run.

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: deny_io_uring ERRNO COMMAND [ARGUMENT...]\n");
    return 2;
  }
  const auto answer = static_cast<unsigned>(std::atoi(argv[1]));
  // io_uring_setup, io_uring_enter and io_uring_register are 425 to 427 everywhere.
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 425, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 427, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (answer & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {static_cast<unsigned short>(std::size(filter)), filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("prctl");
    return 125;
  }
  ::execvp(argv[2], argv + 2);
  std::perror(argv[2]);
  return 127;
}
