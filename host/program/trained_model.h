#pragma once

#include <softwarp/dataset.h>

#include <filesystem>
#include <string>

#include "host/model/model_file.h"

namespace softwarp::program {

// The model's file, where a training's directory may be given in its place.
std::filesystem::path model_path(const std::string& model);

// Throws Error, which names the model's file, where its network cannot take the data's images.
void check_fit(const std::filesystem::path& path, const Model& model, const Dataset& data);

}  // namespace softwarp::program
