// The functions of model.h on each device: networks learn, their outputs are the definition's in double,
// files hold what was trained, and calls that break a rule are refused.

#include <gtest/gtest.h>
#include <softwarp/mlp.h>
#include <softwarp/model.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/c/training_options.h"
#include "host/io/safetensors.h"
#include "host/training/settings.h"
#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

struct Free {
  void operator()(softwarp_model* model) const { softwarp_model_free(model); }
};
using Owned = std::unique_ptr<softwarp_model, Free>;

// Points around three centres, of which no coordinate is a byte, and their labels.
struct Points {
  static constexpr std::int64_t kCount = 300, kInputs = 5;

  Points() {
    for (std::int64_t i = 0; i < kCount; ++i) {
      labels.push_back(i % 3);
      for (std::int64_t j = 0; j < kInputs; ++j) {
        const double centre = 3 * std::sin(1.7 * static_cast<double>(i % 3 + 3 * j) + 1);
        values.push_back(
            static_cast<float>(centre + 0.3 * std::sin(12.9898 * static_cast<double>(i * kInputs + j))));
      }
    }
  }
  softwarp_images images() const { return {kCount, 1, kInputs, nullptr, values.data()}; }

  std::vector<float> values;
  std::vector<std::int64_t> labels;
};

constexpr std::int64_t kHidden[] = {16, 8};

softwarp_training_options small_options() {
  softwarp_training_options options = c::default_options();
  options.hidden = kHidden;
  options.hidden_layers = 2;
  options.activation = "gelu";
  options.epochs = 8;
  options.batch_size = 32;
  options.learning_rate = 0.02;
  options.input_dropout = options.dropout = 0;
  return options;
}

Owned train(softwarp_device device, const softwarp_images& images, const std::vector<std::int64_t>& labels,
            const softwarp_training_options& options) {
  softwarp_model* model = nullptr;
  EXPECT_EQ(softwarp_model_train(device, &images, labels.data(), &options, &model), SOFTWARP_SUCCESS)
      << softwarp_last_error();
  return Owned(model);
}

std::int64_t classes_of(const Owned& model) {
  softwarp_model_description what{};
  EXPECT_EQ(softwarp_model_describe(model.get(), &what), SOFTWARP_SUCCESS) << softwarp_last_error();
  return what.classes;
}

std::vector<float> logits(softwarp_device device, const Owned& model, const softwarp_images& images) {
  std::vector<float> found(static_cast<std::size_t>(images.count * classes_of(model)));
  EXPECT_EQ(softwarp_model_logits(model.get(), device, 1, &images, found.data()), SOFTWARP_SUCCESS)
      << softwarp_last_error();
  return found;
}

Model stored(const Owned& model, const std::filesystem::path& path) {
  EXPECT_EQ(softwarp_model_write(model.get(), path.c_str()), SOFTWARP_SUCCESS) << softwarp_last_error();
  return read_model(path);
}

// GELU in its tanh form.
double gelu(double z) { return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); }

std::vector<double> logits_by_definition(const Model& model, const float* x) {
  const ParameterLayout layout(model.shape);
  std::vector<double> h(x, x + model.shape.inputs);
  for (std::int64_t layer = 0; layer < model.shape.layers(); ++layer) {
    const ParameterTensor& w = layout.weight(layer);
    std::vector<double> next;
    for (std::int64_t r = 0; r < w.rows; ++r) {
      double sum = model.values[static_cast<std::size_t>(layout.bias(layer).offset + r)];
      for (std::int64_t i = 0; i < w.cols; ++i)
        sum += double{model.values[static_cast<std::size_t>(w.offset + r * w.cols + i)]} *
               h[static_cast<std::size_t>(i)];
      next.push_back(layer + 1 < model.shape.layers() ? gelu(sum) : sum);
    }
    h = next;
  }
  return h;
}

TEST(CModel, LearnsWhatAreNoPixelsAndComputesByTheDefinition) {
  const Points points;
  const TemporaryDirectory directory;
  for (const softwarp_device device : {SOFTWARP_CPU, SOFTWARP_CUDA}) {
    SCOPED_TRACE(device);
    const Owned model = train(device, points.images(), points.labels, small_options());
    const Model file = stored(model, directory.path() / "model.safetensors");
    EXPECT_EQ(file.shape.text(), "5-16-8-3");
    const auto found = logits(device, model, points.images());
    std::vector<float> probabilities(found.size());
    const softwarp_images images = points.images();
    ASSERT_EQ(softwarp_model_probabilities(model.get(), device, 0, &images, probabilities.data()),
              SOFTWARP_SUCCESS);
    int correct = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(Points::kCount); ++i) {
      const auto expected = logits_by_definition(file, points.values.data() + i * Points::kInputs);
      double sum = 0;
      for (const double z : expected) sum += std::exp(z);
      for (std::size_t c = 0; c < 3; ++c) {
        ASSERT_NEAR(found[3 * i + c], expected[c], 2e-5) << "row " << i;
        ASSERT_NEAR(probabilities[3 * i + c], std::exp(expected[c]) / sum, 2e-5) << "row " << i;
      }
      correct += std::ranges::max_element(expected) - expected.begin() == points.labels[i];
    }
    EXPECT_GT(correct, 295);  // the centres are ten deviations apart
  }
}

