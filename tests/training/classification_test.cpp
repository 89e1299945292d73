#include <softwarp/train.h>

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace softwarp {
namespace {

// Three classes, five images: labels 0 0 1 1 2, taken for 0 1 1 1 0.
const std::vector<float> kProbabilities = {0.8f, 0.1f, 0.1f, 0.3f, 0.4f, 0.3f, 0.2f, 0.6f,
                                           0.2f, 0.0f, 1.0f, 0.0f, 0.9f, 0.1f, 0.0f};
const std::vector<std::uint8_t> kLabels = {0, 0, 1, 1, 2};

TEST(Classification, CountsLabelsInRowsAndPredictionsInColumns) {
  EXPECT_EQ(classify(kProbabilities, kLabels, 3).confusion,
            (std::vector<std::int64_t>{1, 1, 0, 0, 2, 0, 1, 0, 0}));
}

TEST(Classification, ScoresEachClass) {
  const auto classes = classify(kProbabilities, kLabels, 3).classes;
  EXPECT_DOUBLE_EQ(classes[0].precision, 1.0 / 2);
  EXPECT_DOUBLE_EQ(classes[0].recall, 1.0 / 2);
  EXPECT_DOUBLE_EQ(classes[1].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(classes[1].recall, 1.0);
  EXPECT_DOUBLE_EQ(classes[1].f1, 4.0 / 5);
  EXPECT_TRUE(std::isnan(classes[2].precision));
  EXPECT_EQ(classes[2].recall, 0.0);
  EXPECT_EQ(classes[2].images, 1);
}

TEST(Classification, TakesProbabilitiesThatAreNoNumbers) {
  const float nan = std::nanf("");
  const auto result = classify(std::vector<float>{nan, nan, 0.2f, 0.8f, nan, nan, 0.7f, 0.3f},
                               std::vector<std::uint8_t>{1, 0, 1, 1}, 2);
  EXPECT_EQ(result.confusion, (std::vector<std::int64_t>{0, 1, 3, 0}));
  EXPECT_TRUE(std::isnan(result.calibration_error));
  ASSERT_EQ(result.mistakes.size(), 4u);
  EXPECT_EQ(result.mistakes[0].image, 1);
  EXPECT_EQ(result.mistakes[1].image, 3);
  EXPECT_EQ(result.mistakes[2].image, 0);
  EXPECT_EQ(result.mistakes[3].image, 2);
}

TEST(Classification, ListsTheMostConfidentMistakesFirst) {
  const auto mistakes = classify(kProbabilities, kLabels, 3).mistakes;
  ASSERT_EQ(mistakes.size(), 2u);
  EXPECT_EQ(mistakes[0].image, 4);
  EXPECT_EQ(mistakes[0].label, 2);
  EXPECT_EQ(mistakes[0].predicted, 0);
  EXPECT_FLOAT_EQ(static_cast<float>(mistakes[0].probability), 0.9f);
  EXPECT_EQ(mistakes[1].image, 1);
}

// Confidences 0.8, 0.4, 0.6, 1.0, 0.9 fall in bins of their own.
TEST(Classification, MeasuresCalibration) {
  EXPECT_NEAR(classify(kProbabilities, kLabels, 3).calibration_error, (0.2 + 0.4 + 0.4 + 0.0 + 0.9) / 5,
              1e-6);
}

TEST(Classification, ScoresWhatTheDefinitionsSay) {
  const Score score = score_probabilities(kProbabilities, kLabels, 3);
  EXPECT_EQ(score.accuracy, 3.0 / 5);
  EXPECT_EQ(score.images, 5);
  EXPECT_TRUE(std::isinf(score.loss));  // the last label's probability is 0
  const auto four = score_probabilities(std::span(kProbabilities).first(12), std::span(kLabels).first(4), 3);
  EXPECT_NEAR(four.loss, -std::log(0.8 * 0.3 * 0.6 * 1.0) / 4, 1e-7);
  EXPECT_TRUE(std::isnan(score_probabilities({}, {}, 3).accuracy));
  EXPECT_THROW((void)score_probabilities(kProbabilities, kLabels, 2), std::invalid_argument);
  const std::vector<std::uint8_t> labels = {0, 1, 2, 3, 0};
  EXPECT_THROW((void)score_probabilities(kProbabilities, labels, 3), std::invalid_argument);
}

TEST(Classification, AveragesInDouble) {
  // In float, 1 + 2^-24 is 1, so that the sum's order counted and the small ones were lost.
  const float small = std::ldexp(1.0f, -24);
  const std::vector<std::vector<float>> models = {{1, 0.3f}, {small, 0.5f}, {small, 0.1f}, {0, 0.7f}};
  const std::vector<float> means = mean_probabilities(models);
  EXPECT_EQ(means[0], (1 + std::ldexp(1.0f, -23)) / 4);
  EXPECT_NEAR(means[1], 0.4, 1e-7);
  EXPECT_EQ(mean_probabilities(std::vector<std::vector<float>>{kProbabilities}), kProbabilities);
  EXPECT_THROW((void)mean_probabilities({}), std::invalid_argument);
  EXPECT_THROW((void)mean_probabilities(std::vector<std::vector<float>>{{1}, {1, 0}}), std::invalid_argument);
}

// Guo et al., arXiv:1706.04599, equations 2 to 5, bin by bin from their definitions.
TEST(Classification, BinsConfidencesAsTheDefinitionSays) {
  constexpr std::size_t kImages = 2000, kClasses = 4;
  std::mt19937 random(5);
  std::gamma_distribution<float> gamma(0.3f);
  std::vector<float> probabilities;
  std::vector<std::uint8_t> labels;
  for (std::size_t i = 0; i < kImages; ++i) {
    float row[kClasses], sum = 0;
    for (float& p : row) sum += p = gamma(random) + 1e-6f;
    for (const float p : row) probabilities.push_back(p / sum);
    labels.push_back(static_cast<std::uint8_t>(random() % kClasses));
  }
  probabilities[0] = 1, probabilities[1] = probabilities[2] = probabilities[3] = 0;  // the last bin's end

  const Classification found = classify(probabilities, labels, kClasses);
  ASSERT_EQ(found.calibration.size(), 15u);
  double error = 0;
  std::int64_t images = 0;
  for (int b = 0; b < 15; ++b) {
    double confidence = 0, correct = 0, count = 0;
    for (std::size_t i = 0; i < kImages; ++i) {
      std::size_t best = 0;
      for (std::size_t c = 1; c < kClasses; ++c)
        if (probabilities[i * kClasses + c] > probabilities[i * kClasses + best]) best = c;
      const double p = probabilities[i * kClasses + best];
      if (p < b / 15.0 || (p >= (b + 1) / 15.0 && b < 14)) continue;
      confidence += p, correct += best == labels[i], ++count;
    }
    const CalibrationBin& bin = found.calibration[static_cast<std::size_t>(b)];
    EXPECT_EQ(static_cast<double>(bin.images), count) << b;
    images += bin.images;
    if (count == 0) {
      EXPECT_TRUE(std::isnan(bin.confidence) && std::isnan(bin.accuracy)) << b;
      continue;
    }
    EXPECT_NEAR(bin.confidence, confidence / count, 1e-12) << b;
    EXPECT_NEAR(bin.accuracy, correct / count, 1e-12) << b;
    error += count / kImages * std::abs(correct / count - confidence / count);
  }
  EXPECT_EQ(images, static_cast<std::int64_t>(kImages));
  EXPECT_EQ(found.calibration[0].images, 0);  // of four classes, one has at least 1/4
  EXPECT_GT(error, 0.1);
  EXPECT_NEAR(found.calibration_error, error, 1e-12);
}

}  // namespace
}  // namespace softwarp
