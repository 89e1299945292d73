#pragma once

#include "tests/ops/ops_testing.h"

namespace softwarp {

// Values and how far a sum in floats may lie from each.
struct Bounded {
  Doubles values;
  Doubles tolerance;
};

// a b over `inner`, element (i, j) the sum of a(i, k) b(k, j), plus c(j). A float sum of n products, in any
// order, is off by at most n + 1 roundings of the sum of their sizes (Higham, Accuracy and Stability, 3.1).
template <class A, class B, class C>
Bounded product(std::int64_t rows, std::int64_t inner, std::int64_t cols, A a, B b, C c) {
  Bounded result;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) {
      double sum = c(j), sizes = std::abs(sum);
      for (std::int64_t k = 0; k < inner; ++k) {
        const double term = a(i, k) * b(k, j);
        sum += term;
        sizes += std::abs(term);
      }
      result.values.push_back(sum);
      result.tolerance.push_back(static_cast<double>(inner + 2) * kRounding * sizes);
    }
  return result;
}

inline double no_bias(std::int64_t) { return 0; }

// A fully connected layer and its gradients by their definitions, in double.
struct ReferenceLayer {
  LinearShape shape;
  Floats x, w, b;

  ReferenceLayer(const LinearShape& of, std::uint32_t seed)
      : shape(of),
        x(random_values(of.batch * of.inputs, seed)),
        // z then has a size of about 1 whatever the number of inputs.
        w(random_values(of.outputs * of.inputs, seed + 1, 2.0f / std::sqrt(static_cast<float>(of.inputs)))),
        b(random_values(of.outputs, seed + 2)) {}

  Bounded z() const {
    return product(
        shape.batch, shape.inputs, shape.outputs, [&](auto i, auto k) { return at(x, i, k, shape.inputs); },
        [&](auto k, auto j) { return at(w, j, k, shape.inputs); }, [&](auto j) { return at(b, 0, j, 0); });
  }

  // No activation is steeper than 1.13, and each adds the roundings of activation_test.cpp.
  Bounded y() const {
    Bounded result = z();
    for (std::size_t i = 0; i < result.values.size(); ++i) {
      result.values[i] = activation_definition(shape.activation, result.values[i]);
      result.tolerance[i] = 1.13 * result.tolerance[i] + 16 * kRounding * (std::abs(result.values[i]) + 1);
    }
    return result;
  }

  // dw = dzᵀ x
  Bounded dw(const Floats& dz) const {
    return product(
        shape.outputs, shape.batch, shape.inputs, [&](auto i, auto k) { return at(dz, k, i, shape.outputs); },
        [&](auto k, auto j) { return at(x, k, j, shape.inputs); }, no_bias);
  }

  // dx = dz w
  Bounded dx(const Floats& dz) const {
    return product(
        shape.batch, shape.outputs, shape.inputs, [&](auto i, auto k) { return at(dz, i, k, shape.outputs); },
        [&](auto k, auto j) { return at(w, k, j, shape.inputs); }, no_bias);
  }

  // dz = dy ⊙ activation'(z), for a z as exact as z() says. No activation curves more than 1.2. relu goes by
  // the y that forward returned, because the sign of a z near 0 is a matter of rounding.
  Bounded dz(const Bounded& dy, const Floats& returned_y) const {
    const Bounded at_z = z();
    Bounded result = dy;
    for (std::size_t i = 0; i < dy.values.size(); ++i) {
      const bool relu = shape.activation == Activation::relu;
      const double point = at_z.values[i];
      const double slope =
          relu ? (returned_y[i] > 0 ? 1 : 0) : derivative_definition(shape.activation, point);
      const double gelu =
          std::abs(point) / 2 * 0.8 * (1 + 0.134145 * point * point);  // see activation_test.cpp
      const double slope_error = relu ? 0 : 1.2 * at_z.tolerance[i] + (16 + 8 * gelu) * kRounding;
      result.values[i] *= slope;
      result.tolerance[i] = 1.13 * dy.tolerance[i] + std::abs(dy.values[i]) * slope_error +
                            kRounding * 2 * std::abs(result.values[i]);
    }
    return result;
  }

  static double at(const Floats& matrix, std::int64_t i, std::int64_t j, std::int64_t cols) {
    return matrix[static_cast<std::size_t>(i * cols + j)];
  }
};

// The sums of the columns of a matrix that is as exact as it says.
inline Bounded column_sums(const Bounded& matrix, std::int64_t cols) {
  const auto columns = static_cast<std::size_t>(cols);
  const std::size_t rows = matrix.values.size() / columns;
  Bounded sums{Doubles(columns), Doubles(columns)};
  for (std::size_t i = 0; i < matrix.values.size(); ++i) {
    sums.values[i % columns] += matrix.values[i];
    sums.tolerance[i % columns] +=
        matrix.tolerance[i] + static_cast<double>(rows + 1) * kRounding * std::abs(matrix.values[i]);
  }
  return sums;
}

inline Bounded exactly(const Floats& values) {
  return {Doubles(values.begin(), values.end()), Doubles(values.size())};
}

inline testing::AssertionResult all_near(std::span<const float> actual, const Bounded& expected) {
  return all_near(actual, expected.values, expected.tolerance);
}

}  // namespace softwarp
