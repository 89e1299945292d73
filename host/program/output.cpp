#include "host/program/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace softwarp::program {

void prepare_output() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0) (void)open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int finish_output(int exit_code) {
  errno = 0;
  const bool arrived = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (arrived) return exit_code;
  const int error = errno != 0 ? errno : EIO;
  if (exit_code != 1)
    say_error("softwarp: standard output: expected to write all of it, found {}\n",
              std::generic_category().message(error));
  return 1;
}

}  // namespace softwarp::program
