// Which work of a layer is left to cuBLASLt. That it is done right is tested in tests/ops.

#include <gtest/gtest.h>

#include "host/backend/cuda/cuda_backend.h"
#include "tests/simulator/testing.h"

namespace softwarp {
namespace {

class CudaLinear : public simulator::SimulatorTest {
 protected:
  // `work` becomes one product and no kernel of ours.
  template <class Work>
  void expect_one_product(const char* what, Work work) {
    backend_->wait();
    simulator::reset_counters();
    work();
    backend_->wait();
    EXPECT_EQ(simulator::host_counters().products, 1) << what;
    EXPECT_EQ(simulator::counters().launches, 0) << what;
  }

  const std::unique_ptr<Backend> backend_ = make_cuda_backend();
};

TEST_F(CudaLinear, LeavesToOneProductWhatAnEpilogueDoes) {
  for (const Activation activation : {Activation::identity, Activation::relu, Activation::gelu})
    for (const std::int64_t width : {8, 13, 129})
      for (const bool trains : {false, true}) {
        SCOPED_TRACE(testing::Message() << "activation " << static_cast<int>(activation) << ", width "
                                        << width << (trains ? ", trains" : ""));
        const std::int64_t batch = 3, inputs = 5, outputs = 7;
        const auto below = backend_->make_linear(
            {.batch = batch, .inputs = inputs, .outputs = width, .activation = activation, .trains = trains});
        const Matrix x = backend_->make_matrix(batch, inputs), w = backend_->make_matrix(width, inputs),
                     y = backend_->make_matrix(batch, width);
        const auto b = backend_->make_array<float>(width);
        expect_one_product("forward", [&] { below->forward(x.view(), w.view(), b.data(), y.view()); });
        if (!trains) continue;
        expect_one_product("backward_weights",
                           [&] { below->backward_weights(x.view(), y.view(), w.view(), b.data()); });
        if (activation == Activation::identity) continue;
        const auto above =
            backend_->make_linear({.batch = batch, .inputs = width, .outputs = outputs, .below = activation});
        const Matrix dz = backend_->make_matrix(batch, outputs),
                     above_w = backend_->make_matrix(outputs, width),
                     dz_below = backend_->make_matrix(batch, width);
        expect_one_product("backward_through", [&] {
          above->backward_through(dz.view(), above_w.view(), *below, y.view(), dz_below.view(), b.data());
        });
      }
}

}  // namespace
}  // namespace softwarp
