// softwarp softmax --compare, from outside: right numbers agree, and each wrong answer is named.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"
#include "tests/softmax/reference.h"

namespace softwarp {
namespace {

using Arguments = std::vector<std::string>;
using reference::Row;
using Rows = std::vector<Row>;

constexpr std::size_t kRows = 3, kCols = 4;
const Rows kX = {{0.5, -1, 2, 0.25}, {1.5, 0.75, -0.5, 3}, {-2, 1, 0.5, 1.25}};
const Rows kG = {{0.3, -0.2, 0.9, -0.5}, {1, 0.5, -1.5, 0.25}, {-0.75, 2, 0.125, 0.4}};
const std::size_t kLabels[kRows] = {2, 0, 3};
const Arguments kVjp = {"--vjp", "0.3,-0.2,0.9,-0.5,1,0.5,-1.5,0.25,-0.75,2,0.125,0.4"};
const Arguments kCrossEntropy = {"--cross-entropy", "2,0,3"};
const Arguments kMean = {"--cross-entropy", "2,0,3", "--reduction", "mean"};
const Arguments kJacobian = {"--jacobian"};

using Element = std::function<double(std::size_t r, std::size_t c)>;
Rows rows_of(const Element& element) {
  Rows rows(kRows, Row(kCols));
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t c = 0; c < kCols; ++c) rows[r][c] = element(r, c);
  return rows;
}

Rows transposed(const Rows& a) {
  Rows t(a[0].size(), Row(a.size()));
  for (std::size_t r = 0; r < a.size(); ++r)
    for (std::size_t c = 0; c < a[0].size(); ++c) t[c][r] = a[r][c];
  return t;
}
Rows softmax(Rows x) {
  for (Row& row : x) row = reference::softmax(row);
  return x;
}
Rows negated(Rows x) {
  for (Row& row : x)
    for (double& each : row) each = -each;
  return x;
}
Rows backward(const Rows& y, const Rows& g) {
  Rows dx;
  for (std::size_t r = 0; r < y.size(); ++r) dx.push_back(reference::softmax_backward(y[r], g[r]));
  return dx;
}

// Row i of each row's matrix: element(y, i, j).
Rows matrices(const Rows& y, const std::function<double(const Row&, std::size_t, std::size_t)>& element) {
  Rows all;
  for (const Row& row : y)
    for (std::size_t i = 0; i < row.size(); ++i) {
      all.emplace_back();
      for (std::size_t j = 0; j < row.size(); ++j) all.back().push_back(element(row, i, j));
    }
  return all;
}
double by_cases(const Row& y, std::size_t i, std::size_t j) {
  return i == j ? y[i] * (1 - y[i]) : -y[i] * y[j];
}

double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double onehot(std::size_t r, std::size_t c) { return c == kLabels[r] ? 1 : 0; }

const Rows kY = softmax(kX);
const Rows kByColumns = transposed(softmax(transposed(kX)));
const Rows kTwice = softmax(kY);

Rows log_y() {
  return rows_of([](auto r, auto c) { return reference::log_softmax(kX[r])[c]; });
}
Rows minus_onehot(const Rows& y, double divisor = 1) {
  return rows_of([&](auto r, auto c) { return (y[r][c] - onehot(r, c)) / divisor; });
}

std::string csv_of(const Rows& rows) {
  std::string text;
  for (const Row& row : rows) text += fmt::format("{:.9g}\n", fmt::join(row, ","));
  return text;
}

class SoftmaxCompare : public testing::Test {
 protected:
  ProgramRun compare(const Rows& x, const Rows& theirs, Arguments more) {
    write("x.csv", csv_of(x));
    write("mine.csv", csv_of(theirs));
    more.insert(more.begin(), {"softmax", "--device", "cpu", "--input", "x.csv", "--compare", "mine.csv"});
    return run_program(more, directory_.path());
  }
  void expect_agreement(const Rows& theirs, const Arguments& more) {
    const ProgramRun run = compare(kX, theirs, more);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_NE(run.out.find("mine.csv: agrees; the largest difference is "), std::string::npos) << run.out;
  }
  // Exit code 1, and one line that names the place and the wrong answer.
  void expect_named(const Rows& theirs, const Arguments& more, const std::string& sentence,
                    const Rows& x = kX) {
    SCOPED_TRACE(sentence);
    const ProgramRun run = compare(x, theirs, more);
    EXPECT_EQ(run.exit_code, 1) << run.out;
    EXPECT_EQ(run.err.find("softwarp: mine.csv: "), 0u) << run.err;
    EXPECT_NE(run.err.find((sentence.starts_with("this ") ? "; " : "; this is ") + sentence),
              std::string::npos)
        << run.err;
    EXPECT_NE(run.err.find("expected "), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
  void write(const std::string& name, const std::string& text) {
    directory_.write(name, Bytes(text.begin(), text.end()));
  }

  TemporaryDirectory directory_;
};

TEST_F(SoftmaxCompare, AgreesWithTheDefinition) {
  expect_agreement(kY, {});
  expect_agreement(log_y(), {"--log"});
  expect_agreement(matrices(kY, by_cases), kJacobian);
  expect_agreement(backward(kY, kG), kVjp);
  expect_agreement(minus_onehot(kY), kCrossEntropy);
  expect_agreement(minus_onehot(kY, kRows), kMean);
}

TEST_F(SoftmaxCompare, NamesWrongValues) {
  const auto expect = [&](const Rows& theirs, const std::string& sentence) {
    expect_named(theirs, {}, sentence);
  };
  double sum = 0;
  for (const Row& row : kX)
    for (const double each : row) sum += std::exp(each);
  expect(kX, "x itself: softmax is missing");
  expect(log_y(), "log-softmax; softmax is its exp");
  expect(rows_of([&](auto r, auto c) { return std::exp(kX[r][c]) / sum; }),
         "this divides by the sum over all rows");
  expect(rows_of([](auto r, auto c) {
           return std::exp(kX[r][c] - *std::max_element(kX[r].begin(), kX[r].end()));
         }),
         "exp(x - max); the division by its sum over the row is missing");
  expect(kTwice, "softmax(softmax(x))");
  expect(kByColumns, "softmax over the columns (axis 0)");
  expect(softmax(negated(kX)), "softmax(-x)");
  expect(transposed(kY), "the transpose of softmax");
}

// exp in T of x minus a shift, divided by the row's sum.
template <class T>
Rows shifted(const Rows& x, double shift) {
  Rows y;
  for (const Row& row : x) {
    T sum = 0;
    for (const double each : row) sum += std::exp(static_cast<T>(each - shift));
    y.emplace_back();
    for (const double each : row) y.back().push_back(std::exp(static_cast<T>(each - shift)) / sum);
  }
  return y;
}

TEST_F(SoftmaxCompare, NamesOverflowAndUnderflow) {
  const Rows large = {{1, 2, 3}, {1000, 999, 0}}, above_88 = {{1, 2, 3}, {100, 99, 90}};
  ASSERT_TRUE(std::isnan(shifted<double>(large, 0)[1][0]));
  expect_named(shifted<double>(large, 0), {}, "exp(x) / sum exp(x), and exp overflows above 709", large);
  expect_named(shifted<float>(above_88, 0), {}, "exp(x) / sum exp(x) in float, and exp overflows above 88",
               above_88);
  ASSERT_TRUE(std::isnan(shifted<double>(large, 1000)[0][0]));
  expect_named(shifted<double>(large, 1000), {}, "this subtracts the maximum of all rows, and exp underflows",
               large);
  const Rows apart = {{1, 2, 3}, {200, 199, 190}};
  expect_named(shifted<float>(apart, 200), {}, "this subtracts the maximum of all rows in float", apart);
}

TEST_F(SoftmaxCompare, NamesWrongLogarithms) {
  const Arguments log = {"--log"};
  expect_named(kY, log, "softmax; log-softmax is its logarithm");
  expect_named(negated(log_y()), log, "-log softmax(x)");
  expect_named(rows_of([](auto r, auto c) { return std::log(kByColumns[r][c]); }), log,
               "log-softmax over the columns");
  const Rows large = {{0, 1000}};
  expect_named({{-INFINITY, 0}}, log, "log(softmax(x)), which is -inf where softmax underflows", large);
}

TEST_F(SoftmaxCompare, NamesWrongJacobians) {
  const auto expect = [&](const Rows& theirs, const std::string& sentence) {
    expect_named(theirs, kJacobian, sentence);
  };
  expect(rows_of([](auto r, auto c) { return kY[r][c] * (1 - kY[r][c]); }), "the vector y (1 - y)");
  expect(matrices(kY, [](auto& y, auto i, auto j) { return i == j ? by_cases(y, i, j) : 0; }),
         "the diagonal y_i (1 - y_i) alone");
  expect(matrices(kY, [](auto& y, auto i, auto j) { return y[i] * (1 - y[j]); }), "y_i (1 - y_j) everywhere");
  expect(matrices(kY, [](auto& y, auto i, auto j) { return -y[i] * y[j]; }), "-y_i y_j everywhere");
  expect(rows_of([](auto r, auto c) { return kX[r][c] * (1 - kX[r][c]); }),
         "the vector x (1 - x): the logits");
  expect(matrices(kX, by_cases), "diag(x) - x x^T: the logits x stand");
  expect(matrices(kTwice, by_cases), "diag(s) - s s^T with s = softmax(softmax(x))");
  expect(matrices(kByColumns, by_cases), "diag(s) - s s^T with s the softmax over the columns");
  expect(matrices(kY, [](auto& y, auto i, auto j) { return (i == j ? 1 : 0) - y[j]; }),
         "delta_ij - y_j, the Jacobian of log-softmax");
  expect(negated(matrices(kY, by_cases)), "y y^T - diag(y): the sign is flipped");
}

TEST_F(SoftmaxCompare, NamesWrongProducts) {
  const auto expect = [&](const Rows& theirs, const std::string& sentence) {
    expect_named(theirs, kVjp, sentence);
  };
  double all = 0;
  for (std::size_t r = 0; r < kRows; ++r) all += dot(kG[r], kY[r]);
  expect(rows_of([](auto r, auto c) { return kY[r][c] * kG[r][c]; }),
         "y*g: the product with diag(y) alone; the term -y <g, y> is missing");
  expect(rows_of([](auto r, auto c) { return kY[r][c] * (1 - kY[r][c]) * kG[r][c]; }),
         "y*(1 - y)*g: the diagonal of the Jacobian alone");
  expect(rows_of([](auto r, auto c) { return kX[r][c] * (1 - kX[r][c]) * kG[r][c]; }),
         "x*(1 - x)*g: the logits");
  expect(backward(kX, kG), "x*(g - <g, x>): the logits");
  expect(backward(kTwice, kG), "s*(g - <g, s>) with s = softmax(softmax(x))");
  expect(backward(kY, backward(kY, kG)), "J J g");
  expect(backward(kByColumns, kG), "s*(g - <g, s>) with s the softmax over the columns");
  expect(rows_of([](auto r, auto c) {
           double column = 0;
           for (std::size_t k = 0; k < kRows; ++k) column += kG[k][c] * kY[k][c];
           return kY[r][c] * (kG[r][c] - column);
         }),
         "this takes <g, y> over the columns");
  expect(rows_of([&](auto r, auto c) { return kY[r][c] * (kG[r][c] - all); }),
         "this takes one <g, y> over all rows");
  expect(rows_of([](auto r, auto c) { return kG[r][c] - dot(kG[r], kY[r]); }), "g - <g, y>: the factor y");
  expect(kG, "g itself");
  expect(rows_of([](auto r, auto c) { return kG[r][c] - kY[r][c] * dot(kG[r], Row(kCols, 1)); }),
         "g - y sum(g), the backward of log-softmax");
  expect(negated(backward(kY, kG)), "-y*(g - <g, y>): the sign is flipped");
  expect(transposed(backward(kY, kG)), "the transpose of the gradient");
}

TEST_F(SoftmaxCompare, NamesWrongCrossEntropyGradients) {
  const auto expect = [&](const Rows& theirs, const std::string& sentence) {
    expect_named(theirs, kCrossEntropy, sentence);
  };
  expect_named(minus_onehot(kY), kMean, "y - onehot: the division by the number of rows is missing");
  expect_named(minus_onehot(kY, kRows * kRows), kMean, "(y - onehot)/B^2");
  expect(minus_onehot(kY, kRows), "(y - onehot)/B, the gradient of the mean of the losses");
  expect_named(negated(minus_onehot(kY, kRows)), kMean, "onehot - y");
  expect(negated(minus_onehot(kY)), "onehot - y: the sign is flipped");
  expect(kY, "y: onehot is not subtracted");
  expect(minus_onehot(kX), "x - onehot: the logits");
  expect(minus_onehot(log_y()), "log y - onehot");
  expect(minus_onehot(kTwice), "softmax(softmax(x)) - onehot");
  expect(minus_onehot(kByColumns), "y - onehot with y the softmax over the columns");
  expect(rows_of([](auto r, auto c) { return -onehot(r, c) / kY[r][c]; }), "-onehot / y");
  expect(backward(kY, minus_onehot(kY)), "softmax's backward of y - onehot");
  expect(rows_of([](auto r, auto c) { return onehot(r, c) * (kY[r][c] - 1); }),
         "onehot*(y - 1): the diagonal");
  expect(transposed(minus_onehot(kY)), "the transpose of the gradient");
}

TEST_F(SoftmaxCompare, SaysWhereNumbersDifferThatNobodyKnows) {
  Rows off = backward(kY, kG);
  off[1][2] += 0.25;
  const ProgramRun run = compare(kX, off, kVjp);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.err,
            fmt::format("softwarp: mine.csv: the largest difference is 0.25, at dx_2 of row 1: expected "
                        "{:.9g}, found {:.9g}; it is no wrong answer that softwarp knows\n",
                        off[1][2] - 0.25, off[1][2]));
  off[1][2] = NAN;
  EXPECT_NE(compare(kX, off, kVjp).err.find("the largest difference is nan, at dx_2 of row 1"),
            std::string::npos);
  off = backward(kY, kG);
  off[1][2] += 1e-3;
  EXPECT_EQ(compare(kX, off, kVjp).exit_code, 1);
  Arguments tolerant = kVjp;
  tolerant.insert(tolerant.end(), {"--tolerance", "0.01"});
  EXPECT_EQ(compare(kX, off, tolerant).exit_code, 0);
  EXPECT_NE(
      compare(kX, {{1, 2}}, kVjp).err.find("mine.csv: expected 3 rows of 4, found 1 row of 2; it is no"),
      std::string::npos);
}

// A product of nothing but rounding: with equal g the gradient is 0.
TEST_F(SoftmaxCompare, ForgivesRoundingOfZero) {
  const ProgramRun run = compare({{1, 2, 3}}, {{3e-9, -1e-9, 0}}, {"--vjp", "2,2,2"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(SoftmaxCompare, WritesJson) {
  Arguments json = kVjp;
  json.insert(json.end(), {"--format", "json"});
  const auto wrong = nlohmann::json::parse(compare(kX, kG, json).out)["compare"];
  EXPECT_EQ(wrong["agrees"], false);
  EXPECT_EQ(wrong["wrong_answer"], "Jacobian omitted");
  const auto right = nlohmann::json::parse(compare(kX, backward(kY, kG), json).out)["compare"];
  EXPECT_EQ(right["agrees"], true);
  EXPECT_FALSE(right.contains("wrong_answer"));
}

TEST_F(SoftmaxCompare, SaysWhatItCannotTake) {
  const auto expect_refused = [&](Arguments more, int exit_code, const std::string& part) {
    const ProgramRun run = compare(kX, kY, std::move(more));
    EXPECT_EQ(run.exit_code, exit_code) << run.out;
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  };
  expect_refused({"--jacobian", "--vjp", "1,2,3,4"}, 2,
                 "--compare: expected one result to compare with, found 2");
  expect_refused({"--reduction", "mean"}, 2, "--reduction: expected --cross-entropy");
  expect_refused({"--tolerance", "-1"}, 2, "--tolerance: expected a number from 0 to 1, found -1");
  const ProgramRun run = run_program({"softmax", "1", "2", "--compare", "nowhere.csv"}, directory_.path());
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.err, "softwarp: nowhere.csv: expected a readable file, found No such file or directory\n");
  write("words.csv", "1,two\n");
  EXPECT_EQ(run_program({"softmax", "1", "2", "--compare", "words.csv"}, directory_.path()).err,
            "softwarp: words.csv, line 1, column 2: expected a number, found \"two\"\n");
}

}  // namespace
}  // namespace softwarp
