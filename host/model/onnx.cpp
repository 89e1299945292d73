// A network as an ONNX graph: Gemm for each layer, then its activation, and Softmax behind the last.
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

#include "host/model/onnx.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numbers>
#include <protozero/pbf_writer.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "host/io/file.h"
#include "host/model/model_file.h"

namespace softwarp {
namespace {

constexpr std::int64_t kIrVersion = 7, kOpset = 13;  // of 2020, which every runtime since reads
constexpr std::int32_t kFloat = 1;                   // TensorProto.FLOAT

// The fields that are written, by their numbers in onnx.proto.
enum class ModelField : protozero::pbf_tag_type {
  ir_version = 1,
  producer = 2,
  graph = 7,
  opset = 8,
  metadata = 14
};
enum class Opset : protozero::pbf_tag_type { version = 2 };
enum class Entry : protozero::pbf_tag_type { key = 1, value = 2 };
enum class Graph : protozero::pbf_tag_type { node = 1, name = 2, initializer = 5, input = 11, output = 12 };
enum class Node : protozero::pbf_tag_type { input = 1, output = 2, op_type = 4, attribute = 5 };
enum class Attribute : protozero::pbf_tag_type { name = 1, integer = 3, type = 20 };
enum class TensorField : protozero::pbf_tag_type { dims = 1, data_type = 2, name = 8, raw_data = 9 };
enum class ValueInfo : protozero::pbf_tag_type { name = 1, type = 2 };
enum class Type : protozero::pbf_tag_type { tensor = 1 };
enum class TensorType : protozero::pbf_tag_type { element = 1, shape = 2 };
enum class Shape : protozero::pbf_tag_type { dimension = 1 };
enum class Dimension : protozero::pbf_tag_type { value = 1, name = 2 };
constexpr std::int32_t kIntAttribute = 2;  // AttributeProto.INT

template <class Field>
constexpr protozero::pbf_tag_type number(Field field) {
  return static_cast<protozero::pbf_tag_type>(field);
}

// Each name in the graph is written once, by one node or initializer.
class GraphWriter {
 public:
  explicit GraphWriter(protozero::pbf_writer& model) : graph_(model, number(ModelField::graph)) {
    graph_.add_string(number(Graph::name), "softwarp");
  }

  void add_node(std::string_view op, const std::vector<std::string>& inputs, const std::string& output,
                const std::map<std::string, std::int64_t>& attributes = {}) {
    protozero::pbf_writer node(graph_, number(Graph::node));
    for (const std::string& input : inputs) node.add_string(number(Node::input), input);
    node.add_string(number(Node::output), output);
    node.add_string(number(Node::op_type), op.data(), op.size());
    for (const auto& [name, value] : attributes) {
      protozero::pbf_writer attribute(node, number(Node::attribute));
      attribute.add_string(number(Attribute::name), name);
      attribute.add_int64(number(Attribute::integer), value);
      attribute.add_enum(number(Attribute::type), kIntAttribute);
    }
  }

  void add_tensor(const std::string& name, const std::vector<std::int64_t>& shape, const float* values,
                  std::int64_t size) {
    protozero::pbf_writer tensor(graph_, number(Graph::initializer));
    for (const std::int64_t dim : shape) tensor.add_int64(number(TensorField::dims), dim);
    tensor.add_int32(number(TensorField::data_type), kFloat);
    tensor.add_string(number(TensorField::name), name);
    tensor.add_bytes(number(TensorField::raw_data), reinterpret_cast<const char*>(values),
                     static_cast<std::size_t>(size) * sizeof(float));
  }
  void add_scalar(const std::string& name, double value) {
    const auto rounded = static_cast<float>(value);
    add_tensor(name, {}, &rounded, 1);
  }

  // Float [batch, cols].
  void add_value(Graph field, const std::string& name, std::int64_t cols) {
    protozero::pbf_writer value(graph_, number(field));
    value.add_string(number(ValueInfo::name), name);
    protozero::pbf_writer type(value, number(ValueInfo::type));
    protozero::pbf_writer tensor(type, number(Type::tensor));
    tensor.add_int32(number(TensorType::element), kFloat);
    protozero::pbf_writer shape(tensor, number(TensorType::shape));
    protozero::pbf_writer(shape, number(Shape::dimension)).add_string(number(Dimension::name), "batch");
    protozero::pbf_writer(shape, number(Shape::dimension)).add_int64(number(Dimension::value), cols);
  }

