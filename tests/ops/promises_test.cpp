// Every public function says which promise of its caller's is broken, the same on every backend.

#include <array>
#include <functional>
#include <stdexcept>
#include <string_view>
#include <tuple>

#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

void expect_promise(const std::function<void()>& function, std::string_view promise) {
  try {
    function();
    ADD_FAILURE() << "no exception, but: " << promise;
  } catch (const std::invalid_argument& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("expects " + std::string(promise)), std::string::npos)
        << message << " lacks " << promise;
  }
}

// Views that are never read: a wrong shape is found before that. 3x4 is what the functions get when it is
// right.
class Promises : public testing::Test {
 protected:
  // test(backend) with this backend's memory in `data_`.
  template <class Test>
  void on_every_backend(Test test) {
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name());
      const auto memory = backend->make_array<double>(100);
      const auto state = backend->make_array<TrainingState>(1);
      data_ = memory.data();
      state_ = state.data();
      test(*backend);
    }
  }
  MatrixView<float> view(std::int64_t rows = 3, std::int64_t cols = 4, std::int64_t stride = 0) const {
    return {static_cast<float*>(data_), rows, cols, stride != 0 ? stride : cols};
  }
  MatrixView<double> view64(std::int64_t rows = 3, std::int64_t cols = 4) const {
    return {static_cast<double*>(data_), rows, cols, cols};
  }
  float* floats() const { return static_cast<float*>(data_); }
  std::int32_t* integers() const { return static_cast<std::int32_t*>(data_); }

  void* data_ = nullptr;
  TrainingState* state_ = nullptr;
};

TEST_F(Promises, OfOneTypeInACall) {
  on_every_backend([&](Backend& b) {
    expect_promise([&] { b.softmax(view(), view64()); }, "matrices of one type");
    expect_promise([&] { b.log_softmax_backward(view(), view64(), view()); }, "matrices of one type");
    expect_promise([&] { b.log_softmax_backward(view(), view(), view64()); }, "matrices of one type");
    expect_promise([&] { b.softmax_jacobian(view(), view64(12, 4)); }, "matrices of one type");
  });
}

TEST_F(Promises, OfMemory) {
  on_every_backend([&](Backend& b) {
    expect_promise([&] { std::ignore = b.make_array<float>(-1); }, "a size that is not negative");
    expect_promise([&] { std::ignore = b.make_matrix(-1, 4); }, "sizes that are not negative");
    expect_promise([&] { std::ignore = b.make_matrix(-2, -2); }, "sizes that are not negative");
  });
  expect_promise([] { std::ignore = make_cpu_backend(-1); }, "a number of threads that is not negative");
}

TEST_F(Promises, OfOpsOnTwoMatrices) {
  on_every_backend([&](Backend& b) {
    const std::function<void(Backend::ConstView, Backend::View)> ops[] = {
        [&](auto x, auto y) { b.softmax(x, y); }, [&](auto x, auto y) { b.log_softmax(x, y); },
        [&](auto x, auto y) { b.activation(Activation::relu, x, y); },
        [&](auto x, auto y) { b.dropout(x, 0.5f, 0, state_, y); }};
    for (const auto& op : ops) {
      expect_promise([&] { op(view(), view(2)); }, "matrices of one shape");
      expect_promise([&] { op(view(), view(3, 5)); }, "matrices of one shape");
      expect_promise([&] { op(view(3, 0), view(3, 0)); }, "at least one column");
      expect_promise([&] { op(view(-1), view(-1)); }, "at least one column");
      expect_promise([&] { op(view(3, 4, 3), view()); }, "strides of at least a row's length");
      expect_promise([&] { op(view(), view(3, 4, 3)); }, "strides of at least a row's length");
    }
    expect_promise([&] { b.softmax(view64(), view64(2)); }, "matrices of one shape");
    expect_promise([&] { b.log_softmax(view64(), view64(3, 5)); }, "matrices of one shape");
  });
}

