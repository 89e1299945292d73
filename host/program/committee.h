#pragma once

#include <softwarp/dataset.h>
#include <softwarp/mlp.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "host/program/trained_model.h"

namespace softwarp::program {

// Networks whose probabilities are averaged; one alone is a committee, too.
struct Committee {
  struct Member {
    std::string name;  // as it was given
    std::filesystem::path path;
    Model model;
  };
  std::vector<Member> members;  // in the order given
  std::size_t first_known = 0;  // the first whose file says its data; 0 if none does

  Member& known() { return members[first_known]; }
  const Member& known() const { return members[first_known]; }
};

// An option or arguments of this name for models, by default the newest run.
CLI::Option* add_models(CLI::App& command, const std::string& name, std::vector<std::string>& models);

// The networks of these models; no text stands for the newest run. Among several, the flags are for those
// that another program saved. Throws Error if one is missing, is there twice, or has other classes, another
// image size or largest pixel than those before it.
Committee open_committee(std::vector<std::string> models, const ForeignOptions& options);

// load_for() for all of them; by default what the first_known was trained on.
Dataset load_for(Committee& committee, const std::string& name, const std::string& part, int max_pixel);

// Throws Error if pictures would have to be framed in several ways.
void expect_one_framing(const Committee& committee);

// assume_square() for foreign networks that nobody says the data of.
void assume_square(Committee& committee);

// class_names_for() for all of them. Throws Error if they have several lists of names.
std::vector<std::string> class_names_for(const Committee& committee, const std::string& file,
                                         const Dataset& data);

}  // namespace softwarp::program
