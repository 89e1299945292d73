#pragma once

#include <softwarp/dataset.h>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/model/model_file.h"

namespace softwarp::program {

// The model's file, where a training's directory may be given in its place. No text stands for the newest
// run. Throws Error if there is none.
std::filesystem::path model_path(const std::string& model);

// Names the newest run on the standard error, if model_path() has chosen one. An error is one line, and names
// it itself; so this is for the end of what went well.
void say_newest_run();

// The flags that complete a network that another program saved.
struct ForeignOptions {
  std::optional<Activation> activation;
  std::vector<double> normalization;  // the mean and the standard deviation of its inputs; empty: 0 and 1

  CLI::Option* add_normalization_to(CLI::App& command);
  void add_to(CLI::App& command);  // and the activation
};

// The network in this file, which softwarp or another program wrote. Another program's has the flags'
// activation, or relu, which is said on standard error; its first layer is made to take pixels that are not
// normalized; its input is empty. Throws Error if the file says otherwise than a flag.
Model open_model(const std::filesystem::path& path, const ForeignOptions& options);

// The steps of open_model(): it reads, refuses flags that the file contradicts or that softwarp's own network
// does not need, and completes another program's.
Model read_any_model(const std::filesystem::path& path, const ForeignOptions& options);
void expect_no_contradiction(const std::filesystem::path& path, const Model& model,
                             const ForeignOptions& options);
void complete(const std::filesystem::path& path, Model& model, const ForeignOptions& options);

// True of a network whose file says nothing of its data.
bool is_foreign(const Model& model);

// Gives a foreign network that sees pictures the square image that its inputs are.
void assume_square(const std::filesystem::path& path, Model& model);

// Throws Error if the directory of data that the file names is gone.
void expect_data_there(const std::string& file, const std::string& data);

// Says on standard error where a directory has the name of a data set that was taken in its place.
void say_shadowed(const std::string& data);

// The part ("train" or "test") of the data `name`, by default what the model was trained on, with max_pixel 0
// as it is known or guessed; a guess is said on standard error, as is that it is not what the network was
// trained with. A foreign network learns its input from it. Throws Error where the network cannot take it.
Dataset load_for(const std::filesystem::path& path, Model& model, const std::string& name,
                 const std::string& part, int max_pixel);

// Measures one more network on data that load_for() read: a foreign one learns its input from them. It is
// said on standard error if they are not what the network was trained with. Throws Error as load_for() does.
void share_data(const std::filesystem::path& path, Model& model, const Dataset& data,
                const std::string& part);

// Says on standard error what was guessed of the data's pixels, if anything was.
void say_guess(const Dataset& data);

// --max-pixel.
CLI::Option* add_max_pixel(CLI::App& command, std::int64_t& max_pixel);

}  // namespace softwarp::program
