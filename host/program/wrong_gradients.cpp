// A network's backward in double, step by step, and the steps that people get wrong.

#include <algorithm>
#include <cmath>

#include "core/activation.h"
#include "host/program/gradient_answers.h"

namespace softwarp::program {
namespace {

using Pass = NetworkPass;
using Table = NumberTable;

double at(const Table& table, std::int64_t r, std::int64_t c) {
  return table.values[static_cast<std::size_t>(r * table.cols + c)];
}

// value(r, c) in each element.
template <class F>
Table table_of(std::int64_t rows, std::int64_t cols, F value) {
  Table table{rows, cols, {}};
  table.values.reserve(static_cast<std::size_t>(rows * cols));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) table.values.push_back(value(r, c));
  return table;
}

Table transposed(const Table& t) {
  return table_of(t.cols, t.rows, [&](auto r, auto c) { return at(t, c, r); });
}

// a b^T
Table product(const Table& a, const Table& b) {
  return table_of(a.rows, b.rows, [&](auto r, auto c) {
    double sum = 0;
    for (std::int64_t k = 0; k < a.cols; ++k) sum += at(a, r, k) * at(b, c, k);
    return sum;
  });
}

Table softmax(Table x) {
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const std::span row(x.values.data() + r * x.cols, static_cast<std::size_t>(x.cols));
    const double max = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& v : row) sum += v = std::exp(v - max);
    for (double& v : row) v /= sum;
  }
  return x;
}

// y (g - <g, y>) in each row.
Table product_with_jacobian(const Table& y, const Table& g) {
  return table_of(y.rows, y.cols, [&](auto r, auto c) {
    double dot = 0;
    for (std::int64_t k = 0; k < y.cols; ++k) dot += at(g, r, k) * at(y, r, k);
    return at(y, r, c) * (at(g, r, c) - dot);
  });
}

// (y - target) / divisor.
Table minus_target(const Pass& p, const Table& y, double divisor) {
  return table_of(y.rows, y.cols,
                  [&](auto r, auto c) { return (at(y, r, c) - at(p.target, r, c)) / divisor; });
}

Table parameter(const GradientProblem& problem, const ParameterTensor& tensor) {
  const float* values = problem.values.data() + tensor.offset;
  return {tensor.rows, std::max<std::int64_t>(tensor.cols, 1), {values, values + tensor.size()}};
}

ParameterGradient matrix(Table t) { return {{t.rows, t.cols}, std::move(t.values)}; }

// Sums over the rows, divided.
ParameterGradient sum_of_rows(const Table& d, double divisor) {
  ParameterGradient sum{{d.cols}, std::vector<double>(static_cast<std::size_t>(d.cols))};
  for (std::int64_t r = 0; r < d.rows; ++r)
    for (std::int64_t c = 0; c < d.cols; ++c)
      sum.values[static_cast<std::size_t>(c)] += at(d, r, c) / divisor;
  return sum;
}

using Steps = BackwardSteps;

