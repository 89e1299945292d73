// Networks that other programs saved, read by the names and shapes of their tensors.

#include "host/model/state_dict.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <tuple>

#include "host/model/model_file.h"
#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

using Shape = std::vector<std::int64_t>;

std::int64_t elements_in(const Shape& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) elements *= size;
  return elements;
}

template <class T>
Tensor tensor_of(const std::string& name, const char* dtype, const Shape& shape,
                 const std::vector<T>& values) {
  Tensor tensor{.name = name, .dtype = dtype, .shape = shape, .data = {}};
  tensor.data.resize(values.size() * sizeof(T));
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

// Elements first, first + 1, ...
Tensor counting(const std::string& name, const Shape& shape, float first) {
  std::vector<float> values(static_cast<std::size_t>(elements_in(shape)));
  for (float& value : values) value = first++;
  return tensor_of(name, "F32", shape, values);
}

// The layers' tensors, of widths[i + 1] x widths[i]; layer i counts from 1000 i, its bias from 1000 i + 500.
SafetensorsFile file_of(const std::vector<std::string>& stems, const Shape& widths) {
  SafetensorsFile file;
  for (std::size_t i = 0; i < stems.size(); ++i) {
    const float first = 1000 * static_cast<float>(i);
    file.tensors.push_back(counting(stems[i] + "weight", {widths[i + 1], widths[i]}, first));
    file.tensors.push_back(counting(stems[i] + "bias", {widths[i + 1]}, first + 500));
  }
  return file;
}

void expect_layers(const Model& model, const std::string& text) {
  EXPECT_EQ(model.shape.text(), text);
  const ParameterLayout layout(model.shape);
  for (std::int64_t i = 0; i < model.shape.layers(); ++i) {
    const float first = 1000 * static_cast<float>(i);
    const auto at = [&](std::int64_t place) { return model.values[static_cast<std::size_t>(place)]; };
    EXPECT_EQ(at(layout.weight(i).offset), first);
    EXPECT_EQ(at(layout.weight(i).offset + layout.weight(i).size() - 1),
              first + static_cast<float>(layout.weight(i).size() - 1));
    EXPECT_EQ(at(layout.bias(i).offset), first + 500);
  }
}

Model read(const SafetensorsFile& file) { return from_state_dict("the file", file, Activation::tanh); }

void expect_refused(const SafetensorsFile& file, std::initializer_list<std::string_view> parts) {
  expect_error([&] { std::ignore = read(file); }, {"the file: expected"});
  expect_error([&] { std::ignore = read(file); }, parts);
}

TEST(StateDict, IsReadUnderEachOfPyTorchsNames) {
  const std::vector<std::vector<std::string>> names = {
      {"fc1.", "fc2.", "fc3."},
      {"0.", "2.", "4."},
      {"net.0.", "net.3.", "net.10."},
      {"module.layers.9.", "module.layers.10.", "module.layers.11."},
      {"_orig_mod.l2.", "_orig_mod.l10.", "_orig_mod.out."},
      {"in.", "hidden.", "above."}};  // by shape alone
  for (const auto& stems : names) {
    SCOPED_TRACE(stems[0]);
    SafetensorsFile file = file_of(stems, {6, 5, 4, 3});
    std::swap(file.tensors.front(), file.tensors.back());
    expect_layers(read(file), "6-5-4-3");
  }
  expect_layers(read(file_of({""}, {6, 3})), "6-3");  // of nn.Linear itself
  EXPECT_EQ(read(file_of({"0.", "1."}, {6, 4, 3})).shape.activation, Activation::tanh);
}

// Of equal shapes, where nothing else tells: numbers by value, and of equal numbers both.
TEST(StateDict, OrdersLayersByTheirNumbers) {
  expect_layers(read(file_of({"2.", "10."}, {4, 4, 4})), "4-4-4");
  expect_layers(read(file_of({"fc01.", "fc1."}, {4, 4, 4})), "4-4-4");
}

TEST(StateDict, MayHaveEachFloatingType) {
  const Shape shape{1, 6};
  SafetensorsFile file;
  file.tensors = {
      tensor_of<std::uint16_t>("a.weight", "F16", shape, {0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0}),
      tensor_of<std::uint16_t>("a.bias", "BF16", {1}, {0xbfc0})};
  const Model half = read(file);
  const std::vector<float> expected{1, -2, 0x1p-24f, 65504, 0x1.554p-2f, 0};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), half.values.begin()));
  EXPECT_EQ(half.values[static_cast<std::size_t>(ParameterLayout(half.shape).bias(0).offset)], -1.5f);
  file.tensors[0] = tensor_of<double>("a.weight", "F64", shape, {0.1, -1, 1e-60, 3, 4, 1e300});
  EXPECT_EQ(read(file).values[0], 0.1f);
  EXPECT_EQ(read(file).values[2], 0.0f);
  EXPECT_EQ(read(file).values[5], std::numeric_limits<float>::infinity());
}

