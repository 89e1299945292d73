// Which work of a layer is left to cuBLASLt. That it is done right is tested in tests/ops.

#include <gtest/gtest.h>
#include <softwarp/backend.h>
#include <array>

#include "simulator/testing.h"

namespace softwarp {
namespace {

class CudaLinear : public simulator::SimulatorTest {
 protected:
  // `work` becomes one product and no kernel of ours.
  template <class Work>
  static void expect_one_product(Backend& backend, const char* what, Work work) {
    backend.wait();
    simulator::reset_counters();
    work();
    backend.wait();
    EXPECT_EQ(simulator::host_counters().products, 1) << what;
    EXPECT_EQ(simulator::counters().launches, 0) << what;
  }
};

TEST_F(CudaLinear, LeavesToOneProductWhatAnEpilogueDoes) {
  const auto backend = make_cuda_backend();
  for (const Activation activation : {Activation::identity, Activation::relu, Activation::gelu})
    for (const std::int64_t width : {8, 13, 129})
      for (const bool trains : {false, true}) {
        SCOPED_TRACE(testing::Message() << "activation " << static_cast<int>(activation) << ", width "
                                        << width << (trains ? ", trains" : ""));
        const std::int64_t batch = 3, inputs = 5, outputs = 7;
        const auto layers = backend->make_layers(
            std::array{LinearShape{.batch = batch,
                                   .inputs = inputs,
                                   .outputs = width,
                                   .activation = activation,
                                   .trains = trains},
                       LinearShape{.batch = batch, .inputs = width, .outputs = outputs, .trains = trains}});
        Linear* const below = layers[0].get();
        Linear* const above = layers[1].get();
        const Matrix x = backend->make_matrix(batch, inputs), w = backend->make_matrix(width, inputs),
                     y = backend->make_matrix(batch, width);
        const auto b = backend->make_array<float>(width);
        expect_one_product(*backend, "forward",
                           [&] { below->forward(x.view(), w.view(), b.data(), y.view()); });
        if (!trains) continue;
        expect_one_product(*backend, "backward_weights",
                           [&] { below->backward_weights(x.view(), y.view(), w.view(), b.data()); });
        if (activation == Activation::identity) continue;
        const Matrix dz = backend->make_matrix(batch, outputs),
                     above_w = backend->make_matrix(outputs, width),
                     dz_below = backend->make_matrix(batch, width);
        expect_one_product(*backend, "backward_through", [&] {
          above->backward_through(dz.view(), above_w.view(), y.view(), dz_below.view(), b.data());
        });
      }
}

}  // namespace
}  // namespace softwarp
