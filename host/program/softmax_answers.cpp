#include "host/program/softmax_answers.h"

#include <fmt/format.h>

#include <cmath>

namespace softwarp::program {
namespace {

// Below a thousandth of what the answer is computed from, rounding is all that is left of it.
double floor_of(const SoftmaxAnswer& answer) {
  constexpr double kShare = 1e-3;
  if (answer.asked == Asked::vjp) return kShare * largest_magnitude(answer.g.values, 0);
  if (answer.asked == Asked::cross_entropy && answer.mean) return kShare / static_cast<double>(answer.x.rows);
  return kShare;
}

std::string where(const SoftmaxAnswer& answer, std::size_t element) {
  const auto at = static_cast<std::int64_t>(element), cols = answer.x.cols;
  const std::int64_t row = at / cols, col = at % cols;
  switch (answer.asked) {
    case Asked::softmax: return fmt::format("y_{} of row {}", col, row);
    case Asked::log_softmax: return fmt::format("log y_{} of row {}", col, row);
    case Asked::jacobian: return fmt::format("dy_{}/dx_{} of row {}", row % cols, col, row / cols);
    case Asked::vjp:
    case Asked::cross_entropy: return fmt::format("dx_{} of row {}", col, row);
  }
  return "";
}

bool matches(const NumberTable& theirs, const NumberTable& wrong, double tolerance, double floor) {
  return theirs.rows == wrong.rows && theirs.cols == wrong.cols &&
         largest_difference(theirs.values, wrong.values).largest <=
             tolerance * largest_magnitude(wrong.values, floor);
}

std::string shape_text(const NumberTable& table) {
  return fmt::format("{} row{} of {}", table.rows, table.rows == 1 ? "" : "s", table.cols);
}

}  // namespace

SoftmaxComparison compare(const SoftmaxAnswer& answer, const NumberTable& theirs, double tolerance) {
  const NumberTable& ours = answer.result;
  const double floor = floor_of(answer);
  SoftmaxComparison comparison;
  comparison.allowed = tolerance * largest_magnitude(ours.values, floor);
  comparison.same_shape = theirs.rows == ours.rows && theirs.cols == ours.cols;
  if (comparison.same_shape) {
    comparison.difference = largest_difference(theirs.values, ours.values);
    const std::size_t at = comparison.difference.at;
    comparison.theirs = theirs.values[at], comparison.ours = ours.values[at];
    comparison.where = where(answer, at);
  }
  if (comparison.agrees()) return comparison;
  for (const WrongAnswer& wrong : wrong_softmax_answers()) {
    if (wrong.asked != answer.asked || !matches(theirs, wrong.formula(answer), tolerance, floor)) continue;
    comparison.wrong_answer = &wrong;
    break;
  }
  return comparison;
}

std::string text_of(const SoftmaxComparison& c, const SoftmaxAnswer& answer, const NumberTable& theirs,
                    const std::string& name) {
  if (c.agrees())
    return fmt::format("{}: agrees; the largest difference is {:.2g}, at {}", name, c.difference.largest,
                       c.where);
  const std::string off =
      c.same_shape ? fmt::format("the largest difference is {:.6g}, at {}: expected {}, found {}",
                                 c.difference.largest, c.where, number_text(c.ours), number_text(c.theirs))
                   : fmt::format("expected {}, found {}", shape_text(answer.result), shape_text(theirs));
  return fmt::format("{}: {}; {}", name, off,
                     c.wrong_answer ? c.wrong_answer->sentence : "it is no wrong answer that softwarp knows");
}

}  // namespace softwarp::program
