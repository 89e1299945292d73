#include <softwarp/error.h>
#include <softwarp/train.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

namespace softwarp {
namespace {

// Sums over the images of a bin.
struct Bin {
  double confidence = 0;
  double correct = 0;
  std::int64_t images = 0;
};

constexpr std::size_t kBins = 15;

std::vector<ClassScore> class_scores(const std::vector<std::int64_t>& confusion, std::size_t classes) {
  std::vector<ClassScore> scores(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    std::int64_t labelled = 0, predicted = 0;
    for (std::size_t other = 0; other < classes; ++other) {
      labelled += confusion[c * classes + other];
      predicted += confusion[other * classes + c];
    }
    const auto correct = static_cast<double>(confusion[c * classes + c]);
    scores[c] = {.precision = correct / static_cast<double>(predicted),
                 .recall = correct / static_cast<double>(labelled),
                 .f1 = 2 * correct / static_cast<double>(labelled + predicted),
                 .images = labelled};
  }
  return scores;
}

std::size_t likeliest(std::span<const float> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace

std::vector<float> mean_probabilities(std::span<const std::vector<float>> models) {
  expects(!models.empty(), "at least one model");
  std::vector<double> sums(models.front().size());
  for (const std::vector<float>& model : models) {
    expects(model.size() == sums.size(), "as many probabilities of each model");
    std::transform(sums.begin(), sums.end(), model.begin(), sums.begin(), std::plus<double>());
  }
  std::vector<float> means;
  means.reserve(sums.size());
  for (const double sum : sums) means.push_back(static_cast<float>(sum / static_cast<double>(models.size())));
  return means;
}

Score score_probabilities(std::span<const float> probabilities, std::span<const std::uint8_t> labels,
                          int classes) {
  const auto n = static_cast<std::size_t>(classes);
  expects(probabilities.size() == labels.size() * n, "a row of probabilities for each label");
  double loss = 0, correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    expects(labels[i] < n, "labels below the number of classes");
    const auto row = probabilities.subspan(i * n, n);
    loss -= std::log(double{row[labels[i]]});
    correct += likeliest(row) == labels[i];
  }
  const auto images = static_cast<double>(labels.size());
  return {.loss = loss / images, .accuracy = correct / images, .images = std::ssize(labels)};
}

Classification classify(std::span<const float> probabilities, std::span<const std::uint8_t> labels,
                        int classes) {
  const auto n = static_cast<std::size_t>(classes);
  expects(probabilities.size() == labels.size() * n, "a row of probabilities for each label");
  Classification result;
  result.confusion.resize(n * n);
  std::array<Bin, kBins> bins{};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = probabilities.subspan(i * n, n);
    const std::size_t best = likeliest(row);
    const double confidence = row[best];
    const bool hit = best == labels[i];
    ++result.confusion[labels[i] * n + best];
    // NaN falls into the last, whose sum and with it the whole error become NaN.
    Bin& bin = bins[confidence < 1 ? static_cast<std::size_t>(confidence * kBins) : kBins - 1];
    bin.confidence += confidence;
    bin.correct += hit;
    ++bin.images;
    if (!hit)
      result.mistakes.push_back(
          {static_cast<std::int64_t>(i), labels[i], static_cast<int>(best), confidence});
  }
  for (const Bin& bin : bins) {
    result.calibration_error += std::abs(bin.correct - bin.confidence) / static_cast<double>(labels.size());
    const auto images = static_cast<double>(bin.images);
    result.calibration.push_back({bin.confidence / images, bin.correct / images, bin.images});
  }
  result.classes = class_scores(result.confusion, n);
  std::stable_sort(result.mistakes.begin(), result.mistakes.end(), [](const Mistake& a, const Mistake& b) {
    return a.probability > b.probability || (std::isnan(b.probability) && !std::isnan(a.probability));
  });
  return result;
}

}  // namespace softwarp
