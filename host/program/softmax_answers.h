#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/io/number_table.h"
#include "host/program/compare.h"

namespace softwarp::program {

enum class Asked { softmax, log_softmax, jacobian, vjp, cross_entropy };

// One result of softwarp softmax, with all that it depends on.
struct SoftmaxAnswer {
  Asked asked = Asked::softmax;
  NumberTable x, y, log_y;
  NumberTable g;                     // [rows, cols]: vjp
  std::vector<std::int64_t> labels;  // one a row: cross_entropy
  bool mean = false;                 // the gradient is that of the mean of the rows' losses
  NumberTable result;                // of the Jacobian [rows * cols, cols], otherwise [rows, cols]
};

// A result that people compute in place of the answer: its formula, and a sentence that says what is wrong.
struct WrongAnswer {
  std::string_view name;
  Asked asked;
  NumberTable (*formula)(const SoftmaxAnswer&);
  std::string_view sentence;
};
std::span<const WrongAnswer> wrong_softmax_answers();

// Somebody's numbers beside the answer.
struct SoftmaxComparison {
  bool same_shape = false;
  Difference difference;  // where the shapes are the same
  double allowed = 0;
  double theirs = 0, ours = 0;                // where the difference is largest
  std::string where;                          // "dy_0/dx_1 of row 2"
  const WrongAnswer* wrong_answer = nullptr;  // which gives their numbers; null: none, or they are right

  bool agrees() const { return same_shape && difference.largest <= allowed; }
};

// `tolerance` is a share of the largest value, ours or, to recognise a wrong answer, that answer's.
SoftmaxComparison compare(const SoftmaxAnswer& answer, const NumberTable& theirs, double tolerance);

// One line: how `theirs`, read from the file `name`, compares.
std::string text_of(const SoftmaxComparison& comparison, const SoftmaxAnswer& answer,
                    const NumberTable& theirs, const std::string& name);

}  // namespace softwarp::program
