#include <array>

#include "tests/ops/reference_layer.h"

namespace softwarp {
namespace {

struct Sizes {
  std::int64_t batch;
  std::int64_t inputs;
  std::int64_t outputs;
};
std::ostream& operator<<(std::ostream& out, const Sizes& s) {
  return out << s.batch << "x" << s.inputs << "x" << s.outputs;
}

LinearShape shape_of(const Sizes& sizes, Activation activation) {
  return {.batch = sizes.batch, .inputs = sizes.inputs, .outputs = sizes.outputs, .activation = activation};
}

// A layer of a backend, with room for all that goes in and out.
struct Layer {
  explicit Layer(Backend& on, const ReferenceLayer& reference)
      : backend(on),
        shape(reference.shape),
        linear(on.make_linear(shape)),
        x(upload(on, reference.x)),
        w(upload(on, reference.w)),
        b(upload(on, reference.b)),
        y(upload(on, Floats(static_cast<std::size_t>(shape.batch * shape.outputs), NAN))),
        dw(upload(on, Floats(reference.w.size(), NAN))),
        db(upload(on, Floats(reference.b.size(), NAN))),
        dx(upload(on, Floats(reference.x.size(), NAN))) {}

  Linear::ConstView x_view() const { return matrix_view<const float>(x.data(), shape.batch, shape.inputs); }
  Linear::ConstView w_view() const { return matrix_view<const float>(w.data(), shape.outputs, shape.inputs); }
  Linear::View y_view() const { return matrix_view(y.data(), shape.batch, shape.outputs); }
  Linear::View dw_view() const { return matrix_view(dw.data(), shape.outputs, shape.inputs); }
  Linear::View dx_view() const { return matrix_view(dx.data(), shape.batch, shape.inputs); }
  Linear::View outputs(const Array<float>& values) const {
    return matrix_view(values.data(), shape.batch, shape.outputs);
  }

  Floats forward() {
    linear->forward(x_view(), w_view(), b.data(), y_view());
    return fetch(y);
  }
  Floats fetch(const Array<float>& values) { return download(backend, values.data(), values.size()); }