TEST_F(Promises, OfBackwardOps) {
  on_every_backend([&](Backend& b) {
    const std::function<void(Backend::ConstView, Backend::ConstView, Backend::View)> ops[] = {
        [&](auto y, auto dy, auto dx) { b.softmax_backward(y, dy, dx); },
        [&](auto y, auto dy, auto dx) { b.log_softmax_backward(y, dy, dx); },
        [&](auto y, auto dy, auto dx) { b.activation_backward(Activation::relu, {}, y, dy, dx); },
        [&](auto z, auto dy, auto dx) { b.activation_backward(Activation::gelu, z, dy, dy, dx); }};
    for (const auto& op : ops) {
      expect_promise([&] { op(view(2), view(), view()); }, "matrices of one shape");
      expect_promise([&] { op(view(), view(3, 5), view()); }, "matrices of one shape");
      expect_promise([&] { op(view(), view(), view(4, 3)); }, "matrices of one shape");
    }
    expect_promise([&] { b.softmax_backward(view64(), view64(), view64(2)); }, "matrices of one shape");
    expect_promise([&] { b.log_softmax_backward(view64(), view64(2), view64()); }, "matrices of one shape");
    expect_promise([&] { b.softmax_jacobian(view(3, 4), view(12, 3)); }, "a Jacobian of rows * cols x cols");
    expect_promise([&] { b.softmax_jacobian(view64(3, 4), view64(3, 4)); },
                   "a Jacobian of rows * cols x cols");
  });
}

TEST_F(Promises, OfTheLoss) {
  on_every_backend([&](Backend& b) {
    auto* sums = static_cast<CrossEntropySums*>(data_);
    const auto loss = [&](auto logits, auto dlogits, float smoothing, CrossEntropySums* to) {
      b.softmax_cross_entropy(logits, integers(), {.label_smoothing = smoothing}, nullptr, dlogits, to);
    };
    expect_promise([&] { loss(view(3, 0), view(3, 0), 0, sums); }, "at least one class");
    expect_promise([&] { loss(view(), view(2), 0, sums); }, "matrices of one shape");
    expect_promise([&] { loss(view(), view(), 0, nullptr); }, "sums to add to");
    for (const float smoothing : {-0.1f, 1.1f, NAN})
      expect_promise([&] { loss(view(), view(), smoothing, sums); }, "label smoothing in [0, 1]");
    expect_promise([&] { b.argmax(view(3, 0), integers()); }, "at least one column");
  });
}

TEST_F(Promises, OfDropout) {
  on_every_backend([&](Backend& b) {
    for (const float rate : {-0.1f, 1.0f, 2.0f, NAN})
      expect_promise([&] { b.dropout(view(), rate, 0, state_, view()); }, "a dropout rate in [0, 1)");
    expect_promise([&] { b.dropout(view(3, 4, 5), 0.5f, 0, state_, view()); }, "packed matrices");
    expect_promise([&] { b.dropout(view(), 0.5f, 0, state_, view(3, 4, 5)); }, "packed matrices");
  });
}

TEST_F(Promises, OfBatches) {
  on_every_backend([&](Backend& b) {
    const auto* bytes = static_cast<const std::uint8_t*>(data_);
    const DatasetView data{.images = bytes, .labels = bytes, .count = 3, .pixels = 4};
    expect_promise([&] { b.gather_batch(data, nullptr, state_, view(3, 5), integers()); },
                   "a batch as wide as an image");
    expect_promise([&] { b.gather_batch(data, nullptr, state_, view(4, 4), integers()); },
                   "a batch no larger than the data set");
    const DatasetView of_floats{.labels = bytes, .count = 3, .pixels = 4, .width = 2, .values = floats()};
    expect_promise([&] { b.augment_batch(of_floats, nullptr, state_, {}, view(3, 4), integers()); },
                   "images of bytes");
    expect_promise([&] { b.permutation(1, 0, integers(), -1); }, "a count that fits 31 bits");
    expect_promise([&] { b.permutation(1, 0, integers(), std::int64_t{1} << 31); },
                   "a count that fits 31 bits");
  });
}

TEST_F(Promises, OfOptimizers) {
  on_every_backend([&](Backend& b) {
    const ParameterBuffers bare{.values = floats(), .gradients = floats(), .size = 1};
    ParameterBuffers one = bare;
    one.first_moment = floats();
    expect_promise([&] { b.sgd_step(bare, {.momentum = 0.9f}, {}, state_, 1); }, "a momentum buffer");
    expect_promise([&] { b.sgd_step(one, {.nesterov = true}, {}, state_, 1); },
                   "momentum above zero for Nesterov");
    expect_promise([&] { b.adamw_step(bare, {}, {}, state_, 1); }, "both moment buffers");
    expect_promise([&] { b.adamw_step(one, {}, {}, state_, 1); }, "both moment buffers");
    for (const float decay : {-0.5f, 0.0f, 1.0f, NAN})
      expect_promise([&] { b.average_parameters(floats(), floats(), 1, decay, state_); },
                     "a decay in (0, 1)");
    for (const float norm : {-1.0f, 0.0f, NAN})
      expect_promise([&] { b.renorm_rows(view(), norm); }, "a norm above 0");
  });
}