// More rows than are computed at a time, and a rest.
TEST(CModel, GivesARowTheSameLogitsAmongMany) {
  const Points points;
  const Owned model = train(SOFTWARP_CPU, points.images(), points.labels, small_options());
  std::vector<float> many;
  for (int i = 0; i < 8; ++i) many.insert(many.end(), points.values.begin(), points.values.end());
  const auto once = logits(SOFTWARP_CPU, model, points.images());
  const auto all =
      logits(SOFTWARP_CPU, model, {8 * Points::kCount, Points::kInputs, 1, nullptr, many.data()});
  ASSERT_EQ(all.size(), 8 * once.size());
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_NEAR(all[i], once[i % once.size()], 1e-5) << i;
  EXPECT_TRUE(logits(SOFTWARP_CPU, model, {0, 1, Points::kInputs, nullptr, nullptr}).empty());
}

TEST(CModel, TakesBytesAsFloatsOfTheirScale) {
  std::vector<std::uint8_t> pixels;
  std::vector<float> values;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 64 * 6; ++i) {
    pixels.push_back(static_cast<std::uint8_t>(i * 7 % 17));
    values.push_back(static_cast<float>(pixels.back()) * (1.0f / 16));
    if (i % 6 == 0) labels.push_back(i / 6 % 4);
  }
  softwarp_training_options options = small_options();
  options.max_pixel = 16;
  options.validation = 0.25;
  const softwarp_images bytes{64, 2, 3, pixels.data(), nullptr}, floats{64, 2, 3, nullptr, values.data()};
  for (const softwarp_device device : {SOFTWARP_CPU, SOFTWARP_CUDA}) {
    SCOPED_TRACE(device);
    const Owned of_bytes = train(device, bytes, labels, options),
                of_floats = train(device, floats, labels, options);
    EXPECT_EQ(logits(device, of_bytes, bytes), logits(device, of_floats, floats));
    EXPECT_EQ(logits(device, of_bytes, floats), logits(device, of_floats, floats));
  }
}

TEST(CModel, SaysWhatItIs) {
  const Points points;
  softwarp_training_options options = small_options();
  options.classes = 7;
  const softwarp_images images{Points::kCount, 5, 1, nullptr, points.values.data()};
  const Owned model = train(SOFTWARP_CPU, images, points.labels, options);
  softwarp_model_description what{};
  ASSERT_EQ(softwarp_model_describe(model.get(), &what), SOFTWARP_SUCCESS);
  EXPECT_EQ(what.inputs, 5);
  EXPECT_EQ(what.height, 5);
  EXPECT_EQ(what.width, 1);
  EXPECT_EQ(what.classes, 7);
  EXPECT_EQ(std::vector(what.hidden, what.hidden + what.hidden_layers), (std::vector<std::int64_t>{16, 8}));
  EXPECT_STREQ(what.activation, "gelu");
  EXPECT_EQ(what.max_pixel, 255);
}

TEST(CModel, HasTheDefaultsOfTheTrainer) {
  softwarp_training_options options;
  ASSERT_EQ(softwarp_training_defaults(&options), SOFTWARP_SUCCESS);
  EXPECT_EQ(to_json(c::settings_of(options)), to_json(TrainingSettings{}));
}

struct Records {
  std::vector<softwarp_epoch> epochs;
  std::size_t most = 1000;
  int32_t stop = 0;
};

int record(const softwarp_epoch* epoch, void* context) {
  auto& records = *static_cast<Records*>(context);
  records.epochs.push_back(*epoch);
  return records.epochs.size() >= records.most ? 1 : 0;
}

TEST(CModel, TellsOfEachEpoch) {
  const Points points;
  softwarp_training_options options = small_options();
  Records records;
  options.on_epoch = record;
  options.context = &records;
  train(SOFTWARP_CPU, points.images(), points.labels, options);
  ASSERT_EQ(records.epochs.size(), 8u);
  EXPECT_EQ(records.epochs.back().epoch, 8);
  EXPECT_EQ(records.epochs.back().steps, 80);  // ten batches of 32 or fewer
  EXPECT_LT(records.epochs.back().loss, records.epochs.front().loss);
  EXPECT_TRUE(std::isnan(records.epochs.back().validation_loss));

  records.epochs.clear();
  options.validation = 0.1;
  train(SOFTWARP_CPU, points.images(), points.labels, options);
  EXPECT_EQ(records.epochs.back().steps, 72);  // of 270 images
  EXPECT_GT(records.epochs.back().validation_accuracy, 0.9);
}