 private:
  protozero::pbf_writer graph_;
};

// z / 2 (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))), of ops that opset 13 has.
void add_gelu(GraphWriter& graph, const std::string& z, const std::string& h) {
  const auto part = [&](int i) { return fmt::format("{}.gelu{}", h, i); };
  graph.add_node("Mul", {z, z}, part(1));
  graph.add_node("Mul", {part(1), z}, part(2));
  graph.add_node("Mul", {part(2), "gelu.cubic"}, part(3));
  graph.add_node("Add", {z, part(3)}, part(4));
  graph.add_node("Mul", {part(4), "gelu.scale"}, part(5));
  graph.add_node("Tanh", {part(5)}, part(6));
  graph.add_node("Add", {part(6), "gelu.one"}, part(7));
  graph.add_node("Mul", {z, "gelu.half"}, part(8));
  graph.add_node("Mul", {part(8), part(7)}, h);
}

void add_activation(GraphWriter& graph, Activation activation, const std::string& z, const std::string& h) {
  switch (activation) {
    case Activation::identity: return graph.add_node("Identity", {z}, h);
    case Activation::relu: return graph.add_node("Relu", {z}, h);
    case Activation::gelu: return add_gelu(graph, z, h);
    case Activation::tanh: return graph.add_node("Tanh", {z}, h);
    case Activation::sigmoid: return graph.add_node("Sigmoid", {z}, h);
  }
}

void add_network(GraphWriter& graph, const Model& model) {
  const MlpShape& shape = model.shape;
  std::string input = "input";
  for (std::int64_t i = 1; i <= shape.layers(); ++i) {
    const bool last = i == shape.layers();
    const std::string z = last ? "logits" : fmt::format("z{}", i), h = fmt::format("h{}", i);
    graph.add_node("Gemm", {input, fmt::format("fc{}.weight", i), fmt::format("fc{}.bias", i)}, z,
                   {{"transB", 1}});
    if (!last) add_activation(graph, shape.activation, z, h);
    input = h;
  }
  graph.add_node("Softmax", {"logits"}, "probabilities", {{"axis", 1}});
}

void add_parameters(GraphWriter& graph, const Model& model) {
  for (const ParameterTensor& tensor : ParameterLayout(model.shape).tensors)
    graph.add_tensor(tensor.name,
                     tensor.is_bias() ? std::vector{tensor.rows} : std::vector{tensor.rows, tensor.cols},
                     model.values.data() + tensor.offset, tensor.size());
  if (model.shape.activation != Activation::gelu || model.shape.hidden.empty()) return;
  graph.add_scalar("gelu.cubic", 0.044715);
  graph.add_scalar("gelu.scale", std::sqrt(2 / std::numbers::pi));
  graph.add_scalar("gelu.one", 1);
  graph.add_scalar("gelu.half", 0.5);
}

}  // namespace

std::string to_onnx(const Model& model) {
  constexpr std::int64_t kMost = std::int64_t{1} << 29;  // a protobuf message has less than 2 GiB
  if (const std::int64_t size = ParameterLayout(model.shape).parameters; size >= kMost - 1'000'000)
    throw Error(fmt::format("ONNX: expected less than 2 GiB of parameters, found {} floats", size));
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_int64(number(ModelField::ir_version), kIrVersion);
  writer.add_string(number(ModelField::producer), "softwarp");
  {
    GraphWriter graph(writer);
    add_network(graph, model);
    add_parameters(graph, model);
    graph.add_value(Graph::input, "input", model.shape.inputs);
    graph.add_value(Graph::output, "logits", model.shape.classes);
    graph.add_value(Graph::output, "probabilities", model.shape.classes);
  }
  protozero::pbf_writer(writer, number(ModelField::opset)).add_int64(number(Opset::version), kOpset);
  for (const auto& [key, value] : metadata_of(model)) {
    protozero::pbf_writer entry(writer, number(ModelField::metadata));
    entry.add_string(number(Entry::key), key);
    entry.add_string(number(Entry::value), value);
  }
  return bytes;
}

void write_onnx(const std::filesystem::path& path, const Model& model) { write_file(path, to_onnx(model)); }

}  // namespace softwarp
