#pragma once

#include <softwarp/dataset.h>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>

#include "host/model/model_file.h"

namespace softwarp::program {

// The model's file, where a training's directory may be given in its place. No text stands for the newest
// run. Throws Error if there is none.
std::filesystem::path model_path(const std::string& model);

// An option or argument of this name for a model, by default the newest run.
CLI::Option* add_model(CLI::App& command, const std::string& name, std::string& model);

// Names the newest run on the standard error, if model_path() has chosen one. An error is one line, and names
// it itself; so this is for the end of what went well.
void say_newest_run();

// The part ("train" or "test") of the data `name`, by default what the model was trained on, with max_pixel 0
// as it is known or guessed; a guess is said on standard error. Throws Error where the network cannot take
// it.
Dataset load_for(const std::filesystem::path& path, const Model& model, const std::string& name,
                 const std::string& part, int max_pixel);

// Says on standard error what was guessed of the data's pixels, if anything was.
void say_guess(const Dataset& data);

// --max-pixel.
CLI::Option* add_max_pixel(CLI::App& command, std::int64_t& max_pixel);

}  // namespace softwarp::program
