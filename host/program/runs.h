#pragma once

#include <string>

namespace softwarp::program {

// softwarp-run, softwarp-run-2, ...: the first that no training has used.
[[nodiscard]] std::string next_free_run();

// Of those in the current directory, the one whose model was written last; without a model, whose checkpoint
// was. Empty if there is none.
[[nodiscard]] std::string newest_run();

// The text as a word of a shell.
[[nodiscard]] std::string shell_word(const std::string& text);

}  // namespace softwarp::program
