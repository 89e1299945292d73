// The wrong answers that people write for softmax and its derivatives, each as a formula.

#include <algorithm>
#include <cmath>

#include "host/program/softmax_answers.h"

namespace softwarp::program {
namespace {

using Answer = SoftmaxAnswer;
using Table = NumberTable;

double at(const Table& table, std::int64_t r, std::int64_t c) {
  return table.row(r)[static_cast<std::size_t>(c)];
}

// value(r, c) in each element.
template <class F>
Table table_of(std::int64_t rows, std::int64_t cols, F value) {
  Table table{rows, cols, {}};
  table.values.reserve(static_cast<std::size_t>(rows * cols));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) table.values.push_back(static_cast<double>(value(r, c)));
  return table;
}

Table transposed(const Table& t) {
  return table_of(t.cols, t.rows, [&](auto r, auto c) { return at(t, c, r); });
}

Table negated(const Table& t) {
  return table_of(t.rows, t.cols, [&](auto r, auto c) { return -at(t, r, c); });
}

// exp(x - shift(r)) in T, divided by the sum over the row, or over all rows.
template <class T, class Shift>
Table exps_of(const Table& x, Shift shift, bool one_sum = false) {
  const Table e = table_of(x.rows, x.cols, [&](auto r, auto c) {
    return std::exp(static_cast<T>(at(x, r, c)) - static_cast<T>(shift(r)));
  });
  std::vector<T> sums(static_cast<std::size_t>(x.rows));
  for (std::int64_t r = 0; r < x.rows; ++r)
    for (const double each : e.row(r))
      sums[one_sum ? 0 : static_cast<std::size_t>(r)] += static_cast<T>(each);
  return table_of(x.rows, x.cols, [&](auto r, auto c) {
    return static_cast<T>(at(e, r, c)) / sums[one_sum ? 0 : static_cast<std::size_t>(r)];
  });
}

double row_max(const Table& x, std::int64_t r) { return *std::max_element(x.row(r).begin(), x.row(r).end()); }
double global_max(const Table& x) { return *std::max_element(x.values.begin(), x.values.end()); }

template <class T>
Table without_shift(const Answer& a) {
  return exps_of<T>(a.x, [](auto) { return 0.0; });
}
template <class T>
Table with_global_max(const Answer& a) {
  return exps_of<T>(a.x, [max = global_max(a.x)](auto) { return max; });
}

Table softmax_of_rows(const Table& x) {
  return exps_of<double>(x, [&](auto r) { return row_max(x, r); });
}
Table softmax_of_columns(const Table& x) { return transposed(softmax_of_rows(transposed(x))); }

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Table backward_of(const Table& y, const Table& g) {
  return table_of(y.rows, y.cols,
                  [&](auto r, auto c) { return at(y, r, c) * (at(g, r, c) - dot(y.row(r), g.row(r))); });
}

// value(r, i, j) in row i, column j of row r's matrix.
template <class F>
Table matrices(const Table& y, F value) {
  return table_of(y.rows * y.cols, y.cols, [&](auto k, auto j) { return value(k / y.cols, k % y.cols, j); });
}
Table jacobian_of(const Table& y) {
  return matrices(y, [&](auto r, auto i, auto j) { return at(y, r, i) * ((i == j ? 1 : 0) - at(y, r, j)); });
}

// v (1 - v) in each element.
Table diagonal(const Table& v) {
  return table_of(v.rows, v.cols, [&](auto r, auto c) { return at(v, r, c) * (1 - at(v, r, c)); });
}

double onehot(const Answer& a, std::int64_t r, std::int64_t c) {
  return a.labels[static_cast<std::size_t>(r)] == c ? 1 : 0;
}

// value(r, c) as the gradient of each row's loss, or of their mean.
template <class F>
Table gradient(const Answer& a, F value) {
  const double divisor = a.mean ? static_cast<double>(a.x.rows) : 1;
  return table_of(a.x.rows, a.x.cols, [&](auto r, auto c) { return value(r, c) / divisor; });
}
Table difference_to_onehot(const Answer& a, const Table& y) {
  return gradient(a, [&](auto r, auto c) { return at(y, r, c) - onehot(a, r, c); });
}
// (y - onehot) / B^power.
Table divided(const Answer& a, int power) {
  return table_of(a.x.rows, a.x.cols, [&](auto r, auto c) {
    return (at(a.y, r, c) - onehot(a, r, c)) / std::pow(static_cast<double>(a.x.rows), power);
  });
}

const WrongAnswer kWrongAnswers[] = {
    {"log-softmax", Asked::softmax, [](const Answer& a) { return a.log_y; },
     "this is log-softmax; softmax is its exp"},
    {"logits", Asked::softmax, [](const Answer& a) { return a.x; }, "this is x itself: softmax is missing"},
    {"no shift", Asked::softmax, without_shift<double>,
     "this is exp(x) / sum exp(x), and exp overflows above 709; subtract the row's maximum from x first"},
    {"no shift, float", Asked::softmax, without_shift<float>,
     "this is exp(x) / sum exp(x) in float, and exp overflows above 88; subtract the row's maximum from x "
     "first"},
    {"global maximum", Asked::softmax, with_global_max<double>,
     "this subtracts the maximum of all rows, and exp underflows to 0 in rows that are 745 below it; "
     "subtract each "
     "row's own maximum"},
    {"global maximum, float", Asked::softmax, with_global_max<float>,
     "this subtracts the maximum of all rows in float, and exp underflows to 0 in rows that are 103 below "
     "it; "
     "subtract each row's own maximum"},
    {"one sum", Asked::softmax,
     [](const Answer& a) {
       return exps_of<double>(a.x, [max = global_max(a.x)](auto) { return max; }, /*one_sum=*/true);
     },
     "this divides by the sum over all rows; each row has its own sum"},
    {"no division", Asked::softmax,
     [](const Answer& a) {
       return table_of(a.x.rows, a.x.cols,
                       [&](auto r, auto c) { return std::exp(at(a.x, r, c) - row_max(a.x, r)); });
     },
     "this is exp(x - max); the division by its sum over the row is missing"},
    {"softmax twice", Asked::softmax, [](const Answer& a) { return softmax_of_rows(a.y); },
     "this is softmax(softmax(x)): softmax is applied twice"},
    {"wrong axis", Asked::softmax, [](const Answer& a) { return softmax_of_columns(a.x); },
     "this is softmax over the columns (axis 0); it is taken over each row (axis 1)"},
    {"sign flipped", Asked::softmax, [](const Answer& a) { return softmax_of_rows(negated(a.x)); },
     "this is softmax(-x): the sign of the logits is flipped"},
    {"transposed", Asked::softmax, [](const Answer& a) { return transposed(a.y); },
     "this is the transpose of softmax; a row of x gives a row of y"},

    {"softmax", Asked::log_softmax, [](const Answer& a) { return a.y; },
     "this is softmax; log-softmax is its logarithm, x - max - log sum exp(x - max)"},
    {"log of softmax", Asked::log_softmax,
     [](const Answer& a) {
       return table_of(a.y.rows, a.y.cols, [&](auto r, auto c) { return std::log(at(a.y, r, c)); });
     },
     "this is log(softmax(x)), which is -inf where softmax underflows to 0; compute x - max - log sum exp(x "
     "- max)"},
    {"sign flipped", Asked::log_softmax, [](const Answer& a) { return negated(a.log_y); },
     "this is -log softmax(x): the sign is flipped"},
    {"wrong axis", Asked::log_softmax,
     [](const Answer& a) {
       const Table y = softmax_of_columns(a.x);
       return table_of(y.rows, y.cols, [&](auto r, auto c) { return std::log(at(y, r, c)); });
     },
     "this is log-softmax over the columns (axis 0); it is taken over each row (axis 1)"},

    {"diagonal alone, a vector", Asked::jacobian, [](const Answer& a) { return diagonal(a.y); },
     "this is the vector y (1 - y), the diagonal alone; the Jacobian is a matrix, with -y_i y_j off the "
     "diagonal"},
    {"diagonal alone", Asked::jacobian,
     [](const Answer& a) {
       return matrices(
           a.y, [&](auto r, auto i, auto j) { return i == j ? at(a.y, r, i) * (1 - at(a.y, r, i)) : 0; });
     },
     "this is the diagonal y_i (1 - y_i) alone; the elements off it, -y_i y_j, are missing"},
    {"one case", Asked::jacobian,
     [](const Answer& a) {
       return matrices(a.y, [&](auto r, auto i, auto j) { return at(a.y, r, i) * (1 - at(a.y, r, j)); });
     },
     "this is y_i (1 - y_j) everywhere; off the diagonal it is -y_i y_j"},
    {"no diagonal", Asked::jacobian,
     [](const Answer& a) {
       return matrices(a.y, [&](auto r, auto i, auto j) { return -at(a.y, r, i) * at(a.y, r, j); });
     },
     "this is -y_i y_j everywhere; on the diagonal y_i is missing: diag(y) - y y^T"},
    {"logits for values, a vector", Asked::jacobian, [](const Answer& a) { return diagonal(a.x); },
     "this is the vector x (1 - x): the logits x stand where the values y belong, and the Jacobian is a "
     "matrix"},
    {"logits for values", Asked::jacobian, [](const Answer& a) { return jacobian_of(a.x); },
     "this is diag(x) - x x^T: the logits x stand where the values y = softmax(x) belong"},
    {"softmax twice", Asked::jacobian, [](const Answer& a) { return jacobian_of(softmax_of_rows(a.y)); },
     "this is diag(s) - s s^T with s = softmax(softmax(x)): softmax is applied twice"},
    {"wrong axis", Asked::jacobian, [](const Answer& a) { return jacobian_of(softmax_of_columns(a.x)); },
     "this is diag(s) - s s^T with s the softmax over the columns (axis 0); it is taken over each row (axis "
     "1)"},
    {"log-softmax", Asked::jacobian,
     [](const Answer& a) {
       return matrices(a.y, [&](auto r, auto i, auto j) { return (i == j ? 1 : 0) - at(a.y, r, j); });
     },
     "this is delta_ij - y_j, the Jacobian of log-softmax; softmax's has the factor y_i"},
    {"sign flipped", Asked::jacobian, [](const Answer& a) { return negated(jacobian_of(a.y)); },
     "this is y y^T - diag(y): the sign is flipped"},

    {"term missing", Asked::vjp,
     [](const Answer& a) {
       return table_of(a.y.rows, a.y.cols, [&](auto r, auto c) { return at(a.y, r, c) * at(a.g, r, c); });
     },
     "this is y*g: the product with diag(y) alone; the term -y <g, y> is missing"},
    {"diagonal alone", Asked::vjp,
     [](const Answer& a) {
       const Table d = diagonal(a.y);
       return table_of(d.rows, d.cols, [&](auto r, auto c) { return at(d, r, c) * at(a.g, r, c); });
     },
     "this is y*(1 - y)*g: the diagonal of the Jacobian alone; the elements off it, -y_i y_j, are missing"},
    {"logits for values, diagonal alone", Asked::vjp,
     [](const Answer& a) {
       const Table d = diagonal(a.x);
       return table_of(d.rows, d.cols, [&](auto r, auto c) { return at(d, r, c) * at(a.g, r, c); });
     },
     "this is x*(1 - x)*g: the logits x stand where the values y belong, and of the Jacobian the diagonal "
     "alone is "
     "used"},
    {"logits for values", Asked::vjp, [](const Answer& a) { return backward_of(a.x, a.g); },
     "this is x*(g - <g, x>): the logits x stand where the values y = softmax(x) belong"},
    {"softmax twice", Asked::vjp, [](const Answer& a) { return backward_of(softmax_of_rows(a.y), a.g); },
     "this is s*(g - <g, s>) with s = softmax(softmax(x)): softmax is applied twice"},
    {"Jacobian twice", Asked::vjp, [](const Answer& a) { return backward_of(a.y, backward_of(a.y, a.g)); },
     "this is J J g: the product with the Jacobian is taken twice"},
    {"wrong axis", Asked::vjp, [](const Answer& a) { return backward_of(softmax_of_columns(a.x), a.g); },
     "this is s*(g - <g, s>) with s the softmax over the columns (axis 0); it is taken over each row (axis "
     "1)"},
    {"product over the wrong axis", Asked::vjp,
     [](const Answer& a) { return transposed(backward_of(transposed(a.y), transposed(a.g))); },
     "this takes <g, y> over the columns (axis 0); it is the sum over each row (axis 1)"},
    {"one product", Asked::vjp,
     [](const Answer& a) {
       const double all = dot(a.g.values, a.y.values);
       return table_of(a.y.rows, a.y.cols,
                       [&](auto r, auto c) { return at(a.y, r, c) * (at(a.g, r, c) - all); });
     },
     "this takes one <g, y> over all rows; each row has its own"},
    {"factor missing", Asked::vjp,
     [](const Answer& a) {
       return table_of(a.y.rows, a.y.cols,
                       [&](auto r, auto c) { return at(a.g, r, c) - dot(a.y.row(r), a.g.row(r)); });
     },
     "this is g - <g, y>: the factor y is missing"},
    {"Jacobian omitted", Asked::vjp, [](const Answer& a) { return a.g; },
     "this is g itself: the product with softmax's Jacobian is missing"},
    {"log-softmax", Asked::vjp,
     [](const Answer& a) {
       return table_of(a.y.rows, a.y.cols, [&](auto r, auto c) {
         double sum = 0;
         for (const double each : a.g.row(r)) sum += each;
         return at(a.g, r, c) - at(a.y, r, c) * sum;
       });
     },
     "this is g - y sum(g), the backward of log-softmax; softmax's is y*(g - <g, y>)"},
    {"sign flipped", Asked::vjp, [](const Answer& a) { return negated(backward_of(a.y, a.g)); },
     "this is -y*(g - <g, y>): the sign is flipped"},
    {"transposed", Asked::vjp, [](const Answer& a) { return transposed(backward_of(a.y, a.g)); },
     "this is the transpose of the gradient; a row of x has a row of dx"},

    {"1/B forgotten", Asked::cross_entropy, [](const Answer& a) { return divided(a, 0); },
     "this is y - onehot: the division by the number of rows is missing; the mean's gradient is (y - "
     "onehot)/B"},
    {"mean in place of rows", Asked::cross_entropy, [](const Answer& a) { return divided(a, 1); },
     "this is (y - onehot)/B, the gradient of the mean of the losses (--reduction mean); of each row's own "
     "loss it is "
     "y - onehot"},
    {"1/B twice", Asked::cross_entropy, [](const Answer& a) { return divided(a, 2); },
     "this is (y - onehot)/B^2: it is divided by the number of rows twice"},
    {"onehot - y", Asked::cross_entropy,
     [](const Answer& a) { return negated(difference_to_onehot(a, a.y)); },
     "this is onehot - y: the sign is flipped"},
    {"onehot missing", Asked::cross_entropy,
     [](const Answer& a) { return gradient(a, [&](auto r, auto c) { return at(a.y, r, c); }); },
     "this is y: onehot is not subtracted"},
    {"logits for values", Asked::cross_entropy, [](const Answer& a) { return difference_to_onehot(a, a.x); },
     "this is x - onehot: the logits x stand where the values y = softmax(x) belong"},
    {"log-softmax", Asked::cross_entropy, [](const Answer& a) { return difference_to_onehot(a, a.log_y); },
     "this is log y - onehot: log-softmax stands where softmax belongs"},
    {"softmax twice", Asked::cross_entropy,
     [](const Answer& a) { return difference_to_onehot(a, softmax_of_rows(a.y)); },
     "this is softmax(softmax(x)) - onehot: softmax is applied twice"},
    {"wrong axis", Asked::cross_entropy,
     [](const Answer& a) { return difference_to_onehot(a, softmax_of_columns(a.x)); },
     "this is y - onehot with y the softmax over the columns (axis 0); it is taken over each row (axis 1)"},
    {"Jacobian omitted", Asked::cross_entropy,
     [](const Answer& a) {
       return gradient(a, [&](auto r, auto c) { return -onehot(a, r, c) / at(a.y, r, c); });
     },
     "this is -onehot / y, the gradient with respect to y; the product with softmax's Jacobian is missing"},
    {"Jacobian twice", Asked::cross_entropy,
     [](const Answer& a) { return backward_of(a.y, difference_to_onehot(a, a.y)); },
     "this is softmax's backward of y - onehot, which contains softmax's Jacobian already"},
    {"diagonal alone", Asked::cross_entropy,
     [](const Answer& a) {
       return gradient(a, [&](auto r, auto c) { return onehot(a, r, c) * (at(a.y, r, c) - 1); });
     },
     "this is onehot*(y - 1): the diagonal of the Jacobian alone; the other elements, y_j, are missing"},
    {"transposed", Asked::cross_entropy,
     [](const Answer& a) { return transposed(difference_to_onehot(a, a.y)); },
     "this is the transpose of the gradient; a row of x has a row of dx"},
};

}  // namespace

std::span<const WrongAnswer> wrong_softmax_answers() { return kWrongAnswers; }

}  // namespace softwarp::program
