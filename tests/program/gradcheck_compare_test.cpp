// softwarp gradcheck --write and --compare, from outside: a gradient that is computed here from what was
// written agrees, and each wrong one is named.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <tuple>

#include "host/io/safetensors.h"
#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using Arguments = std::vector<std::string>;
using reference::Row;
using Rows = std::vector<Row>;
using Element = std::function<double(std::size_t r, std::size_t c)>;

Rows rows_of(std::size_t rows, std::size_t cols, const Element& element) {
  Rows table(rows, Row(cols));
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) table[r][c] = element(r, c);
  return table;
}
Rows transposed(const Rows& a) {
  return rows_of(a[0].size(), a.size(), [&](auto r, auto c) { return a[c][r]; });
}
Rows product(const Rows& a, const Rows& b) {
  return rows_of(a.size(), b[0].size(), [&](auto r, auto c) {
    double sum = 0;
    for (std::size_t k = 0; k < b.size(); ++k) sum += a[r][k] * b[k][c];
    return sum;
  });
}
Rows sum_over_rows(const Rows& d) {
  return rows_of(1, d[0].size(), [&](auto, auto c) {
    double sum = 0;
    for (const Row& row : d) sum += row[c];
    return sum;
  });
}
Rows softmax(Rows z) {
  for (Row& row : z) row = reference::softmax(row);
  return z;
}
Rows backward(const Rows& y, const Rows& g) {
  Rows dx;
  for (std::size_t r = 0; r < y.size(); ++r) dx.push_back(reference::softmax_backward(y[r], g[r]));
  return dx;
}

// The network that --write has written: x -> tanh(x W1 + b1) = h1 -> tanh(h1 W2 + b2) = h2 -> softmax(h2 W3 +
// b3) = y. Weights here are [inputs, outputs].
struct Network {
  Rows x, onehot, W1, W2, W3, z1, z2, z3, h1, h2, y;
  double B = 0;
};

Rows read(const SafetensorsFile& file, const std::string& name) {
  const Tensor& tensor = *file.find(name);
  EXPECT_EQ(tensor.dtype, "F32") << name;
  std::vector<float> values(tensor.data.size() / sizeof(float));
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  const auto cols = static_cast<std::size_t>(tensor.shape.back());
  return rows_of(values.size() / cols, cols, [&](auto r, auto c) { return values[r * cols + c]; });
}

Rows layer(const Rows& h, const Rows& weight, const Rows& bias) {
  const Rows z = product(h, weight);
  return rows_of(z.size(), z[0].size(), [&](auto r, auto c) { return z[r][c] + bias[0][c]; });
}
Rows tanh(const Rows& z) {
  return rows_of(z.size(), z[0].size(), [&](auto r, auto c) { return std::tanh(z[r][c]); });
}

Network read_network(const std::filesystem::path& path) {
  const SafetensorsFile file = read_safetensors(path);
  Network n;
  n.x = read(file, "inputs");
  n.B = static_cast<double>(n.x.size());
  n.W1 = transposed(read(file, "fc1.weight"));
  n.W2 = transposed(read(file, "fc2.weight"));
  n.W3 = transposed(read(file, "fc3.weight"));
  n.z1 = layer(n.x, n.W1, read(file, "fc1.bias")), n.h1 = tanh(n.z1);
  n.z2 = layer(n.h1, n.W2, read(file, "fc2.bias")), n.h2 = tanh(n.z2);
  n.z3 = layer(n.h2, n.W3, read(file, "fc3.bias")), n.y = softmax(n.z3);
  std::vector<std::int64_t> labels(n.x.size());
  std::memcpy(labels.data(), file.find("labels")->data.data(), labels.size() * sizeof(std::int64_t));
  n.onehot = rows_of(n.x.size(), n.y[0].size(),
                     [&](auto r, auto c) { return labels[r] == static_cast<std::int64_t>(c) ? 1.0 : 0.0; });
  return n;
}

// The steps of the backward that a test can replace.
struct Steps {
  std::function<Rows(const Network&)> logits = [](const Network& n) {
    return rows_of(n.y.size(), n.y[0].size(),
                   [&](auto r, auto c) { return (n.y[r][c] - n.onehot[r][c]) / n.B; });
  };
  std::function<double(double z)> derivative = [](double z) { return 1 - std::tanh(z) * std::tanh(z); };
  std::function<Rows(const Rows& h, const Rows& z)> inputs = [](const Rows& h, const Rows&) { return h; };
  std::function<Rows(const Rows& weight)> back = transposed;
  std::function<Rows(const Rows& d)> bias = sum_over_rows;
  std::function<Rows(const Rows& dW)> weight = transposed;  // to the file's [outputs, inputs]
};

using Gradients = std::map<std::string, Rows>;

