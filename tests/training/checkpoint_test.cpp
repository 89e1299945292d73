#include <softwarp/train.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "host/io/safetensors.h"
#include "host/model/model_file.h"
#include "host/training/history.h"
#include "host/training/run_directory.h"
#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

class CheckpointFile : public testing::Test {
 protected:
  CheckpointFile() {
    const MlpShape shape{6, {4}, 3, Activation::gelu};
    const auto values = [&](float first) {
      std::vector<float> v(static_cast<std::size_t>(ParameterLayout(shape).size));
      for (const ParameterTensor& tensor : ParameterLayout(shape).tensors)
        for (std::int64_t i = 0; i < tensor.size(); ++i)
          v[static_cast<std::size_t>(tensor.offset + i)] = first += 0.1f;
      return v;
    };
    checkpoint_.model.shape = shape;
    checkpoint_.model.input.data = "made up";
    checkpoint_.model.input.height = 2;
    checkpoint_.model.input.width = 3;
    checkpoint_.model.values = values(0);
    checkpoint_.first_moment = values(-1);
    checkpoint_.second_moment = values(1e-40f);  // denormal, too
    checkpoint_.average = values(3);
    checkpoint_.best = values(7);
    checkpoint_.settings = {{"--lr", "0.003"}, {"--data", "a \"directory\"\n"}};
    checkpoint_.data_checksum = 0xfedcba98;
    EpochRecord first, second;
    first.epoch = 1, first.steps = 9, first.learning_rate = 0.1f;
    first.train = {1.0 / 3, 0.1, 100};
    first.validation = {std::numeric_limits<double>::denorm_min(), 0.7, 10};
    second.epoch = 2, second.steps = 18, second.learning_rate = 1e-300;
    second.train = {INFINITY, 1, 100};
    second.validation = {NAN, 0, 10};
    second.seconds = 0.1 + 0.2;
    second.samples_per_second = 1e9 / 7;
    checkpoint_.history = {first, second};
  }

  Checkpoint written_and_read() {
    write_checkpoint(path_, checkpoint_);
    return read_checkpoint(path_);
  }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "last.safetensors";
  Checkpoint checkpoint_;
};

TEST_F(CheckpointFile, ReadsBackToTheLastBit) {
  const Checkpoint back = written_and_read();
  EXPECT_EQ(back.model.shape, checkpoint_.model.shape);
  EXPECT_EQ(back.model.values, checkpoint_.model.values);
  EXPECT_EQ(back.first_moment, checkpoint_.first_moment);
  EXPECT_EQ(back.second_moment, checkpoint_.second_moment);
  EXPECT_EQ(back.average, checkpoint_.average);
  EXPECT_EQ(back.best, checkpoint_.best);
  EXPECT_EQ(back.settings, checkpoint_.settings);
  EXPECT_EQ(back.data_checksum, checkpoint_.data_checksum);
  EXPECT_EQ(history_csv(back.history, true), history_csv(checkpoint_.history, true));
  EXPECT_EQ(back.history[1].seconds, checkpoint_.history[1].seconds);
  EXPECT_EQ(back.history[0].validation.loss, checkpoint_.history[0].validation.loss);
}

TEST_F(CheckpointFile, NeedsNoneOfMomentsAverageAndBest) {
  checkpoint_.first_moment.clear();
  checkpoint_.second_moment.clear();
  checkpoint_.average.clear();
  checkpoint_.best.clear();
  const Checkpoint back = written_and_read();
  EXPECT_TRUE(back.first_moment.empty() && back.second_moment.empty());
  EXPECT_TRUE(back.average.empty() && back.best.empty());
}

TEST_F(CheckpointFile, ReplacesThatOfAnEarlierTrainingAndItsBestEpoch) {
  const RunDirectory run(directory_.path() / "run");
  run.save(checkpoint_);
  EXPECT_EQ(read_model(run.best()).values, checkpoint_.best);
  checkpoint_.best.clear();
  run.save(checkpoint_);
  EXPECT_FALSE(std::filesystem::exists(run.best()));
  EXPECT_TRUE(read_checkpoint(run.last()).best.empty());
}

TEST_F(CheckpointFile, IsRefusedWherePartsAreMissingOrWrong) {
  write_checkpoint(path_, checkpoint_);
  const SafetensorsFile good = read_safetensors(path_);
  const auto expect_refused = [&](auto change, std::initializer_list<std::string_view> parts) {
    SafetensorsFile changed = good;
    change(changed);
    write_safetensors(path_, changed);
    expect_error([&] { std::ignore = read_checkpoint(path_); }, parts);
  };
  for (const char* key : {"history", "settings", "data_checksum", "layers"})
    expect_refused([&](SafetensorsFile& f) { f.metadata.erase(key); }, {path_.string(), key, "found none"});
  const auto expect_entry_refused = [&](const char* key, const std::string& text, std::string_view part) {
    expect_refused([&](SafetensorsFile& f) { f.metadata[key] = text; }, {path_.string(), part});
  };
  const std::string history = good.metadata.at("history");
  expect_entry_refused("settings", "[]", "a JSON object");
  expect_entry_refused("settings", "{\"--lr\":3}", "text for each");
  expect_entry_refused("settings", "{", "a JSON object");
  expect_entry_refused("data_checksum", "4294967296", "a checksum");
  expect_entry_refused("history", "", "a history of epoch,steps");
  expect_entry_refused("history", history.substr(0, history.find('\n') + 1), "at least one epoch");
  expect_entry_refused("history", history + "x\n", "the numbers of epoch 3");
  expect_entry_refused("history", history + history.substr(history.find('\n') + 1), "the numbers of epoch 3");
  const std::string rows = history.substr(0, history.size() - 1);
  expect_entry_refused("history", rows + ",7\n", "the numbers of epoch 2");
  std::string falling = history;
  falling.replace(falling.find("\n2,18,"), 6, "\n2,8,");
  expect_entry_refused("history", falling, "the numbers of epoch 2");
  expect_refused([](SafetensorsFile& f) { f.tensors.pop_back(); }, {"expected"});
  expect_refused([](SafetensorsFile& f) { f.tensors.back().name = "best.fc9.bias"; }, {"expected"});
}

}  // namespace
}  // namespace softwarp
