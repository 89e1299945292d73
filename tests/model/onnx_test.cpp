// The ONNX file, read field by field as onnx.proto numbers them: its graph is the network. onnxruntime's
// results: tests/python/test_onnx.py.

#include "host/model/onnx.h"

#include <gtest/gtest.h>
#include <softwarp/error.h>

#include <cstring>
#include <map>
#include <numeric>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <vector>

#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

struct Node {
  std::string op;
  std::vector<std::string> inputs;
  std::string output;
};

struct Onnx {
  std::int64_t ir_version = 0, opset = 0;
  std::vector<Node> nodes;
  std::map<std::string, std::vector<std::int64_t>> shapes;
  std::map<std::string, std::vector<float>> values;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, std::string> metadata;
};

Node read_node(protozero::pbf_reader from) {
  Node node;
  while (from.next()) {
    if (from.tag() == 1)
      node.inputs.push_back(from.get_string());
    else if (from.tag() == 2)
      node.output = from.get_string();
    else if (from.tag() == 4)
      node.op = from.get_string();
    else
      from.skip();
  }
  return node;
}

void read_tensor(protozero::pbf_reader from, Onnx& onnx) {
  std::vector<std::int64_t> shape;
  std::string name, bytes;
  std::int32_t type = 0;
  while (from.next()) {
    if (from.tag() == 1)
      shape.push_back(from.get_int64());
    else if (from.tag() == 2)
      type = from.get_int32();
    else if (from.tag() == 8)
      name = from.get_string();
    else if (from.tag() == 9)
      bytes = from.get_bytes();
    else
      from.skip();
  }
  EXPECT_EQ(type, 1) << name;  // FLOAT
  onnx.shapes[name] = shape;
  onnx.values[name].resize(bytes.size() / sizeof(float));
  std::memcpy(onnx.values[name].data(), bytes.data(), bytes.size());
}

std::string name_of_value(protozero::pbf_reader from) { return from.next(1) ? from.get_string() : ""; }

void read_graph(protozero::pbf_reader from, Onnx& onnx) {
  while (from.next()) {
    if (from.tag() == 1)
      onnx.nodes.push_back(read_node(from.get_message()));
    else if (from.tag() == 5)
      read_tensor(from.get_message(), onnx);
    else if (from.tag() == 11)
      onnx.inputs.push_back(name_of_value(from.get_message()));
    else if (from.tag() == 12)
      onnx.outputs.push_back(name_of_value(from.get_message()));
    else
      from.skip();
  }
}

Onnx read_onnx(const std::string& bytes) {
  Onnx onnx;
  protozero::pbf_reader from(bytes);
  while (from.next()) {
    if (from.tag() == 1) {
      onnx.ir_version = from.get_int64();
    } else if (from.tag() == 7) {
      read_graph(from.get_message(), onnx);
    } else if (from.tag() == 8) {
      protozero::pbf_reader opset = from.get_message();
      if (opset.next(2)) onnx.opset = opset.get_int64();
    } else if (from.tag() == 14) {
      protozero::pbf_reader entry = from.get_message();
      entry.next(1);
      const std::string key = entry.get_string();
      entry.next(2);
      onnx.metadata[key] = entry.get_string();
    } else {
      from.skip();
    }
  }
  return onnx;
}

Model numbered(Activation activation) {
  Model model{.shape = {.inputs = 6, .hidden = {4, 5}, .classes = 3, .activation = activation},
              .input = {.data = "mnist", .height = 2, .width = 3, .max_pixel = 16},
              .values = {}};
  model.values.resize(static_cast<std::size_t>(ParameterLayout(model.shape).size));
  std::iota(model.values.begin(), model.values.end(), -20.5f);
  return model;
}

std::vector<std::string> ops_of(const Onnx& onnx) {
  std::vector<std::string> ops;
  for (const Node& node : onnx.nodes) ops.push_back(node.op);
  return ops;
}

TEST(Onnx, HoldsTheLayersInOrder) {
  const Model model = numbered(Activation::relu);
  const Onnx onnx = read_onnx(to_onnx(model));
  EXPECT_EQ(onnx.ir_version, 7);
  EXPECT_EQ(onnx.opset, 13);
  EXPECT_EQ(ops_of(onnx), (std::vector<std::string>{"Gemm", "Relu", "Gemm", "Relu", "Gemm", "Softmax"}));
  EXPECT_EQ(onnx.inputs, std::vector<std::string>{"input"});
  EXPECT_EQ(onnx.outputs, (std::vector<std::string>{"logits", "probabilities"}));
  std::string before = "input";
  for (const Node& node : onnx.nodes) {
    EXPECT_EQ(node.inputs.front(), before);
    before = node.output;
  }
  EXPECT_EQ(before, "probabilities");
  EXPECT_EQ(onnx.nodes[2].inputs[1], "fc2.weight");
  EXPECT_EQ(onnx.nodes[2].inputs[2], "fc2.bias");
  EXPECT_EQ(onnx.metadata.at("max_pixel"), "16");
  EXPECT_EQ(onnx.metadata.at("image"), "2x3");
  for (const ParameterTensor& tensor : ParameterLayout(model.shape).tensors) {
    SCOPED_TRACE(tensor.name);
    const auto first = model.values.begin() + tensor.offset;
    EXPECT_EQ(onnx.values.at(tensor.name), std::vector<float>(first, first + tensor.size()));
    std::vector<std::int64_t> shape{tensor.rows};
    if (!tensor.is_bias()) shape.push_back(tensor.cols);
    EXPECT_EQ(onnx.shapes.at(tensor.name), shape);
  }
}

TEST(Onnx, NamesTheActivations) {
  EXPECT_EQ(ops_of(read_onnx(to_onnx(numbered(Activation::tanh))))[1], "Tanh");
  EXPECT_EQ(ops_of(read_onnx(to_onnx(numbered(Activation::sigmoid))))[1], "Sigmoid");
  EXPECT_EQ(ops_of(read_onnx(to_onnx(numbered(Activation::identity))))[1], "Identity");
  const Onnx gelu = read_onnx(to_onnx(numbered(Activation::gelu)));
  EXPECT_EQ(gelu.nodes.size(), 3u + 2 * 9 + 1);
  EXPECT_EQ(gelu.values.at("gelu.cubic"), std::vector<float>{0.044715f});
  EXPECT_TRUE(gelu.shapes.at("gelu.cubic").empty());
}

TEST(Onnx, IsWrittenWholeOrNotAtAll) {
  const TemporaryDirectory directory;
  const Model model = numbered(Activation::relu);
  write_onnx(directory.path() / "net.onnx", model);
  EXPECT_EQ(std::filesystem::file_size(directory.path() / "net.onnx"), to_onnx(model).size());
  EXPECT_THROW(write_onnx(directory.path() / "no" / "net.onnx", model), Error);
}

}  // namespace
}  // namespace softwarp
