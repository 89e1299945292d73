#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace softwarp::program {

// The only candidate that begins with `word`, or the one that the fewest insertions, deletions and
// replacements turn into it; empty if that takes more than two, or half of its letters.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// "; did you mean --epochs?" for the first argument that the program or the subcommand it names does not
// know; empty if nothing is near.
std::string suggestion(const CLI::App& app, int argc, const char* const* argv);

}  // namespace softwarp::program