  Backend& backend;
  LinearShape shape;
  std::unique_ptr<Linear> linear;
  Array<float> x, w, b, y, dw, db, dx;
};

class LinearLayer : public testing::TestWithParam<Sizes> {
 protected:
  // run(layer, reference) for every activation on every backend.
  template <class Run>
  void on_every_backend(Run run) {
    for (const Activation activation : kActivations) {
      const ReferenceLayer reference(shape_of(GetParam(), activation), /*seed=*/1);
      for (const auto& backend : make_backends()) {
        SCOPED_TRACE(backend->name() + " " + text_of(activation));
        Layer layer(*backend, reference);
        run(layer, reference);
      }
    }
  }
  Floats some_dy() const { return random_values(GetParam().batch * GetParam().outputs, 7); }
};

TEST_P(LinearLayer, ForwardMatchesTheDefinition) {
  on_every_backend([](Layer& layer, const ReferenceLayer& reference) {
    EXPECT_TRUE(all_near(layer.forward(), reference.y()));
  });
}

TEST_P(LinearLayer, ForwardOnlyGivesTheSame) {
  on_every_backend([](Layer& layer, const ReferenceLayer& reference) {
    layer.shape.trains = false;
    layer.linear = layer.backend.make_linear(layer.shape);
    EXPECT_TRUE(all_near(layer.forward(), reference.y()));
  });
}

TEST_P(LinearLayer, BackwardWeightsMatchesTheDefinition) {
  const Floats dz = some_dy();
  on_every_backend([&](Layer& layer, const ReferenceLayer& reference) {
    const auto gradient = upload(layer.backend, dz);
    layer.linear->backward_weights(layer.x_view(), layer.outputs(gradient), layer.dw_view(), layer.db.data());
    EXPECT_TRUE(all_near(layer.fetch(layer.dw), reference.dw(dz))) << "dw";
    EXPECT_TRUE(all_near(layer.fetch(layer.db), column_sums(exactly(dz), layer.shape.outputs))) << "db";
    EXPECT_EQ(layer.fetch(gradient), dz) << "dz is only read";
  });
}

TEST_P(LinearLayer, BackwardWeightsLeavesOutTheBias) {
  const Floats dz = some_dy();
  on_every_backend([&](Layer& layer, const ReferenceLayer& reference) {
    const auto gradient = upload(layer.backend, dz);
    layer.linear->backward_weights(layer.x_view(), layer.outputs(gradient), layer.dw_view(), nullptr);
    EXPECT_TRUE(all_near(layer.fetch(layer.dw), reference.dw(dz)));
  });
}

TEST_P(LinearLayer, BackwardInputMatchesTheDefinition) {
  const Floats dz = some_dy();
  on_every_backend([&](Layer& layer, const ReferenceLayer& reference) {
    const auto gradient = upload(layer.backend, dz);
    layer.linear->backward_input(layer.outputs(gradient), layer.w_view(), layer.dx_view());
    EXPECT_TRUE(all_near(layer.fetch(layer.dx), reference.dx(dz)));
  });
}

TEST_P(LinearLayer, ActivationBackwardMatchesTheDefinition) {
  const Floats dy = some_dy();
  on_every_backend([&](Layer& layer, const ReferenceLayer& reference) {
    const Floats y = layer.forward();
    const auto gradient = upload(layer.backend, dy);
    layer.linear->activation_backward(layer.y_view(), layer.outputs(gradient), layer.db.data());
    const Bounded dz = reference.dz(exactly(dy), y);
    EXPECT_TRUE(all_near(layer.fetch(gradient), dz)) << "dz";
    EXPECT_TRUE(all_near(layer.fetch(layer.db), column_sums(dz, layer.shape.outputs))) << "db";
  });
}

// The backward uses what the last forward kept, not what the first one did.
TEST_P(LinearLayer, BackwardBelongsToTheLastForward) {
  const Floats dy = some_dy();
  on_every_backend([&](Layer& layer, const ReferenceLayer& first) {
    layer.forward();
    ReferenceLayer reference = first;
    reference.x = random_values(static_cast<std::int64_t>(first.x.size()), 9);
    layer.backend.upload<float>(reference.x, layer.x.data());
    const Floats y = layer.forward();
    EXPECT_TRUE(all_near(y, reference.y()));
    const auto gradient = upload(layer.backend, dy);
    layer.linear->activation_backward(layer.y_view(), layer.outputs(gradient), layer.db.data());
    EXPECT_TRUE(all_near(layer.fetch(gradient), reference.dz(exactly(dy), y)));
  });
}

// This layer's input is the output of one below, whose bias may want no gradient.
TEST_P(LinearLayer, BackwardThroughReachesTheLayerBelow) {
  const Floats dz = some_dy();
  on_every_backend([&](Layer& layer, const ReferenceLayer& reference) {
    const ReferenceLayer lower(shape_of({layer.shape.batch, 11, layer.shape.inputs}, layer.shape.activation),
                               /*seed=*/5);
    Layer below(layer.backend, lower);
    auto layers = layer.backend.make_layers(std::array{lower.shape, layer.shape});
    below.linear = std::move(layers[0]);
    layer.linear = std::move(layers[1]);
    const Floats y = below.forward();
    const auto gradient = upload(layer.backend, dz);
    const Bounded expected = lower.dz(reference.dx(dz), y);
    for (float* const db : {below.db.data(), static_cast<float*>(nullptr), below.db.data()}) {
      layer.linear->backward_through(layer.outputs(gradient), layer.w_view(), below.y_view(), layer.dx_view(),
                                     db);
      EXPECT_TRUE(all_near(layer.fetch(layer.dx), expected)) << "dz below";
      layer.backend.upload<float>(Floats(reference.x.size(), NAN), layer.dx.data());
    }
    EXPECT_TRUE(all_near(layer.fetch(below.db), column_sums(expected, layer.shape.inputs))) << "db below";
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, LinearLayer,
                         testing::Values(Sizes{1, 1, 1}, Sizes{7, 13, 5},  // odd
                                         Sizes{128, 784, 10},
                                         Sizes{33, 100, 64},     // as in a network for MNIST
                                         Sizes{128, 32, 129}));  // beside 16384 outputs

// A diverged training must show. On a GPU a ReLU that cuBLASLt fuses makes NaN 0, as its documentation says,
// and ours passes it; which of them runs depends on the library's version.
TEST(Linear, PassesNaN) {
  for (const Activation activation : kActivations) {
    ReferenceLayer reference(shape_of({3, 4, 5}, activation), 1);
    reference.x[5] = NAN;  // row 1
    for (const auto& backend : make_backends()) {
      SCOPED_TRACE(backend->name() + " " + text_of(activation));
      const Floats y = Layer(*backend, reference).forward();
      const bool may_hide = activation == Activation::relu && backend->name().starts_with("cuda");
      for (std::size_t i = 0; i < y.size(); ++i) {
        const bool hidden = may_hide && i / 5 == 1 && y[i] == 0;
        EXPECT_EQ(std::isnan(y[i]) || hidden, i / 5 == 1) << i;
      }
    }
  }
}

}  // namespace
}  // namespace softwarp