Gradients gradients(const Network& n, const Steps& steps) {
  const auto behind = [&](const Rows& d, const Rows& weight, const Rows& z) {
    const Rows dh = product(d, steps.back(weight));
    return rows_of(z.size(), z[0].size(),
                   [&](auto r, auto c) { return dh[r][c] * steps.derivative(z[r][c]); });
  };
  const auto dW = [&](const Rows& h, const Rows& d) { return steps.weight(product(transposed(h), d)); };
  const Rows d3 = steps.logits(n), d2 = behind(d3, n.W3, n.z2), d1 = behind(d2, n.W2, n.z1);
  return {{"fc1.weight", dW(n.x, d1)},
          {"fc1.bias", steps.bias(d1)},
          {"fc2.weight", dW(steps.inputs(n.h1, n.z1), d2)},
          {"fc2.bias", steps.bias(d2)},
          {"fc3.weight", dW(steps.inputs(n.h2, n.z2), d3)},
          {"fc3.bias", steps.bias(d3)}};
}

Tensor tensor_of(const std::string& name, const Rows& rows) {
  Tensor tensor{name, "F64", {}, {}};
  if (rows.size() > 1) tensor.shape.push_back(static_cast<std::int64_t>(rows.size()));
  tensor.shape.push_back(static_cast<std::int64_t>(rows[0].size()));
  for (const Row& row : rows) {
    const auto bytes = std::as_bytes(std::span(row));
    tensor.data.insert(tensor.data.end(), bytes.begin(), bytes.end());
  }
  return tensor;
}

