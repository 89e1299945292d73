#pragma once

#include <softwarp/dataset.h>
#include <softwarp/model.h>
#include <softwarp/train.h>

#include <cstdint>
#include <string>

namespace softwarp::c {

// The defaults of TrainingSettings.
[[nodiscard]] softwarp_training_options default_options();

// Each throws std::invalid_argument, which names the option, what was expected and what was found.
[[nodiscard]] TrainingSettings settings_of(const softwarp_training_options& options);
[[nodiscard]] Activation activation_of(const char* name);
[[nodiscard]] Dataset dataset_of(const softwarp_images& images, const std::int64_t* labels,
                                 const softwarp_training_options& options);

void demand_in(const std::string& name, double value, double least, double most);
void demand_images(const softwarp_images* images);

}  // namespace softwarp::c
