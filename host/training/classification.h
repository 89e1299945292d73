#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace softwarp {

struct ClassScore {
  double precision = 0;  // of the images taken for this class, the share that is of it
  double recall = 0;     // of the images of this class, the share taken for it
  double f1 = 0;         // harmonic mean of both
  std::int64_t images = 0;
};

struct Mistake {
  std::int64_t image = 0;  // index in the data set
  int label = 0;
  int predicted = 0;
  double probability = 0;  // given to the wrong class
};

// Scores of a classifier's probabilities beside its accuracy.
struct Classification {
  std::vector<std::int64_t> confusion;  // [classes, classes]: rows are labels, columns predictions
  std::vector<ClassScore> classes;
  // Expected calibration error: 15 bins of the highest probability, |accuracy - confidence| weighted by size
  // (Guo et al., arXiv:1706.04599).
  double calibration_error = 0;
  std::vector<Mistake> mistakes;  // the most confident first, NaN last
};

// probabilities [images, classes] in rows, labels [images]. 0 / 0 is NaN.
[[nodiscard]] Classification classify(std::span<const float> probabilities,
                                      std::span<const std::uint8_t> labels, int classes);

}  // namespace softwarp
