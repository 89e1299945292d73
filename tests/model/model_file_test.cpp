// A network in a file: what comes back, and which files hold none.

#include "host/model/model_file.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <tuple>

#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

class ModelFile : public testing::Test {
 protected:
  ModelFile() {
    model_.shape = {.inputs = 6, .hidden = {4}, .classes = 3, .activation = Activation::gelu};
    model_.input = {.data = "made up", .height = 2, .width = 3, .max_pixel = 16};
    const ParameterLayout layout(model_.shape);
    model_.values.resize(static_cast<std::size_t>(layout.size));
    float value = 0;
    for (const ParameterTensor& tensor : layout.tensors)
      for (std::int64_t i = 0; i < tensor.size(); ++i)
        model_.values[static_cast<std::size_t>(tensor.offset + i)] = value += 0.1f;
  }

  // As the file would hold it after `change`.
  void expect_refused(const std::function<void(SafetensorsFile&)>& change,
                      std::initializer_list<std::string_view> parts) {
    SafetensorsFile file = to_safetensors(model_);
    change(file);
    expect_error([&] { std::ignore = from_safetensors("the file", file); }, {"the file: expected"});
    expect_error([&] { std::ignore = from_safetensors("the file", file); }, parts);
  }
  void expect_entry_refused(const char* key, const std::string& text,
                            std::initializer_list<std::string_view> parts) {
    SCOPED_TRACE(std::string(key) + " " + text);
    expect_refused([&](SafetensorsFile& file) { file.metadata[key] = text; }, parts);
  }

  TemporaryDirectory directory_;
  Model model_;
};

TEST_F(ModelFile, ReadsBackToTheLastBit) {
  const auto path = directory_.path() / "model.safetensors";
  write_model(path, model_);
  const Model back = read_model(path);
  EXPECT_EQ(back.shape, model_.shape);
  EXPECT_EQ(back.values, model_.values);
  EXPECT_EQ(back.input.data, "made up");
  EXPECT_EQ(back.input.height, 2);
  EXPECT_EQ(back.input.width, 3);
  EXPECT_EQ(back.input.max_pixel, 16);
}

TEST_F(ModelFile, HasTheNamesOfItsClasses) {
  EXPECT_FALSE(to_safetensors(model_).metadata.contains("class_names"));
  const auto path = directory_.path() / "model.safetensors";
  model_.input.class_names = {"T-shirt/top", "\"a, b\"", "\xC3\xA9t\xC3\xA9"};
  write_model(path, model_);
  EXPECT_EQ(read_model(path).input.class_names, model_.input.class_names);
  model_.input.class_names[1] = "\xFF";  // no UTF-8
  write_model(path, model_);
  EXPECT_EQ(read_model(path).input.class_names[1], "\xEF\xBF\xBD");
  for (const auto& [text, found] : {std::pair{R"(["a","b"])", "found 2"},
                                    {R"(["a","b","c","d"])", "found 4"},
                                    {R"(["a","b",3])", "something else"},
                                    {R"(["a","","c"])", "something else"},
                                    {R"(["a","\u001b[2J","c"])", "something else"},
                                    {R"({"a":1,"b":2,"c":3})", "something else"},
                                    {"a,b,c", "something else"}})
    expect_entry_refused("class_names", text, {"a JSON list of 3 names", found});
}

TEST_F(ModelFile, SaysHowItsImagesLieAndWhatTheyWere) {
  const auto path = directory_.path() / "model.safetensors";
  model_.input.train_checksum = 4'000'000'000, model_.input.test_checksum = 7;
  for (const Framing& framing :
       {Framing{}, Framing{Framing::Kind::mass, 20.0 / 28, false}, Framing{Framing::Kind::box, 1, true}}) {
    model_.input.framing = framing;
    write_model(path, model_);
    EXPECT_EQ(read_model(path).input.framing, framing);
    EXPECT_EQ(read_model(path).input.train_checksum, 4'000'000'000);
    EXPECT_EQ(read_model(path).input.test_checksum, 7u);
  }
  for (const char* framing :
       {"", "mass", "mass 0", "mass 1.5", "mass nan", "box x", "fill 1", "whole 1", "mass 1 "})
    expect_entry_refused("framing", framing, {"whole, or box or mass and a share"});
  for (const char* sum : {"", "-1", "4294967296", "1x"})
    expect_entry_refused("test_checksum", sum, {"a CRC-32"});
}

// Of 16 bits a number, as many parameters are half the bytes.
TEST_F(ModelFile, MayBeRoundedToSixteenBits) {
  SafetensorsFile file = to_safetensors(model_);
  for (Tensor& tensor : file.tensors) {
    std::vector<std::byte> upper;  // of each float: BF16
    for (std::size_t i = 0; i < tensor.data.size(); i += 4)
      upper.insert(upper.end(), {tensor.data[i + 2], tensor.data[i + 3]});
    tensor.dtype = "BF16", tensor.data = upper;
  }
  const Model rounded = from_safetensors("the file", file);
  ASSERT_EQ(rounded.values.size(), model_.values.size());
  for (std::size_t i = 0; i < rounded.values.size(); ++i) {
    EXPECT_LE(rounded.values[i], model_.values[i]);
    EXPECT_GE(rounded.values[i], model_.values[i] * (1 - 0x1p-7f));
  }
}

// Before models said it, the data's name did.
TEST_F(ModelFile, OfAnEarlierVersionIsFramedByItsDatasName) {
  for (const auto& [data, framing] : {std::pair{"mnist", Framing{Framing::Kind::mass, 20.0 / 28}},
                                      {"digits", Framing{Framing::Kind::box}},
                                      {"fashion-mnist", Framing{Framing::Kind::box}},
                                      {"elsewhere", Framing{}}}) {
    SafetensorsFile file = to_safetensors(model_);
    file.metadata.erase("framing");
    file.metadata["data"] = data;
    EXPECT_EQ(from_safetensors("old", file).input.framing, framing) << data;
  }
}

TEST_F(ModelFile, HoldsNoNumberThatIsNotFinite) {
  const auto path = directory_.path() / "model.safetensors";
  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    model_.values[1] = wrong;
    write_model(path, model_);
    expect_error([&] { std::ignore = read_model(path); },
                 {"model.safetensors: expected finite numbers", "fc1.weight"});
  }
}

// As PyTorch's nn.Linear has them.
TEST_F(ModelFile, NamesAndShapesItsTensors) {
  const SafetensorsFile file = to_safetensors(model_);
  ASSERT_EQ(file.tensors.size(), 4u);
  for (const auto& [name, shape] : {std::pair<const char*, std::vector<std::int64_t>>{"fc1.weight", {4, 6}},
                                    {"fc1.bias", {4}},
                                    {"fc2.weight", {3, 4}},
                                    {"fc2.bias", {3}}}) {
    const Tensor* tensor = file.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->dtype, "F32") << name;
    EXPECT_EQ(tensor->shape, shape) << name;
  }
}