TEST(CModel, EndsWhenItIsToldTo) {
  const Points points;
  softwarp_training_options options = small_options();
  Records records{.epochs = {}, .most = 3};
  options.on_epoch = record;
  options.context = &records;
  train(SOFTWARP_CPU, points.images(), points.labels, options);
  EXPECT_EQ(records.epochs.size(), 3u);
  EXPECT_EQ(records.epochs.back().steps, 30);

  records = {.epochs = {}, .most = 1000, .stop = 1};
  options.stop = &records.stop;
  EXPECT_NE(train(SOFTWARP_CPU, points.images(), points.labels, options), nullptr);
  ASSERT_EQ(records.epochs.size(), 1u);
  EXPECT_EQ(records.epochs.back().steps, 1);
}

TEST(CModel, GoesOnFromGivenWeights) {
  const Points points;
  softwarp_training_options options = small_options();
  const Owned first = train(SOFTWARP_CPU, points.images(), points.labels, options);
  options.weights = first.get();
  options.epochs = 1;
  options.learning_rate = 1e-12;
  const Owned second = train(SOFTWARP_CPU, points.images(), points.labels, options);
  const auto before = logits(SOFTWARP_CPU, first, points.images()),
             after = logits(SOFTWARP_CPU, second, points.images());
  for (std::size_t i = 0; i < before.size(); ++i) ASSERT_NEAR(before[i], after[i], 1e-5);
}

TEST(CModel, ReadsTheNetworksOfOthers) {
  const std::vector<float> w0{1, 2, 3, 4, 5, 6}, b0{0.5f, -0.5f}, w2{1, -1, 2, 0}, b2{0, 1};  // 3-2-2
  SafetensorsFile file;
  const auto add = [&](const char* name, const std::vector<float>& values, std::vector<std::int64_t> shape) {
    const auto* first = reinterpret_cast<const std::byte*>(values.data());
    file.tensors.push_back({.name = name,
                            .dtype = "F32",
                            .shape = std::move(shape),
                            .data = {first, first + values.size() * sizeof(float)}});
  };
  add("0.weight", w0, {2, 3});
  add("0.bias", b0, {2});
  add("2.weight", w2, {2, 2});
  add("2.bias", b2, {2});
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "net.safetensors";
  write_safetensors(path, file);
  const float x[3] = {1, -1, 0.25f};  // the hidden layer: 1 - 2 + 0.75 + 0.5 and 4 - 5 + 1.5 - 0.5
  const softwarp_images images{1, 1, 3, nullptr, x};
  softwarp_model* model = nullptr;
  ASSERT_EQ(softwarp_model_read(path.c_str(), nullptr, &model), SOFTWARP_SUCCESS) << softwarp_last_error();
  EXPECT_EQ(logits(SOFTWARP_CPU, Owned(model), images), (std::vector<float>{0.25f, 1.5f}));
  ASSERT_EQ(softwarp_model_read(path.c_str(), "tanh", &model), SOFTWARP_SUCCESS) << softwarp_last_error();
  EXPECT_NEAR(logits(SOFTWARP_CPU, Owned(model), images)[1], 2 * std::tanh(0.25) + 1, 1e-6);
}

class CModelRefusals : public testing::Test {
 protected:
  void expect_refused(const softwarp_training_options& options, const std::string& text,
                      softwarp_status status = SOFTWARP_INVALID_ARGUMENT) {
    softwarp_model* model = nullptr;
    EXPECT_EQ(softwarp_model_train(SOFTWARP_CPU, &images, points.labels.data(), &options, &model), status);
    EXPECT_EQ(model, nullptr);
    EXPECT_NE(std::string(softwarp_last_error()).find(text), std::string::npos)
        << "expected " << text << ", found " << softwarp_last_error();
  }
  template <class T>
  void expect_refused(T softwarp_training_options::* option, T value, const std::string& text) {
    softwarp_training_options options = small_options();
    options.*option = value;
    expect_refused(options, "softwarp_model_train: expected " + text);
  }

  Points points;
  softwarp_images images = points.images();
};

