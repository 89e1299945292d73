#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace softwarp::program {

// Prints to the standard output. That it could not be written there is found out by finish_output(): a full
// disk under a log must not end a training that writes its files elsewhere.
template <class... T>
void say(fmt::format_string<T...> format, T&&... values) {
  const std::string text = fmt::format(format, std::forward<T>(values)...);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// To the standard error, where there is nobody left to tell if that fails; fmt::print would throw.
template <class... T>
void say_error(fmt::format_string<T...> format, T&&... values) {
  const std::string text = fmt::format(format, std::forward<T>(values)...);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

// For the start of main: makes a write to a pipe that nobody reads an error, and keeps files that are opened
// later from the numbers of standard streams that are closed.
void prepare_output();

// For the end of main: the exit code, or 1 after one line on the standard error if the standard output could
// not be written.
[[nodiscard]] int finish_output(int exit_code);

}  // namespace softwarp::program