TEST(StateDict, InAFileIsOfFiniteNumbersAndNeedsNoMetadata) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "net.safetensors";
  SafetensorsFile file = file_of({"0.", "2."}, {6, 4, 3});
  for (const bool tagged : {false, true}) {
    if (tagged) file.metadata["format"] = "pt";
    write_safetensors(path, file);
    expect_layers(read_state_dict(path), "6-4-3");
    EXPECT_EQ(read_model_or_state_dict(path, Activation::gelu).shape.activation, Activation::gelu);
    expect_error([&] { std::ignore = read_model(path); }, {"an entry \"layers\""});
  }
  file.tensors[0] = tensor_of<double>("0.weight", "F64", {4, 6}, std::vector<double>(24, -1e39));
  write_safetensors(path, file);
  expect_error([&] { std::ignore = read_state_dict(path); },
               {"expected finite numbers, found -inf in fc1.weight"});
}

TEST(StateDict, OfAnotherKindIsRefusedByWhatItIs) {
  const auto with = [](const Tensor& tensor) {
    SafetensorsFile file = file_of({"fc1.", "fc2."}, {6, 4, 3});
    file.tensors.push_back(tensor);
    return file;
  };
  expect_refused({}, {"a network, found no tensor"});
  expect_refused(with(counting("conv1.weight", {8, 1, 3, 3}, 0)),
                 {R"(found "conv1.weight" [8, 1, 3, 3], as a convolution has)"});
  expect_refused(with(counting("bn.weight", {4}, 0)), {R"(found "bn.weight" [4], as normalisation has)"});
  expect_refused(with(counting("bn.running_mean", {4}, 0)),
                 {"linear layers alone", R"("bn.running_mean" [4])"});
  expect_refused(with(counting("dense/kernel:0", {4, 3}, 0)), {R"("dense/kernel:0" [4, 3])"});
  expect_refused(with(counting("a\nb", {4, 3}, 0)), {R"("a\nb" [4, 3])"});
  expect_refused(with(counting("fc3.weight", {3, 3}, 0)),
                 {R"(expected "fc3.bias" beside "fc3.weight", found none)"});
  expect_refused(with(counting("fc3.bias", {3}, 0)),
                 {R"(expected "fc3.weight" beside "fc3.bias", found none)"});
  expect_refused(with({.name = "fc3.weight", .dtype = "F32", .shape = {0, 3}, .data = {}}), {"1 to 2^24"});
}

// An error of the type comes before one of sizes: int8 weights have a quarter of the bytes.
TEST(StateDict, OfWholeNumbersIsRefusedByItsType) {
  SafetensorsFile file = file_of({"fc1.", "fc2."}, {6, 4, 3});
  for (const char* dtype : {"I8", "U8", "F8_E4M3", "I64", "BOOL"}) {
    file.tensors[0] = {.name = "fc1.weight", .dtype = dtype, .shape = {4, 6}, .data = {}};
    expect_refused(file, {R"(expected "fc1.weight" as F32, F16, BF16 or F64, found )", dtype});
  }
}

TEST(StateDict, WhoseShapesDoNotFitIsRefused) {
  SafetensorsFile file = file_of({"fc1.", "fc2."}, {6, 4, 3});
  file.tensors[0].shape = {6, 4};
  expect_refused(file,
                 {R"("fc1.weight" [6, 4] and "fc1.bias" [4]: transposed, as TensorFlow has its kernels)"});
  file.tensors[1] = counting("fc1.bias", {5}, 0);
  expect_refused(file, {R"(found "fc1.weight" [6, 4] and "fc1.bias" [5])"});
  SafetensorsFile gap = file_of({"fc1."}, {6, 5});
  for (const Tensor& tensor : file_of({"fc2."}, {4, 3}).tensors) gap.tensors.push_back(tensor);
  expect_refused(
      gap, {R"(takes what the one before it gives, found "fc1.weight" [5, 6] before "fc2.weight" [3, 4])"});
  // The last comes first, but either of the others may come next.
  SafetensorsFile either = file_of({"a.", "b."}, {4, 4, 4});
  for (const Tensor& tensor : file_of({"c."}, {6, 4}).tensors) either.tensors.push_back(tensor);
  expect_refused(either, {R"(found "b.weight" [4, 4] before "c.weight" [4, 6])"});
}

}  // namespace
}  // namespace softwarp
