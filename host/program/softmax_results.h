#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/io/number_table.h"

namespace softwarp::program {

struct SoftmaxResults {
  NumberTable x, y, log_y;
  std::optional<NumberTable> jacobian;  // [rows * cols, cols]
  std::optional<NumberTable> vjp;
  std::optional<NumberTable> gradient;  // of cross-entropy
  std::vector<double> losses;
};

// Of derivatives against finite differences, the one that is furthest off.
struct WorstDerivative {
  double difference = 0;
  std::string where = "none";
  double analytic = 0, numeric = 0;
  int compared = 0;

  void see(double a, double n, const std::string& place) {
    ++compared;
    const bool less = std::abs(a - n) <= difference || std::isnan(difference);  // NaN is the worst
    if (less && compared > 1) return;
    *this = {std::abs(a - n), place, a, n, compared};
  }
};

// `mean`: the gradient of cross-entropy is that of the rows' mean.
std::string to_text(const SoftmaxResults& results, bool mean);
// `compared` may be null.
std::string to_json(const SoftmaxResults& results, const std::optional<WorstDerivative>& worst,
                    const nlohmann::ordered_json* compared);

}  // namespace softwarp::program