// Widths 6-5-5-4: a square layer, in which W and its transpose are easily confused; and a batch of 3.
class GradcheckCompare : public testing::Test {
 protected:
  GradcheckCompare() {
    const ProgramRun written = run({"--write", "net.safetensors"});
    EXPECT_EQ(written.exit_code, 0) << written.err;
    EXPECT_NE(written.out.find("wrote net.safetensors"), std::string::npos) << written.out;
    network_ = read_network(directory_.path() / "net.safetensors");
  }
  ProgramRun run(const Arguments& more, const Arguments& shape = {"--inputs", "6", "--hidden", "5,5",
                                                                  "--classes", "4", "--batch-size", "3"}) {
    Arguments arguments = {"gradcheck", "--device", "cpu"};
    arguments.insert(arguments.end(), shape.begin(), shape.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, directory_.path());
  }
  void write(const Gradients& all) {
    SafetensorsFile file;
    for (const auto& [name, rows] : all) file.tensors.push_back(tensor_of(name + ".grad", rows));
    write_safetensors(directory_.path() / "mine.safetensors", file);
  }
  ProgramRun compare(const Gradients& theirs, Arguments more = {}) {
    write(theirs);
    more.insert(more.end(), {"--compare", "mine.safetensors"});
    return run(more);
  }
  void expect_line(const ProgramRun& run, const std::string& part) {
    EXPECT_EQ(run.exit_code, 1) << run.out;
    EXPECT_EQ(run.err.find("softwarp: mine.safetensors: "), 0u) << run.err;
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err << "lacks " << part;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
  void expect_named(const Steps& steps, const std::string& sentence, const std::string& differing) {
    expect_line(compare(gradients(network_, steps)), differing + " of 6 tensors differ; ");
    expect_line(compare(gradients(network_, steps)), "; this " + sentence);
  }
  // The gradient of the logits, element by element.
  void expect_named(const std::function<double(std::size_t r, std::size_t c)>& logits,
                    const std::string& sentence) {
    Steps steps;
    steps.logits = [&](const Network& n) {
      return rows_of(n.y.size(), n.y[0].size(), [&](auto r, auto c) { return logits(r, c) / n.B; });
    };
    expect_named(steps, sentence, "6");
  }

  TemporaryDirectory directory_;
  Network network_;
};

TEST_F(GradcheckCompare, AgreesWithTheDefinition) {
  const ProgramRun mine = compare(gradients(network_, {}));
  EXPECT_EQ(mine.exit_code, 0) << mine.err;
  EXPECT_NE(mine.out.find("mine.safetensors: agrees; the largest difference is "), std::string::npos)
      << mine.out;
  const ProgramRun own = run({"--compare", "net.safetensors"});
  EXPECT_EQ(own.exit_code, 0) << own.err;
}

TEST_F(GradcheckCompare, NamesWrongGradientsOfTheLogits) {
  const Network& n = network_;
  const auto& [y, onehot] = std::tie(n.y, n.onehot);
  expect_named([&](auto r, auto c) { return n.B * (y[r][c] - onehot[r][c]); },
               "is the gradient of the sum of the losses: 1/B is forgotten");
  expect_named([&](auto r, auto c) { return (y[r][c] - onehot[r][c]) / n.B; }, "is divided by B twice");
  expect_named([&](auto r, auto c) { return onehot[r][c] - y[r][c]; }, "starts from onehot - y");
  expect_named([&](auto r, auto c) { return y[r][c]; }, "starts from y/B: onehot is not subtracted");
  expect_named([&](auto r, auto c) { return -onehot[r][c] / y[r][c]; }, "starts from -onehot/y");
  const Rows difference =
      rows_of(y.size(), y[0].size(), [&](auto r, auto c) { return y[r][c] - onehot[r][c]; });
  const Rows twice = backward(y, difference), softmax_twice = softmax(y);
  const Rows over_batch = transposed(softmax(transposed(n.z3)));
  expect_named([&](auto r, auto c) { return twice[r][c]; }, "applies softmax's Jacobian twice");
  expect_named([&](auto r, auto c) { return -onehot[r][c] * (1 - y[r][c]); },
               "uses the diagonal of softmax's Jacobian alone");
  expect_named([&](auto r, auto c) { return n.z3[r][c] - onehot[r][c]; },
               "starts from (z - onehot)/B: the logits");
  expect_named([&](auto r, auto c) { return softmax_twice[r][c] - onehot[r][c]; },
               "starts from softmax(softmax(z)) - onehot");
  expect_named([&](auto r, auto c) { return over_batch[r][c] - onehot[r][c]; },
               "takes softmax over the batch");
}

TEST_F(GradcheckCompare, NamesWrongSteps) {
  const auto expect = [&](const std::function<void(Steps&)>& change, const std::string& sentence,
                          const std::string& differing) {
    Steps steps;
    change(steps);
    expect_named(steps, sentence, differing);
  };
  expect([](Steps& s) { s.derivative = [](double) { return 1.0; }; },
         "leaves out the derivative of the activation", "4");
  expect([](Steps& s) { s.derivative = [](double z) { return 1 - std::pow(std::tanh(std::tanh(z)), 2); }; },
         "takes the derivative of the activation at h1", "4");
  expect([](Steps& s) { s.derivative = [](double z) { return std::tanh(z); }; }, "multiplies by act(z1)",
         "4");
  expect([](Steps& s) { s.inputs = [](const Rows&, const Rows& z) { return z; }; }, "multiplies d2 with z1",
         "2");
  expect([](Steps& s) { s.back = [](const Rows& W) { return W.size() == W[0].size() ? W : transposed(W); }; },
         "goes back through the wrong one of W and W^T", "2");
  expect([](Steps& s) { s.bias = [](const Rows& d) { return sum_over_rows(transposed(d)); }; },
         "sums the bias's gradient over the units (axis 1)", "3");
  expect([](Steps& s) { s.bias = [](const Rows& d) { return d; }; }, "is d for each image", "3");
  expect(
      [](Steps& s) {
        s.bias = [](const Rows& d) {
          const Rows sum = sum_over_rows(d);
          return rows_of(1, sum[0].size(),
                         [&](auto, auto c) { return sum[0][c] / static_cast<double>(d.size()); });
        };
      },
      "averages the bias's gradient", "3");
  expect([](Steps& s) { s.weight = [](const Rows& dW) { return dW; }; },
         "is the transpose of the weights' gradient", "3");
}

TEST_F(GradcheckCompare, NamesForgottenLabelSmoothing) {
  expect_line(compare(gradients(network_, {}), {"--label-smoothing", "0.1"}),
              "label smoothing is forgotten in the target");
}

TEST_F(GradcheckCompare, SaysWhichTensorsAWrongStepExplains) {
  Gradients some = gradients(network_, {});
  some["fc2.weight"] = transposed(some["fc2.weight"]);
  some["fc1.bias"][0][3] += 1;
  const ProgramRun run = compare(some);
  expect_line(run, "2 of 6 tensors differ; the largest difference is 1, ");
  expect_line(run, "at fc1.bias.grad[3]: expected ");
  expect_line(run, "; in fc2.weight.grad, this is the transpose of the weights' gradient");
}

TEST_F(GradcheckCompare, SaysWhereNumbersDifferThatNobodyKnows) {
  Gradients off = gradients(network_, {});
  off["fc2.weight"][1][4] = NAN;
  off["fc1.weight"][2][3] += 9;
  const ProgramRun run = compare(off);
  expect_line(run,
              "the largest difference is nan, nan of its tensor's largest value, at fc2.weight.grad[1, 4]: ");
  expect_line(run, "found nan; it is no wrong gradient that softwarp knows");
  const auto json = nlohmann::json::parse(compare(off, {"--json"}).out)["compare"];
  EXPECT_EQ(json["agrees"], false);
  EXPECT_EQ(json["differing_tensors"], 2);
  EXPECT_EQ(json["where"], "fc2.weight.grad[1, 4]");
}

TEST_F(GradcheckCompare, SaysWhatItCannotTake) {
  Gradients all = gradients(network_, {});
  all["fc3.bias"] = {{1, 2}};
  expect_line(compare(all), "1 of 6 tensors differ; fc3.bias.grad: expected shape [4], found [2]; it is no");
  all.erase("fc3.bias");
  expect_line(compare(all), "expected a tensor fc3.bias.grad [4], found none");
  SafetensorsFile file;
  file.tensors.push_back({"fc1.weight.grad", "I32", {1}, std::vector<std::byte>(4)});
  write_safetensors(directory_.path() / "mine.safetensors", file);
  expect_line(run({"--compare", "mine.safetensors"}), "expected F32 or F64 in fc1.weight.grad, found I32");
  EXPECT_EQ(run({"--compare", "nowhere.safetensors"}).exit_code, 1);
}

}  // namespace
}  // namespace softwarp