const WrongGradient kWrongGradients[] = {
    {"1/B forgotten", [](Steps& s) { s.logits = [](const Pass& p) { return minus_target(p, p.y, 1); }; },
     "this is the gradient of the sum of the losses: 1/B is forgotten in d = (y - onehot)/B"},
    {"1/B twice",
     [](Steps& s) { s.logits = [](const Pass& p) { return minus_target(p, p.y, p.batch() * p.batch()); }; },
     "this is divided by B twice; d = (y - onehot)/B divides once, and the sums over the batch do not divide "
     "again"},
    {"onehot - y",
     [](Steps& s) { s.logits = [](const Pass& p) { return minus_target(p, p.y, -p.batch()); }; },
     "this starts from onehot - y: the sign is flipped"},
    {"onehot missing",
     [](Steps& s) {
       s.logits = [](const Pass& p) {
         return table_of(p.y.rows, p.y.cols, [&](auto r, auto c) { return at(p.y, r, c) / p.batch(); });
       };
     },
     "this starts from y/B: onehot is not subtracted"},
    {"label smoothing forgotten",
     [](Steps& s) {
       s.logits = [](const Pass& p) {
         return table_of(p.y.rows, p.y.cols, [&](auto r, auto c) {
           const bool target = p.problem.labels[static_cast<std::size_t>(r)] == c;
           return (at(p.y, r, c) - (target ? 1 : 0)) / p.batch();
         });
       };
     },
     "this starts from (y - onehot)/B: label smoothing is forgotten in the target"},
    {"Jacobian omitted",
     [](Steps& s) {
       s.logits = [](const Pass& p) {
         return table_of(p.y.rows, p.y.cols,
                         [&](auto r, auto c) { return -at(p.target, r, c) / at(p.y, r, c) / p.batch(); });
       };
     },
     "this starts from -onehot/y, the gradient with respect to y: the product with softmax's Jacobian is "
     "omitted"},
    {"Jacobian twice",
     [](Steps& s) {
       s.logits = [](const Pass& p) { return product_with_jacobian(p.y, minus_target(p, p.y, p.batch())); };
     },
     "this applies softmax's Jacobian twice: y - onehot contains it already"},
    {"diagonal alone",
     [](Steps& s) {
       s.logits = [](const Pass& p) {
         return table_of(p.y.rows, p.y.cols, [&](auto r, auto c) {
           return at(p.target, r, c) * (at(p.y, r, c) - 1) / p.batch();
         });
       };
     },
     "this uses the diagonal of softmax's Jacobian alone: the elements off it, -y_i y_j, are missing"},
    {"logits for values",
     [](Steps& s) { s.logits = [](const Pass& p) { return minus_target(p, p.z.back(), p.batch()); }; },
     "this starts from (z - onehot)/B: the logits z stand where the values y = softmax(z) belong"},
    {"softmax twice",
     [](Steps& s) { s.logits = [](const Pass& p) { return minus_target(p, softmax(p.y), p.batch()); }; },
     "this starts from softmax(softmax(z)) - onehot: softmax is applied twice"},
    {"wrong axis",
     [](Steps& s) {
       s.logits = [](const Pass& p) {
         return minus_target(p, transposed(softmax(transposed(p.z.back()))), p.batch());
       };
     },
     "this takes softmax over the batch (axis 0); it is taken over the classes (axis 1)"},
    {"activation derivative missing",
     [](Steps& s) { s.derivative = [](Activation, double, double) { return 1.0; }; },
     "this leaves out the derivative of the activation: d1 = (d2 W2^T) * act'(z1)"},
    {"derivative at the activation",
     [](Steps& s) {
       s.derivative = [](Activation kind, double, double h) {
         return activation_derivative(kind, h, activate(kind, h));
       };
     },
     "this takes the derivative of the activation at h1 = act(z1); it is act'(z1)"},
    {"activation for its derivative",
     [](Steps& s) { s.derivative = [](Activation, double, double h) { return h; }; },
     "this multiplies by act(z1) where the derivative act'(z1) belongs"},
    {"values before the activation",
     [](Steps& s) { s.inputs = [](const Pass& p, std::size_t layer) -> const Table& { return p.z[layer]; }; },
     "this multiplies d2 with z1, the values before the activation; the weights met h1 = act(z1)"},
    {"bias over the wrong axis",
     [](Steps& s) { s.bias = [](const Table& d) { return sum_of_rows(transposed(d), 1); }; },
     "this sums the bias's gradient over the units (axis 1); it is summed over the batch (axis 0)"},
    {"bias not summed", [](Steps& s) { s.bias = [](const Table& d) { return matrix(d); }; },
     "this is d for each image of the batch; the bias's gradient is its sum over the batch"},
    {"bias averaged",
     [](Steps& s) { s.bias = [](const Table& d) { return sum_of_rows(d, static_cast<double>(d.rows)); }; },
     "this averages the bias's gradient over the batch; d contains 1/B already, so it is a sum"},
    {"weights transposed",
     [](Steps& s) {
       s.weight = [](const Table& d, const Table& h) {
         return matrix(product(transposed(h), transposed(d)));
       };
     },
     "this is the transpose of the weights' gradient; the file has [outputs, inputs], as PyTorch's "
     "nn.Linear"},
    {"W for its transpose",
     [](Steps& s) {
       s.back = [](const Table& d, const Table& weight) {
         return product(d, weight.rows == weight.cols ? weight : transposed(weight));
       };
     },
     "this goes back through the wrong one of W and W^T, which has the same shape here"},
};

}  // namespace

NetworkPass forward(const GradientProblem& problem) {
  const MlpShape& shape = problem.shape;
  const ParameterLayout layout(shape);
  Pass pass{
      problem, {{problem.batch(), shape.inputs, {problem.inputs.begin(), problem.inputs.end()}}}, {}, {}, {}};
  pass.z = pass.h;
  for (std::int64_t i = 0; i < shape.layers(); ++i) {
    const Table bias = parameter(problem, layout.bias(i));
    Table z = product(pass.h.back(), parameter(problem, layout.weight(i)));
    for (std::size_t k = 0; k < z.values.size(); ++k) z.values[k] += bias.values[k % bias.values.size()];
    pass.z.push_back(z);
    if (i + 1 == shape.layers()) break;
    for (double& each : z.values) each = activate(shape.activation, each);
    pass.h.push_back(std::move(z));
  }
  pass.y = softmax(pass.z.back());
  const double e = problem.label_smoothing;
  pass.target = table_of(pass.y.rows, pass.y.cols, [&](auto r, auto c) {
    const bool target = problem.labels[static_cast<std::size_t>(r)] == c;
    return (target ? 1 - e : 0) + e / static_cast<double>(pass.y.cols);
  });
  return pass;
}

BackwardSteps right_steps() {
  return {
      .logits = [](const Pass& p) { return minus_target(p, p.y, p.batch()); },
      .derivative = activation_derivative<double>,
      .inputs = [](const Pass& p, std::size_t layer) -> const Table& { return p.h[layer]; },
      .weight = [](const Table& d, const Table& h) { return matrix(product(transposed(d), transposed(h))); },
      .bias = [](const Table& d) { return sum_of_rows(d, 1); },
      .back = [](const Table& d, const Table& weight) { return product(d, transposed(weight)); },
  };
}

Gradients backward(const NetworkPass& pass, const BackwardSteps& steps) {
  const GradientProblem& problem = pass.problem;
  const ParameterLayout layout(problem.shape);
  Gradients gradients(layout.tensors.size());
  Table d = steps.logits(pass);
  for (auto i = static_cast<std::size_t>(problem.shape.layers()); i-- > 0;) {
    gradients[2 * i] = steps.weight(d, steps.inputs(pass, i));
    gradients[2 * i + 1] = steps.bias(d);
    if (i == 0) break;
    d = steps.back(d, parameter(problem, layout.weight(static_cast<std::int64_t>(i))));
    for (std::size_t k = 0; k < d.values.size(); ++k)
      d.values[k] *= steps.derivative(problem.shape.activation, pass.z[i].values[k], pass.h[i].values[k]);
  }
  return gradients;
}

std::span<const WrongGradient> wrong_gradients() { return kWrongGradients; }

}  // namespace softwarp::program
