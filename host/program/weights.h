#pragma once

#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <CLI/CLI.hpp>

#include <optional>
#include <string>

#include "host/program/trained_model.h"

namespace softwarp::program {

// --weights and --normalize of train.
struct WeightsOptions {
  std::string file;
  ForeignOptions foreign;

  void add_to(CLI::App& command);
};

// The network of --weights, if there is one. Its layers and its activation become the settings'. Throws Error
// where flags of `command` say otherwise.
std::optional<Model> read_weights(const CLI::App& command, WeightsOptions options,
                                  TrainingSettings& settings);

// Throws Error unless the network takes the data's images and has their classes.
void expect_fit(const WeightsOptions& options, const Model& weights, const Dataset& data);

}  // namespace softwarp::program
