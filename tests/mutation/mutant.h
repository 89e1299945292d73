#pragma once

// The switches of the bugs that mutate.py plants: it inserts this header and mutation::on(number) into copies
// of the sources. SOFTWARP_MUTANT=7 in the environment switches number 7 on, for a whole process.

#include <sys/stat.h>

#include <cstdlib>
#include <type_traits>

// A planted bug may narrow a number or leave a variable without use: up to the end of the source nobody
// minds.
#pragma GCC diagnostic ignored "-Warray-bounds"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wunused-but-set-parameter"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"

namespace mutation {

inline const int active = [] {
  const char* const number = std::getenv("SOFTWARP_MUTANT");
  return number != nullptr ? std::atoi(number) : 0;
}();

// Leaves a directory behind, so that a mutant that survives because nothing runs it can be told from one that
// runs unnoticed. A directory, because some tests replace the calls that write files.
[[gnu::cold, gnu::noinline]] inline void note_reached() {
  static const char* const marker = std::getenv("SOFTWARP_MUTANT_REACHED");
  static const int made = marker != nullptr ? mkdir(marker, 0777) : 0;
  static_cast<void>(made);
}

// False in a constant expression, where there is no environment.
constexpr bool on(int number) {
  if (std::is_constant_evaluated()) return false;
  if (active != number) return false;
  note_reached();
  return true;
}

}  // namespace mutation
