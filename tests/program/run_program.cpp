#include "tests/program/run_program.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

namespace softwarp {
namespace {

struct Pipe {
  Pipe() {
    if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
  }
  ~Pipe() {
    for (const int end : ends)
      if (end >= 0) close(end);
  }
  void close_end(int i) {
    close(ends[static_cast<std::size_t>(i)]);
    ends[static_cast<std::size_t>(i)] = -1;
  }
  std::array<int, 2> ends{};
};

// Appends what there is; false at the end of the file.
bool drain(int from, std::string& to) {
  std::array<char, 4096> buffer;
  const ssize_t n = read(from, buffer.data(), buffer.size());
  if (n > 0) to.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0;
}

[[noreturn]] void become(const char* program, const std::vector<std::string>& arguments,
                         const std::filesystem::path& directory) {
  std::vector<char*> argv{const_cast<char*>(program)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  if (chdir(directory.c_str()) == 0) execv(argv[0], argv.data());
  _exit(127);
}

ProgramRun run(const char* program, const std::vector<std::string>& arguments,
               const std::filesystem::path& directory, const Stop& stop) {
  Pipe out, err;
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    dup2(out.ends[1], STDOUT_FILENO);
    dup2(err.ends[1], STDERR_FILENO);
    become(program, arguments, directory);
  }
  out.close_end(1);
  err.close_end(1);

  ProgramRun result;
  std::array<pollfd, 2> polled{{{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}}};
  bool interrupted = stop.interrupt_after.empty();
  const auto start = std::chrono::steady_clock::now();
  const auto left_ms = [&] {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    return static_cast<int>(std::max(0.0, 1e3 * (stop.kill_after - passed.count())));
  };
  bool killed = stop.kill_after == 0;
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    if (!killed && left_ms() == 0) {
      kill(child, SIGKILL);
      killed = true;
    }
    poll(polled.data(), polled.size(), killed ? -1 : left_ms());
    for (std::size_t i = 0; i < 2; ++i)
      if (polled[i].revents != 0 && !drain(polled[i].fd, i == 0 ? result.out : result.err)) polled[i].fd = -1;
    if (!interrupted && result.out.find(stop.interrupt_after) != std::string::npos) {
      kill(child, stop.signal);
      interrupted = true;
    }
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  result.peak_mb = static_cast<double>(usage.ru_maxrss) / 1024;
  result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

}  // namespace

Arguments small_training(const Arguments& more) {
  Arguments arguments{"train",  "--device", "cpu", "--threads", "1", "--data",
                      "digits", "--hidden", "8",   "--epochs",  "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

ProgramRun run_program(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                       const Stop& stop) {
  return run(SOFTWARP_PROGRAM, arguments, directory, stop);
}
ProgramRun run_simulated(const std::vector<std::string>& arguments, const std::filesystem::path& directory) {
  return run(SOFTWARP_SIMULATED_PROGRAM, arguments, directory, {});
}
ProgramRun run_on_failing_files(const std::vector<std::string>& arguments,
                                const std::filesystem::path& directory) {
  return run(SOFTWARP_FAILING_FILES_PROGRAM, arguments, directory, {});
}

}  // namespace softwarp