TEST_F(Promises, OfMakingALayer) {
  on_every_backend([&](Backend& b) {
    for (const LinearShape& shape :
         {LinearShape{0, 4, 5}, LinearShape{3, 0, 5}, LinearShape{3, 4, 0}, LinearShape{-1, 4, 5}})
      expect_promise([&] { std::ignore = b.make_linear(shape); }, "layers with sizes above zero");
  });
}

TEST_F(Promises, OfALayer) {
  on_every_backend([&](Backend& b) {
    const auto l = b.make_linear({.batch = 3, .inputs = 4, .outputs = 5});
    const auto x = view(3, 4), w = view(5, 4), y = view(3, 5);
    const float* bias = floats();
    // Neither transposed nor with rows apart.
    for (const auto& bad : {view(4, 3), view(2, 4), view(3, 4, 6)}) {
      expect_promise([&] { l->forward(bad, w, bias, y); }, "x of batch x inputs");
      expect_promise([&] { l->backward_weights(bad, y, w, nullptr); }, "x of batch x inputs");
      expect_promise([&] { l->backward_input(y, w, bad); }, "dx of batch x inputs");
    }
    for (const auto& bad : {view(4, 5), view(5, 3), view(5, 4, 6)}) {
      expect_promise([&] { l->forward(x, bad, bias, y); }, "w of outputs x inputs");
      expect_promise([&] { l->backward_weights(x, y, bad, nullptr); }, "dw of outputs x inputs");
      expect_promise([&] { l->backward_input(y, bad, x); }, "w of outputs x inputs");
    }
    for (const auto& bad : {view(5, 3), view(3, 4), view(3, 5, 6)}) {
      expect_promise([&] { l->forward(x, w, bias, bad); }, "y of batch x outputs");
      expect_promise([&] { l->backward_weights(x, bad, w, nullptr); }, "dz of batch x outputs");
      expect_promise([&] { l->backward_input(bad, w, x); }, "dz of batch x outputs");
      expect_promise([&] { l->activation_backward(bad, y, floats()); }, "y of batch x outputs");
      expect_promise([&] { l->activation_backward(y, bad, floats()); }, "dz of batch x outputs");
    }
  });
}

TEST_F(Promises, OfALayerThatDoesNotTrain) {
  on_every_backend([&](Backend& b) {
    const LinearShape shape{.batch = 3, .inputs = 4, .outputs = 4, .trains = false};
    const auto layers = b.make_layers(std::array{shape, shape});
    Linear* const l = layers[1].get();
    const auto x = view(3, 4), w = view(4, 4);
    expect_promise([&] { l->backward_weights(x, x, w, nullptr); }, "a layer made to train");
    expect_promise([&] { l->backward_input(x, w, x); }, "a layer made to train");
    expect_promise([&] { l->activation_backward(x, x, floats()); }, "a layer made to train");
    expect_promise([&] { l->backward_through(x, w, x, x, floats()); }, "a layer made to train");
  });
}

TEST_F(Promises, OfTwoLayers) {
  on_every_backend([&](Backend& b) {
    const LinearShape above{.batch = 3, .inputs = 4, .outputs = 5},
        below{.batch = 3, .inputs = 2, .outputs = 4};
    for (const LinearShape& shape :
         {LinearShape{3, 2, 5}, LinearShape{2, 2, 4}, LinearShape{3, 2, 4, Activation::identity, false}})
      expect_promise([&] { std::ignore = b.make_layers(std::array{shape, above}); },
                     "layers that feed each other");
    const auto dz = view(3, 5), w = view(5, 4), x = view(3, 4);
    const auto alone = b.make_linear(above);
    expect_promise([&] { alone->backward_through(dz, w, x, x, floats()); },
                   "a layer made with the one below it");
    const auto layers = b.make_layers(std::array{below, above});
    Linear* const l = layers[1].get();
    expect_promise([&] { l->backward_through(x, w, x, x, floats()); }, "dz of batch x outputs");
    expect_promise([&] { l->backward_through(dz, x, x, x, floats()); }, "w of outputs x inputs");
    expect_promise([&] { l->backward_through(dz, w, dz, x, floats()); }, "y_below of batch x inputs");
    expect_promise([&] { l->backward_through(dz, w, x, dz, floats()); }, "dz_below of batch x inputs");
  });
}

}  // namespace
}  // namespace softwarp
