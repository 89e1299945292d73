// Properties of softmax and cross-entropy that hold for all numbers, on every backend, tested on thousands of
// random matrices: shapes, magnitudes from denormal to huge, masked entries, NaN and infinity.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "tests/backends.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using Floats = std::vector<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Drawn {
  std::int64_t rows, cols;
  Floats values;
  std::int64_t first = 0;  // the row of values that is the matrix's first
  std::size_t at(std::int64_t r, std::int64_t c) const { return static_cast<std::size_t>(r * cols + c); }
};

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}

  std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  float normal() { return normal_(random_); }

  // Mostly short rows, now and then a long one.
  Drawn shape() {
    const std::int64_t cols = between(0, 9) > 0 ? between(1, 70) : between(71, 3000);
    Drawn drawn{between(1, cols > 70 ? 3 : 7), cols, {}, 0};
    drawn.values.resize(static_cast<std::size_t>(drawn.rows * drawn.cols));
    return drawn;
  }
  // Each matrix of one magnitude, a fifth of them with masked entries; never a whole row.
  Drawn logits() {
    constexpr float kScales[] = {1e-42f, 1e-20f, 1e-3f, 1, 1, 1, 10, 100, 1e4f, 1e37f};
    Drawn drawn = shape();
    const float scale = kScales[between(0, std::ssize(kScales) - 1)];
    for (float& v : drawn.values) v = scale * normal();
    if (between(0, 4) == 0)
      for (std::int64_t r = 0; r < drawn.rows; ++r)
        for (std::int64_t c = 1; c < drawn.cols; ++c)
          if (between(0, 2) == 0) drawn.values[drawn.at(r, c)] = -kInfinity;
    return drawn;
  }
  // Multiples of 1/64 up to 2^10: sums and differences of them are exact.
  Drawn round_numbers() {
    Drawn drawn = shape();
    for (float& v : drawn.values) v = static_cast<float>(between(-65536, 65536)) / 64;
    return drawn;
  }
  std::vector<std::int64_t> permutation(std::int64_t n) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random_);
    return order;
  }

 private:
  std::mt19937 random_;
  std::normal_distribution<float> normal_;
};

class Softmaxes {
 public:
  explicit Softmaxes(Backend& backend) : backend_(backend) {}

  Floats forward(const Drawn& x) {
    return run(x, [&](auto in, auto out) { backend_.softmax(in, out); });
  }
  Floats log_forward(const Drawn& x) {
    return run(x, [&](auto in, auto out) { backend_.log_softmax(in, out); });
  }
  Floats backward(const Drawn& y, const Floats& g) {
    const auto gradient = upload(backend_, g);
    return run(y, [&](auto in, auto out) {
      backend_.softmax_backward(in, matrix_view<const float>(gradient.data(), y.rows, y.cols), out);
    });
  }
  struct Loss {
    Floats losses, gradient;
    CrossEntropySums sums;
  };
  Loss cross_entropy(const Drawn& x, const std::vector<std::int32_t>& targets,
                     const CrossEntropyOptions& options = {}) {
    const auto t = upload(backend_, targets);
    const auto losses = backend_.make_array<float>(x.rows);
    const auto sums = backend_.make_array<CrossEntropySums>(1);
    Loss loss;
    loss.gradient = run(x, [&](auto in, auto out) {
      backend_.softmax_cross_entropy(in, t.data(), options, losses.data(), out, sums.data());
    });
    loss.losses = download(backend_, losses.data(), x.rows);
    loss.sums = backend_.download(sums.data());
    return loss;
  }

 private:
  // On all rows, or, where they lie, on those from `first` on.
  template <class Op>
  Floats run(const Drawn& x, Op op) {
    const auto in = upload(backend_, x.values);
    const auto out = backend_.make_array<float>(std::ssize(x.values));
    const std::int64_t at = x.first * x.cols;
    op(matrix_view<const float>(in.data() + at, x.rows, x.cols),
       matrix_view(out.data() + at, x.rows, x.cols));
    return download(backend_, out.data() + at, x.rows * x.cols);
  }

  Backend& backend_;
};

