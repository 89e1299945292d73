#include <softwarp/mlp.h>

#include <gtest/gtest.h>

namespace softwarp {
namespace {

TEST(ParameterLayout, PutsWeightsBeforeBiasesEachAlignedTo256Bytes) {
  for (const MlpShape& shape : {MlpShape{.inputs = 1, .hidden = {}, .classes = 2},
                                {.inputs = 6, .hidden = {5, 4}, .classes = 3},
                                {.inputs = 784, .hidden = {512, 256}, .classes = 10},
                                {.inputs = 64, .hidden = {64, 65, 63}, .classes = 129}}) {
    SCOPED_TRACE(shape.text());
    const ParameterLayout layout(shape);
    ASSERT_EQ(std::ssize(layout.tensors), 2 * shape.layers());
    std::int64_t end = 0, parameters = 0;
    for (const bool biases : {false, true}) {
      for (std::int64_t i = 0; i < shape.layers(); ++i) {
        const ParameterTensor& tensor = biases ? layout.bias(i) : layout.weight(i);
        SCOPED_TRACE(tensor.name);
        EXPECT_EQ(tensor.name, "fc" + std::to_string(i + 1) + (biases ? ".bias" : ".weight"));
        EXPECT_EQ(tensor.rows, shape.width(i + 1));
        EXPECT_EQ(tensor.cols, biases ? 0 : shape.width(i));
        EXPECT_EQ(tensor.fan_in, shape.width(i));
        EXPECT_EQ(tensor.size(), shape.width(i + 1) * (biases ? 1 : shape.width(i)));
        EXPECT_GE(tensor.offset, end) << "behind the one before";
        EXPECT_LT(tensor.offset, end + 64) << "and no further than it must be";
        EXPECT_EQ(tensor.offset % 64, 0);
        end = tensor.offset + tensor.size();
        parameters += tensor.size();
      }
      if (!biases) {
        EXPECT_EQ(layout.decayed, layout.bias(0).offset);
      }
    }
    EXPECT_GE(layout.size, end);
    EXPECT_LT(layout.size, end + 64);
    EXPECT_EQ(layout.parameters, parameters);
  }
}

TEST(ParameterLayout, RefusesALayerOfNoWidth) {
  EXPECT_THROW(ParameterLayout({.inputs = 0, .hidden = {}, .classes = 2}), std::invalid_argument);
  EXPECT_THROW(ParameterLayout({.inputs = 6, .hidden = {5, 0}, .classes = 2}), std::invalid_argument);
}

}  // namespace
}  // namespace softwarp
