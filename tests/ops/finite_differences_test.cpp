// The gradients that the tests of layers compare with are themselves held against finite differences.

#include <functional>

#include "tests/ops/reference_layer.h"

namespace softwarp {
namespace {

// sum of dy ⊙ y
double loss(const ReferenceLayer& layer, const Doubles& x, const Doubles& w, const Doubles& b,
            const Floats& dy) {
  const auto [batch, inputs, outputs, activation, trains] = layer.shape;
  double sum = 0;
  for (std::int64_t i = 0; i < batch; ++i)
    for (std::int64_t j = 0; j < outputs; ++j) {
      double z = b[static_cast<std::size_t>(j)];
      for (std::int64_t k = 0; k < inputs; ++k)
        z += x[static_cast<std::size_t>(i * inputs + k)] * w[static_cast<std::size_t>(j * inputs + k)];
      sum += activation_definition(activation, z) * dy[static_cast<std::size_t>(i * outputs + j)];
    }
  return sum;
}

Doubles slopes(Doubles& values, const std::function<double()>& loss_now) {
  constexpr double kStep = 1e-5;
  Doubles result;
  for (double& value : values) {
    const double before = value;
    value = before + kStep;
    const double above = loss_now();
    value = before - kStep;
    result.push_back((above - loss_now()) / (2 * kStep));
    value = before;
  }
  return result;
}

void expect_near(const Doubles& found, const Doubles& expected, double tolerance, const char* what) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance) << what << " " << i;
}

TEST(ReferenceLayer, GradientsAreWhatFiniteDifferencesSay) {
  for (const Activation activation : kActivations) {
    SCOPED_TRACE(text_of(activation));
    const ReferenceLayer layer({.batch = 7, .inputs = 13, .outputs = 5, .activation = activation}, 1);
    const Floats dy = random_values(7 * 5, 7);
    Doubles x(layer.x.begin(), layer.x.end()), w(layer.w.begin(), layer.w.end()),
        b(layer.b.begin(), layer.b.end());
    const auto loss_now = [&] { return loss(layer, x, w, b, dy); };

    const Doubles y = layer.y().values;
    const Doubles dz = layer.dz(exactly(dy), Floats(y.begin(), y.end())).values;
    // dw and dx take dz as floats; what the rounding of dz changes is within 1e-6.
    const Floats rounded(dz.begin(), dz.end());
    expect_near(layer.dw(rounded).values, slopes(w, loss_now), 2e-6, "dw");
    expect_near(layer.dx(rounded).values, slopes(x, loss_now), 2e-6, "dx");
    expect_near(column_sums({dz, Doubles(dz.size())}, 5).values, slopes(b, loss_now), 1e-8, "db");
  }
}

}  // namespace
}  // namespace softwarp