// Between two results that both hold the bound of float softmax: x - max is rounded, and exp makes a relative
// error of an absolute one.
float tolerance(float y) {
  const float distance = std::min(-std::log(std::max(y, 1e-45f)), 104.0f);
  return y * 0x1p-22f * (4 + 2 * distance) + 0x1p-126f;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// check(softmaxes, draw) so often on each backend; on the simulated device less often, for it is slow.
template <class Check>
void for_many(int times, Check check) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    Softmaxes softmaxes(*backend);
    const bool simulated = backend->name().find("cpu") == std::string::npos;
    for (int i = 0; i < (simulated ? times / 10 : times); ++i) {
      SCOPED_TRACE(testing::Message() << "seed " << i);
      Draw draw(static_cast<unsigned>(i));
      check(softmaxes, draw);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(Properties, AShiftOfTheLogitsChangesNoBit) {
  for_many(1000, [](Softmaxes& softmaxes, Draw& draw) {
    const Drawn x = draw.round_numbers();
    Drawn moved = x;
    const float shift = static_cast<float>(draw.between(-1000, 1000));
    for (float& v : moved.values) v += shift;
    EXPECT_TRUE(same_bits(softmaxes.forward(moved), softmaxes.forward(x)));
    EXPECT_TRUE(same_bits(softmaxes.log_forward(moved), softmaxes.log_forward(x)));
    const std::vector<std::int32_t> targets(static_cast<std::size_t>(x.rows), 0);
    EXPECT_TRUE(same_bits(softmaxes.cross_entropy(moved, targets).gradient,
                          softmaxes.cross_entropy(x, targets).gradient));
  });
}

TEST(Properties, PermutedColumnsGivePermutedResults) {
  for_many(1000, [](Softmaxes& softmaxes, Draw& draw) {
    const Drawn x = draw.logits();
    Drawn permuted = x;
    const auto order = draw.permutation(x.cols);
    for (std::int64_t r = 0; r < x.rows; ++r)
      for (std::int64_t c = 0; c < x.cols; ++c)
        permuted.values[x.at(r, c)] = x.values[x.at(r, order[static_cast<std::size_t>(c)])];
    const Floats y = softmaxes.forward(x), z = softmaxes.forward(permuted);
    for (std::int64_t r = 0; r < x.rows; ++r)
      for (std::int64_t c = 0; c < x.cols; ++c) {
        const float expected = y[x.at(r, order[static_cast<std::size_t>(c)])];
        EXPECT_NEAR(z[x.at(r, c)], expected, tolerance(expected));  // the sum has another order
      }
  });
}

TEST(Properties, RowsSumToOneAndMaskedEntriesAreZero) {
  for_many(1000, [](Softmaxes& softmaxes, Draw& draw) {
    const Drawn x = draw.logits();
    const Floats y = softmaxes.forward(x);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      double sum = 0;
      for (std::int64_t c = 0; c < x.cols; ++c) {
        const float v = y[x.at(r, c)];
        EXPECT_TRUE(v >= 0 && v <= 1) << v;
        if (x.values[x.at(r, c)] == -kInfinity) {
          EXPECT_EQ(v, 0);
        }
        sum += static_cast<double>(v);
      }
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  });
}

// Adding a constant to x changes nothing, so the Jacobian's rows, and its columns, sum to 0.
TEST(Properties, TheBackwardOfAConstantIsZero) {
  for_many(1000, [](Softmaxes& softmaxes, Draw& draw) {
    const Drawn x = draw.logits();
    const Drawn y{x.rows, x.cols, softmaxes.forward(x), 0};
    const float constant = 100 * draw.normal();
    const Floats dx = softmaxes.backward(y, Floats(x.values.size(), constant));
    for (std::size_t i = 0; i < dx.size(); ++i)
      EXPECT_NEAR(dx[i], 0, 1e-6f * std::abs(constant) * y.values[i] + 1e-40f);
    // And a gradient's image sums to 0.
    Floats g(x.values.size());
    for (float& v : g) v = draw.normal();
    const Floats image = softmaxes.backward(y, g);
    for (std::int64_t r = 0; r < x.rows; ++r)
      EXPECT_NEAR(std::accumulate(image.begin() + r * x.cols, image.begin() + (r + 1) * x.cols, 0.0), 0,
                  1e-6);
  });
}

TEST(Properties, TheBackwardIsLinear) {
  for_many(1000, [](Softmaxes& softmaxes, Draw& draw) {
    const Drawn x = draw.logits();
    const Drawn y{x.rows, x.cols, softmaxes.forward(x), 0};
    Floats a(x.values.size()), b(x.values.size()), sum(x.values.size()), twice(x.values.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = draw.normal(), b[i] = draw.normal();
      sum[i] = a[i] + b[i], twice[i] = 2 * a[i];
    }
    const Floats of_a = softmaxes.backward(y, a), of_b = softmaxes.backward(y, b),
                 of_sum = softmaxes.backward(y, sum), of_twice = softmaxes.backward(y, twice);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(of_sum[i], of_a[i] + of_b[i], 4e-6f * y.values[i] + 1e-40f);
      if (std::abs(of_a[i]) > std::numeric_limits<float>::min()) {
        EXPECT_EQ(of_twice[i], 2 * of_a[i]);
      }
    }
  });
}

TEST(Properties, TheGradientOfCrossEntropyIsProbabilitiesMinusOnehot) {
  for_many(1000, [](Softmaxes& softmaxes, Draw& draw) {
    const Drawn x = draw.logits();
    std::vector<std::int32_t> targets;
    for (std::int64_t r = 0; r < x.rows; ++r)
      targets.push_back(static_cast<std::int32_t>(draw.between(0, x.cols - 1)));
    const Floats p = softmaxes.forward(x);
    const auto loss = softmaxes.cross_entropy(x, targets);
    const auto rows = static_cast<float>(x.rows);
    for (std::int64_t r = 0; r < x.rows; ++r)
      for (std::int64_t c = 0; c < x.cols; ++c) {
        const float onehot = c == targets[static_cast<std::size_t>(r)] ? 1 : 0;
        EXPECT_NEAR(rows * loss.gradient[x.at(r, c)], p[x.at(r, c)] - onehot, 3e-7f);
      }
  });
}

// A row's results do not depend on its neighbours, good or bad.
TEST(Properties, RowsByThemselvesGiveTheSameBits) {
  for_many(500, [](Softmaxes& softmaxes, Draw& draw) {
    Drawn x = draw.logits();
    if (draw.between(0, 3) == 0)
      x.values[static_cast<std::size_t>(draw.between(0, std::ssize(x.values) - 1))] = kNan;
    if (draw.between(0, 3) == 0)
      x.values[static_cast<std::size_t>(draw.between(0, std::ssize(x.values) - 1))] = kInfinity;
    const std::vector<std::int32_t> targets(static_cast<std::size_t>(x.rows),
                                            static_cast<std::int32_t>(x.cols - 1));
    const Floats y = softmaxes.forward(x), log_y = softmaxes.log_forward(x);
    const Floats losses = softmaxes.cross_entropy(x, targets).losses;
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const auto row_of = [&](const Floats& all) {
        return Floats(all.begin() + r * x.cols, all.begin() + (r + 1) * x.cols);
      };
      const Drawn row{1, x.cols, x.values, r};  // in its place, on which a GPU's plan depends
      EXPECT_TRUE(same_bits(softmaxes.forward(row), row_of(y)));
      EXPECT_TRUE(same_bits(softmaxes.log_forward(row), row_of(log_y)));
      EXPECT_TRUE(same_bits(softmaxes.cross_entropy(row, {targets[0]}).losses,
                            {losses[static_cast<std::size_t>(r)]}));
      // NaN and +inf fill their row.
      const bool bad =
          std::ranges::any_of(row_of(x.values), [](float v) { return std::isnan(v) || v == kInfinity; });
      for (const float v : row_of(y)) EXPECT_EQ(std::isnan(v), bad);
    }
  });
}

