#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/model/model_file.h"
#include "host/training/evaluation.h"

namespace softwarp {

// The record of an epoch.
struct EpochRecord {
  std::int64_t epoch = 0;         // from 1
  std::int64_t steps = 0;         // since training began
  double learning_rate = 0;       // of the epoch's last step
  Score train;                    // running: each batch before its step, with dropout
  Score validation;               // after the epoch; no images: none were held out
  double seconds = 0;             // since training began, pauses not counted
  double samples_per_second = 0;  // of this epoch, validation not counted
};

// A training after an epoch: all that its rest depends on, bit for bit.
struct Checkpoint {
  Model model;                       // as the epoch left it
  std::vector<float> first_moment;   // of the optimizer, laid out as the model's values; empty: it has none
  std::vector<float> second_moment;  // the same
  std::vector<float> best;           // values of the lowest validation loss; empty: none were held out
  std::vector<EpochRecord> history;  // one record an epoch
  std::map<std::string, std::string> settings;  // as flags: "--lr" is "0.003"
  std::uint32_t data_checksum = 0;              // of the training images: dataset.h
};

// A safetensors file: the model's tensors as in model_file.h, those of the moments and the best with
// first_moment., second_moment. and best. before their names, everything else in the metadata. Throws Error
// naming the file, what was expected and what was found; nothing half-written stays behind.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
[[nodiscard]] Checkpoint read_checkpoint(const std::filesystem::path& path);

// A row an epoch, a column a field; numbers read back as the same bits. Without the times, the same training
// gives the same bytes.
[[nodiscard]] std::string history_csv(const std::vector<EpochRecord>& history, bool times);

}  // namespace softwarp