TEST_F(ModelFile, NeedsAllOfItsMetadata) {
  for (const char* key : {"layers", "activation", "data", "image", "max_pixel"})
    expect_refused([&](SafetensorsFile& file) { file.metadata.erase(key); }, {key, "found none"});
  for (const char* image : {"2x4", "3x3", "6", "2x3x1", "1x2x3"})
    expect_entry_refused("image", image, {"height x width of 6 pixels", image});
  for (const char* number : {"0", "-2", "16777217", "x", "", "1x", "99999999999999999999"})
    expect_entry_refused("max_pixel", number, {"a number of 1 to 2^24", number});
  expect_entry_refused("image", "2x", {"a number of 1 to 2^24"});
  expect_entry_refused("layers", "6", {"2 to 1000 widths", "6"});
  expect_entry_refused("layers", "6-4-0", {"a number of 1 to 2^24", "0"});
  expect_entry_refused("activation", "step", {"a known", "step"});
}

// Above all none that promises more than there is: nothing of that size is asked for.
TEST_F(ModelFile, NeedsTheParametersOfItsLayers) {
  expect_entry_refused("layers", "6-16777216-3",
                       {"expected 167772163 parameters for 6-16777216-3, found 43"});
  expect_entry_refused("layers", "6-4-4-3", {"expected 63 parameters for 6-4-4-3, found 43"});
  expect_refused([](SafetensorsFile& file) { file.tensors.pop_back(); },
                 {"expected 43 parameters", "found 40"});
  expect_refused([](SafetensorsFile& file) { file.tensors[1].name = "fc3.bias"; },
                 {"expected a tensor fc1.bias, found none"});
  expect_refused([](SafetensorsFile& file) { file.tensors[0].shape = {6, 4}; },
                 {"expected fc1.weight [4, 6], found [6, 4]"});
  expect_refused([](SafetensorsFile& file) { file.tensors[0].shape = {24}; }, {"found [24]"});
  // Of the type first: 24 numbers of 8 bits are another count of floats.
  expect_refused([](SafetensorsFile& file) { file.tensors[0].dtype = "I32"; },
                 {R"(expected "fc1.weight" as F32, F16, BF16 or F64, found I32)"});
  // As many bytes in all, but not in each.
  expect_refused(
      [](SafetensorsFile& file) {
        std::swap(file.tensors[0].shape, file.tensors[2].shape);
        std::swap(file.tensors[0].data, file.tensors[2].data);
      },
      {"expected fc1.weight [4, 6], found [3, 4]"});
  expect_refused(
      [](SafetensorsFile& file) {
        file.tensors.push_back({.name = "none", .dtype = "F32", .shape = {0}, .data = {}});
      },
      {"expected 4 tensors, found 5"});
}

}  // namespace
}  // namespace softwarp
