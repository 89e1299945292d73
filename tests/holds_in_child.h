#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace softwarp {

// True if `work` returns true in a child within a minute; a hang would keep it from its end.
inline bool holds_in_child(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(work() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace softwarp
