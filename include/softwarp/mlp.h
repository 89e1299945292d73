#pragma once

/// @file
/// Multilayer perceptrons: their shape, their parameters, and their files.

#include <softwarp/activation.h>
#include <softwarp/dataset.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace softwarp {

/// The shape of a multilayer perceptron: inputs -> hidden[0] -> ... -> classes. Each arrow is a linear layer;
/// `activation` follows every one but the last.
struct MlpShape {
  std::int64_t inputs = 0;                   ///< pixels of an image
  std::vector<std::int64_t> hidden;          ///< widths of the hidden layers, first to last
  std::int64_t classes = 0;                  ///< outputs
  Activation activation = Activation::relu;  ///< of the hidden layers

  /// The number of linear layers.
  std::int64_t layers() const { return static_cast<std::int64_t>(hidden.size()) + 1; }
  /// The inputs of layer i, counted from 0; its outputs are width(i + 1).
  std::int64_t width(std::int64_t i) const;
  /// A text for people: "784-512-256-10".
  std::string text() const;

  /// True for equal shapes.
  bool operator==(const MlpShape&) const = default;
};

/// The place of one tensor in the flat parameter buffer. Names and shapes are those of PyTorch's nn.Linear:
/// fc1.weight [outputs, inputs], fc1.bias [outputs] (cols 0), fc2.weight, ...
struct ParameterTensor {
  std::string name;         ///< "fc1.weight"
  std::int64_t offset = 0;  ///< place of its first element in the buffer, in elements
  std::int64_t rows = 0;    ///< outputs of the layer
  std::int64_t cols = 0;    ///< inputs of the layer; 0 of a bias
  std::int64_t fan_in = 0;  ///< inputs of the layer

  /// True for a bias.
  bool is_bias() const { return cols == 0; }
  /// Elements.
  std::int64_t size() const { return is_bias() ? rows : rows * cols; }
};

/// The layout of all parameters in one buffer of floats, so that one optimizer launch and one copy serve them
/// all: first the weights, then the biases, each tensor aligned to 256 bytes. Gradients and moments have the
/// same layout.
struct ParameterLayout {
  /// The layout of a network. Throws std::invalid_argument if a layer has no width.
  explicit ParameterLayout(const MlpShape& shape);

  /// The weight of a layer, counted from 0.
  const ParameterTensor& weight(std::int64_t layer) const {
    return tensors[static_cast<std::size_t>(2 * layer)];
  }
  /// The bias of a layer, counted from 0.
  const ParameterTensor& bias(std::int64_t layer) const {
    return tensors[static_cast<std::size_t>(2 * layer + 1)];
  }

  std::vector<ParameterTensor> tensors;  ///< fc1.weight, fc1.bias, fc2.weight, ...
  std::int64_t size = 0;                 ///< elements of the buffer, gaps between tensors included
  std::int64_t decayed = 0;              ///< elements before the first bias
  std::int64_t parameters = 0;           ///< elements without the gaps
};

/// Distributions of the first parameters.
enum class Initialization {
  /// Weights are uniform in ±gain sqrt(3 / fan_in), with gain sqrt(2) before relu and gelu, 5/3 before tanh
  /// and 1
  /// otherwise; biases are 0 (He et al., arXiv:1502.01852).
  kaiming,
  /// Weights and biases are uniform in ±sqrt(1 / fan_in), which is nn.Linear's default.
  uniform
};

/// Properties of the images that a model was trained on.
struct InputFormat {
  std::string data;         ///< the data set's name; a directory's is absolute
  std::int64_t height = 0;  ///< rows of an image
  std::int64_t width = 0;   ///< pixels of a row
  int max_pixel = 255;      ///< a pixel's value divided by this is the network's input
  /// One name a class; empty: the classes have none but their numbers.
  std::vector<std::string> class_names = {};
  Framing framing = {};              ///< of the training images
  std::uint32_t train_checksum = 0;  ///< Dataset::source_checksum of the training part; 0: not known
  std::uint32_t test_checksum = 0;   ///< of the test part
};

/// A trained network in the host's memory.
struct Model {
  MlpShape shape;             ///< of the network
  InputFormat input;          ///< of its images
  std::vector<float> values;  ///< laid out as ParameterLayout(shape) says
};

/// Writes a safetensors file: fc1.weight [outputs, inputs], fc1.bias [outputs], ... as in PyTorch's
/// nn.Linear, float32; shape, activation, normalisation and class count are metadata. Throws Error, which
/// names the file, what was expected and what was found; no half-written file stays behind.
void write_model(const std::filesystem::path& path, const Model& model);
/// Writes an ONNX model (opset 13) for other runtimes: input [batch, inputs] of floats, which are pixels
/// divided by max_pixel, to logits and probabilities [batch, classes]. The metadata are write_model's. Throws
/// Error as write_model does.
void write_onnx(const std::filesystem::path& path, const Model& model);
/// Reads a file that write_model wrote; its parameters may have been rounded to F16 or BF16 since. Throws
/// Error in the same way, and if a parameter is not finite.
[[nodiscard]] Model read_model(const std::filesystem::path& path);
/// Reads linear layers that another program saved as safetensors, such as PyTorch's state dict of an
/// nn.Sequential: tensors NAME.weight [outputs, inputs] and NAME.bias [outputs] of F32, F16, BF16 or F64.
/// Layers come in the order of their names, numbers by value, or in the only order that their shapes allow.
/// The activation is not in such a file. The model's input is left empty. Throws Error as read_model does.
[[nodiscard]] Model read_state_dict(const std::filesystem::path& path,
                                    Activation activation = Activation::relu);

}  // namespace softwarp
