#pragma once

#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <cstdint>
#include <string>
#include <vector>

#include "host/training/settings.h"

namespace softwarp {

// The device and the time of a training run.
struct ReportEnvironment {
  std::string device;
  std::string date;
};

// Training images and what --augment made of each: pixels [images.count, images.pixels()], none if nothing
// was deformed.
struct DeformedSample {
  Dataset images;
  std::vector<std::uint8_t> deformed;
};

// One HTML page that needs nothing but itself: what the training reached, how it got there, where the model
// errs and what its first layer looks for. Numbers that are not finite are left blank, text from outside is
// text there. Expects the data that the result is of.
std::string report_html(const TrainingResult& result, const TrainingSettings& settings, const DataPair& data,
                        const ReportEnvironment& environment, const DeformedSample& sample = {});

}  // namespace softwarp
