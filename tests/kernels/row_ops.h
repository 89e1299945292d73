#pragma once

// Every op over rows of one type, on data of its own.

#include <softwarp/argmax.h>
#include <softwarp/cross_entropy.h>
#include <softwarp/softmax.h>

#include "kernels/training_ops.h"
#include "tests/kernels/placed.h"

namespace softwarp {

// One of the ops over rows of T: bytes an element, bytes a row beside its elements, and exponentials an
// element.
struct NamedRowOp {
  const char* name;
  double element_bytes, row_bytes;
  double exponentials;
};

template <class T>
class RowOps {
 public:
  RowOps(const Place& place, std::int64_t cols)
      : rows_(place.rows),
        cols_(cols),
        x_(place, cols, random_numbers<T>(place.rows * cols, 1, 2)),
        y_(place, cols, random_numbers<T>(place.rows * cols, 2, 0.1)),
        out_(place, cols),
        out_float_(place, cols),
        targets_(std::vector<std::int32_t>(static_cast<std::size_t>(place.rows))),
        best_(place.rows),
        losses_(place.rows),
        sums_(std::vector<CrossEntropySums>(1)),
        workspace_(std::vector<char>(cross_entropy_workspace_bytes(place.rows, cols, sizeof(T)))) {}

  // check(op, run) for each.
  template <class Check>
  void each(Check check) {
    const double s = sizeof(T);
    check(NamedRowOp{"softmax", 2 * s, 0, 1}, [&] { softmax<T>(x_.view(), out_.view(), nullptr); });
    check(NamedRowOp{"log_softmax", 2 * s, 0, 1}, [&] { log_softmax<T>(x_.view(), out_.view(), nullptr); });
    check(NamedRowOp{"softmax_backward", 3 * s, 0, 0},
          [&] { softmax_backward<T>(y_.view(), x_.view(), out_.view(), nullptr); });
    check(NamedRowOp{"log_softmax_backward", 3 * s, 0, 1},
          [&] { log_softmax_backward<T>(y_.view(), x_.view(), out_.view(), nullptr); });
    if constexpr (kSmall<T>)
      check(NamedRowOp{"softmax_to_float", s + 4, 0, 1},
            [&] { softmax_to_float(x_.const_view(), out_float_.view(), {}, nullptr); });
    // A target, a loss, and x_t once more.
    check(NamedRowOp{"cross_entropy", 2 * s, 8 + s, 1}, [&] { cross_entropy(out_.view(), {}); });
    check(NamedRowOp{"cross_entropy loss", s, 8 + s, 1}, [&] { cross_entropy({}, {}); });
    check(NamedRowOp{"argmax", s, 4, 0},
          [&] { argmax(x_.const_view(), best_.data(), nullptr, nullptr, nullptr); });
  }

  void smoothed_cross_entropy() { cross_entropy(out_.view(), {.label_smoothing = 0.1f}); }

  double elements() const { return static_cast<double>(rows_ * cols_); }
  double rows() const { return static_cast<double>(rows_); }

 private:
  void cross_entropy(MatrixView<T> dlogits, const CrossEntropyOptions& options) {
    softmax_cross_entropy<T>(x_.view(), targets_.data(), options, nullptr, losses_.data(), dlogits,
                             sums_.data(), {workspace_.data(), workspace_.bytes()}, nullptr);
  }

  std::int64_t rows_, cols_;
  Placed<T> x_, y_, out_;
  Placed<float> out_float_;
  DeviceArray<std::int32_t> targets_, best_;
  DeviceArray<float> losses_;
  DeviceArray<CrossEntropySums> sums_;
  DeviceArray<char> workspace_;
};

}  // namespace softwarp