TEST(Properties, BackendsAgree) {
  const auto backends = make_backends();
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << i);
    Draw draw(static_cast<unsigned>(i));
    const Drawn x = draw.logits();
    const Floats expected = Softmaxes(*backends.front()).forward(x);
    for (const auto& backend : backends) {
      SCOPED_TRACE(backend->name());
      const Floats y = Softmaxes(*backend).forward(x);
      for (std::size_t j = 0; j < y.size(); ++j) EXPECT_NEAR(y[j], expected[j], tolerance(expected[j]));
    }
  }
}

// The cases of PyTorch's own tests of cross_entropy (its ModuleInfo and OpInfo samples): shapes, ignore_index
// and all rows ignored, class weights, label smoothing, in every combination; expected values from the
// definition in double.
TEST(PyTorchCases, OfCrossEntropyMatchTheDefinition) {
  struct Case {
    std::int64_t rows, cols;
  };
  for (const auto& backend : make_backends())
    for (const Case shape : {Case{2, 3}, Case{15, 10}, Case{5, 5}, Case{1, 10}, Case{4, 1}})
      for (const std::int32_t ignored : {kIgnoreIndex, 0, 1, 3})
        for (const bool weighted : {false, true})
          for (const float smoothing : {0.0f, 0.1f, 0.15f, 0.5f, 1.0f})
            for (const bool all_ignored : {false, true}) {
              SCOPED_TRACE(testing::Message()
                           << backend->name() << ", " << shape.rows << "x" << shape.cols << ", ignore "
                           << ignored << (weighted ? ", weights" : "") << ", smoothing " << smoothing
                           << (all_ignored ? ", all ignored" : ""));
              const Drawn x{
                  shape.rows, shape.cols,
                  reference::random_floats(static_cast<std::size_t>(shape.rows * shape.cols), 3, 2)};
              std::vector<std::int32_t> targets;
              for (std::int64_t r = 0; r < shape.rows; ++r)
                targets.push_back(all_ignored ? ignored
                                              : static_cast<std::int32_t>((5 * r + 2) % shape.cols));
              Floats weights;
              for (std::int64_t c = 0; c < shape.cols; ++c)
                weights.push_back(0.1f + 0.3f * static_cast<float>(c % 4));
              const auto on_device = upload(*backend, weights);
              const reference::Row w = weighted ? reference::Row(weights.begin(), weights.end())
                                                : reference::Row(static_cast<std::size_t>(shape.cols), 1.0);
              const auto loss =
                  Softmaxes(*backend).cross_entropy(x, targets,
                                                    {.class_weights = weighted ? on_device.data() : nullptr,
                                                     .label_smoothing = smoothing,
                                                     .ignore_index = ignored});
              double sum = 0, weight = 0, all_weights = 0;
              for (const double each : w) all_weights += each;
              for (std::int64_t r = 0; r < shape.rows; ++r) {
                const std::int32_t t = targets[static_cast<std::size_t>(r)];
                const double expected =
                    t == ignored ? 0
                                 : reference::cross_entropy(reference::row_of(x.values, r * x.cols, x.cols),
                                                            t, w, static_cast<double>(smoothing));
                EXPECT_NEAR(loss.losses[static_cast<std::size_t>(r)], expected, 2e-6 * (1 + expected));
                sum += expected;
                weight += t == ignored ? 0 : w[static_cast<std::size_t>(t)];
              }
              EXPECT_NEAR(loss.sums.loss, sum, 2e-6 * (1 + sum));
              EXPECT_NEAR(loss.sums.weight, weight, 1e-6 * (1 + weight));
              // Of the mean: where that is 0 / 0, the gradient is 0.
              const double e = static_cast<double>(smoothing), share = e / static_cast<double>(x.cols);
              for (std::int64_t r = 0; r < shape.rows; ++r) {
                const std::int32_t t = targets[static_cast<std::size_t>(r)];
                const double of_target = t == ignored ? 0 : (1 - e) * w[static_cast<std::size_t>(t)];
                const auto p = reference::softmax(reference::row_of(x.values, r * x.cols, x.cols));
                for (std::int64_t c = 0; c < x.cols; ++c) {
                  const auto i = static_cast<std::size_t>(c);
                  const double slope =
                      (of_target + share * all_weights) * p[i] - share * w[i] - (c == t ? of_target : 0);
                  EXPECT_NEAR(loss.gradient[x.at(r, c)], t == ignored ? 0 : slope / weight, 2e-6)
                      << "row " << r << " column " << c;
                }
              }
            }
}

}  // namespace
}  // namespace softwarp