TEST_F(CModelRefusals, OfOptionsNameThem) {
  using O = softwarp_training_options;
  expect_refused(&O::activation, "swish",
                 "activation identity or relu or gelu or tanh or sigmoid, found swish");
  expect_refused<const char*>(&O::optimizer, nullptr, "optimizer sgd or adamw, found NULL");
  expect_refused(&O::schedule, "", "schedule constant or cosine or one-cycle or step, found ");
  expect_refused(&O::initialization, "zeros", "initialization kaiming or uniform, found zeros");
  expect_refused(&O::dropout, 1.0, "dropout from 0 to 0.99, found 1");
  expect_refused(&O::label_smoothing, std::nan(""), "label_smoothing from 0 to 1, found nan");
  expect_refused(&O::learning_rate, 0.0, "learning_rate from 1e-12 to 1000000000000, found 0");
  expect_refused(&O::momentum, 0.9, "momentum with optimizer sgd, found adamw, which has its own");
  expect_refused(&O::nesterov, 1, "nesterov with momentum above 0, found 0");
  expect_refused<std::int64_t>(&O::epochs, 0, "epochs from 1 to 1073741824, found 0");
  expect_refused<std::int64_t>(&O::hidden_layers, -1, "hidden_layers from 0 to 998, found -1");
  expect_refused<const std::int64_t*>(&O::hidden, nullptr, "hidden, found NULL");
  expect_refused<std::int64_t>(&O::patience, 2, "patience with validation above 0, found 0");
  expect_refused(&O::validation, 0.001, "validation that leaves both parts an image, found 0.001 of 300");
  expect_refused(&O::classes, 2, "labels from 0 to 1, found 2");
  expect_refused(&O::classes, 257, "classes from 2 to 256, found 257");
  expect_refused(&O::threads, -1, "threads from 0 to 1024, found -1");
  softwarp_training_options options = small_options();
  options.optimizer = "sgd";
  options.learning_rate = 1e12;
  expect_refused(options, "training diverged in step", SOFTWARP_DIVERGED);
}

TEST_F(CModelRefusals, OfDataNameThem) {
  points.labels[7] = -1;
  expect_refused(small_options(), "expected labels from 0 to 255, found -1");
  points.labels[7] = 0;
  images.count = 0;
  expect_refused(small_options(), "expected images.count of at least 1, found 0");
  images = points.images();
  images.values = nullptr;
  expect_refused(small_options(), "expected either pixels or values");
  const std::vector<std::uint8_t> pixels(points.values.size(), 99);
  images.pixels = pixels.data();
  softwarp_training_options options = small_options();
  options.max_pixel = 98;
  expect_refused(options, "expected pixels up to max_pixel 98, found 99");
}

TEST_F(CModelRefusals, OfWeightsAndInputsOfOtherShapes) {
  const Owned model = train(SOFTWARP_CPU, images, points.labels, small_options());
  softwarp_training_options options = small_options();
  options.weights = model.get();
  options.hidden_layers = 1;
  expect_refused(options, "expected weights of a network 5-16-3 with gelu, found 5-16-8-3 with gelu");
  float outputs[3];
  images.width = 4;
  EXPECT_EQ(softwarp_model_logits(model.get(), SOFTWARP_CPU, 1, &images, outputs), SOFTWARP_INVALID_ARGUMENT);
  EXPECT_STREQ(softwarp_last_error(), "softwarp_model_logits: expected images of 5 inputs, found 4");
  EXPECT_EQ(softwarp_model_logits(model.get(), 2, 1, &images, outputs), SOFTWARP_INVALID_ARGUMENT);
  EXPECT_EQ(softwarp_model_logits(nullptr, SOFTWARP_CPU, 1, &images, outputs), SOFTWARP_INVALID_ARGUMENT);
}

TEST_F(CModelRefusals, OfFilesNameThem) {
  const TemporaryDirectory directory;
  softwarp_model* model = nullptr;
  EXPECT_EQ(softwarp_model_read((directory.path() / "none").c_str(), nullptr, &model), SOFTWARP_FILE_ERROR);
  EXPECT_NE(std::string(softwarp_last_error()).find("none"), std::string::npos) << softwarp_last_error();
  std::ofstream(directory.path() / "text") << "hello";
  EXPECT_EQ(softwarp_model_read((directory.path() / "text").c_str(), nullptr, &model), SOFTWARP_FILE_ERROR);
  EXPECT_EQ(softwarp_model_read((directory.path() / "text").c_str(), "swish", &model),
            SOFTWARP_INVALID_ARGUMENT);
  EXPECT_EQ(model, nullptr);
  const Owned trained = train(SOFTWARP_CPU, images, points.labels, small_options());
  EXPECT_EQ(softwarp_model_write(trained.get(), (directory.path() / "no" / "model").c_str()),
            SOFTWARP_FILE_ERROR);
  EXPECT_EQ(softwarp_model_write(nullptr, "model"), SOFTWARP_INVALID_ARGUMENT);
  softwarp_model_free(nullptr);
}

}  // namespace
}  // namespace softwarp
