#include "host/training/evaluation.h"

#include <gtest/gtest.h>
#include <softwarp/error.h>
#include <softwarp/train.h>

#include <utility>

#include "tests/backends.h"
#include "tests/training/reference_network.h"

namespace softwarp {
namespace {

const MlpShape kShape{.inputs = 6, .hidden = {5}, .classes = 3, .activation = Activation::tanh};

Dataset some_images(std::int64_t count) {
  Dataset data{.name = "made up",
               .images = {},
               .labels = {},
               .count = count,
               .height = 2,
               .width = 3,
               .classes = 3,
               .max_pixel = 255};
  std::mt19937 random(1);
  for (std::int64_t i = 0; i < count; ++i) {
    for (int k = 0; k < 6; ++k) data.images.push_back(static_cast<std::uint8_t>(random()));
    data.labels.push_back(static_cast<std::uint8_t>(random() % 3));
  }
  return data;
}

// Whole batches of 1000 images, and a smaller last one.
TEST(Evaluation, GivesTheScoreAndTheProbabilitiesOfEveryImage) {
  for (const auto& backend : make_backends())
    for (const std::int64_t count : {1, 17, 1000, 2300}) {
      SCOPED_TRACE(testing::Message() << backend->name() << ", " << count << " images");
      const Dataset data = some_images(count);
      Mlp mlp(*backend, kShape);
      const Floats values = random_values(mlp.layout().size, 2);
      mlp.set_values(values);
      const ResidentDataset images(*backend, data);
      Evaluation evaluation(mlp, images);
      std::vector<float> probabilities;
      const Score score = evaluation.run(probabilities);

      const Doubles weights(values.begin(), values.end());
      Doubles pixels;
      for (const std::uint8_t pixel : data.images) pixels.push_back(pixel / 255.0);
      const std::vector<std::int32_t> labels(data.labels.begin(), data.labels.end());
      const ReferenceScore expected = reference_score(kShape, weights, pixels, labels);
      EXPECT_NEAR(score.loss, expected.loss, 1e-5);
      EXPECT_EQ(score.accuracy, static_cast<double>(expected.correct) / static_cast<double>(count));
      EXPECT_EQ(score.images, count);
      const Score again = evaluation.run();
      EXPECT_EQ(again.loss, score.loss);
      EXPECT_EQ(again.accuracy, score.accuracy);

      // The loss of one image is the logarithm of the probability of its label.
      ASSERT_EQ(std::ssize(probabilities), 3 * count);
      for (std::size_t i = 0; i < labels.size(); ++i)
        for (std::int32_t c = 0; c < 3; ++c) {
          const Doubles image(pixels.begin() + static_cast<std::ptrdiff_t>(6 * i),
                              pixels.begin() + static_cast<std::ptrdiff_t>(6 * i + 6));
          ASSERT_NEAR(probabilities[3 * i + static_cast<std::size_t>(c)],
                      std::exp(-reference_score(kShape, weights, image, {c}).loss), 1e-5)
              << "image " << i << " class " << c;
        }
    }
}

TEST(Evaluate, GivesTheScoreOfAModelAndRefusesOtherImages) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const Dataset data = some_images(17);
    Model model{.shape = kShape, .input = {"made up", 2, 3, 255}, .values = {}};
    model.values = random_values(ParameterLayout(kShape).size, 2);
    Mlp mlp(*backend, kShape);
    mlp.set_values(model.values);
    std::vector<float> expected, probabilities;
    const Score score = Evaluation(mlp, ResidentDataset(*backend, data)).run(expected);
    EXPECT_EQ(evaluate(*backend, model, data).loss, score.loss);
    EXPECT_EQ(evaluate(*backend, model, data, &probabilities).accuracy, score.accuracy);
    EXPECT_EQ(probabilities, expected);

    const auto refusal = [&](const Dataset& other) -> std::string {
      try {
        evaluate(*backend, model, other);
      } catch (const Error& error) {
        return error.what();
      }
      return "";
    };
    Dataset turned = data, many = data;
    std::swap(turned.height, turned.width);
    many.classes = 4;
    EXPECT_EQ(refusal(turned), "expected images of 2x3, found 3x2 in made up");
    EXPECT_EQ(refusal(many), "expected at most 3 classes, found 4 in made up");
  }
}

}  // namespace
}  // namespace softwarp
