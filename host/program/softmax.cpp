// softwarp softmax: softmax and what one differentiates it to, for whoever has done so by hand. Everything is
// computed in double by the backend's ops.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/backend/error.h"
#include "host/model/file.h"
#include "host/program/commands.h"
#include "host/program/number_table.h"
#include "host/program/options.h"

namespace softwarp::program {
namespace {

struct SoftmaxOptions {
  std::vector<std::string> numbers;
  std::string input;
  bool log = false;
  bool jacobian = false;
  std::vector<double> vjp;
  std::vector<std::int64_t> labels;
  bool check = false;
  std::string format = "text";
  std::string output;
  DeviceOptions device;
};

struct Results {
  NumberTable x, y, log_y;
  std::optional<NumberTable> jacobian;  // [rows * cols, cols]
  std::optional<NumberTable> vjp;
  std::optional<NumberTable> gradient;  // of cross-entropy
  std::vector<double> losses;
};

// Runs ops on tables of doubles.
class Ops {
 public:
  explicit Ops(Backend& backend) : backend_(backend) {}

  template <class Op>
  NumberTable unary(const NumberTable& x, std::int64_t rows, Op op) {
    const auto in = upload(x.values);
    return result(rows, x.cols, [&](MatrixView<double> out) { op(view(in, x), out); });
  }
  NumberTable backward(const NumberTable& y, const std::vector<double>& g) {
    const auto in = upload(y.values), gradient = upload(g);
    return result(y.rows, y.cols, [&](MatrixView<double> out) {
      backend_.softmax_backward(view(in, y), view(gradient, y), out);
    });
  }

 private:
  Array<double> upload(const std::vector<double>& values) {
    auto array = backend_.make_array<double>(std::ssize(values));
    backend_.upload<double>(values, array.data());
    return array;
  }
  static MatrixView<const double> view(const Array<double>& array, const NumberTable& shape) {
    return matrix_view<const double>(array.data(), shape.rows, shape.cols);
  }
  template <class Run>
  NumberTable result(std::int64_t rows, std::int64_t cols, Run run) {
    NumberTable table{rows, cols, std::vector<double>(static_cast<std::size_t>(rows * cols))};
    const auto out = backend_.make_array<double>(rows * cols);
    run(matrix_view(out.data(), rows, cols));
    backend_.download<double>(out.data(), table.values);
    return table;
  }

  Backend& backend_;
};

// One row's `values`, for each row.
template <class T>
std::vector<T> for_each_row(const std::vector<T>& values, std::int64_t rows, std::int64_t each,
                            const char* flag) {
  if (std::ssize(values) == rows * each) return values;
  if (std::ssize(values) != each)
    throw CLI::ValidationError(
        flag, fmt::format("expected {} numbers, or as many for each of {} rows, found {}", each, rows,
                          values.size()));
  std::vector<T> all;
  for (std::int64_t r = 0; r < rows; ++r) all.insert(all.end(), values.begin(), values.end());
  return all;
}

std::vector<std::int64_t> labels_of(const SoftmaxOptions& o, const NumberTable& x) {
  auto labels = for_each_row(o.labels, x.rows, 1, "--cross-entropy");
  for (const std::int64_t label : labels)
    if (label < 0 || label >= x.cols)
      throw CLI::ValidationError("--cross-entropy",
                                 fmt::format("expected a label from 0 to {}, found {}", x.cols - 1, label));
  return labels;
}

Results compute(const SoftmaxOptions& o, Backend& backend, const NumberTable& x) {
  Ops ops(backend);
  Results results;
  results.x = x;
  results.y = ops.unary(x, x.rows, [&](auto in, auto out) { backend.softmax(in, out); });
  results.log_y = ops.unary(x, x.rows, [&](auto in, auto out) { backend.log_softmax(in, out); });
  if (o.jacobian)
    results.jacobian =
        ops.unary(results.y, x.rows * x.cols, [&](auto in, auto out) { backend.softmax_jacobian(in, out); });
  if (!o.vjp.empty()) results.vjp = ops.backward(results.y, for_each_row(o.vjp, x.rows, x.cols, "--vjp"));
  if (!o.labels.empty()) {
    // loss = -log y_t, and softmax's own backward has cancelled against the logarithm's down to y -
    // onehot(t).
    const auto labels = labels_of(o, x);
    results.gradient = results.y;
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const auto at = static_cast<std::size_t>(r * x.cols + labels[static_cast<std::size_t>(r)]);
      results.losses.push_back(-results.log_y.values[at]);
      results.gradient->values[at] -= 1;
    }
  }
  return results;
}

// y = softmax(x) as it is first written down, but for the maximum.
std::vector<double> defined_softmax(std::vector<double> x) {
  const double max = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& v : x) sum += v = std::exp(v - max);
  for (double& v : x) v /= sum;
  return x;
}

struct Worst {
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

// Every derivative that was asked for against central differences of the definition; without any, the
// Jacobian.
Worst check(const SoftmaxOptions& o, const Results& results) {
  constexpr double kStep = 1e-5;
  const NumberTable& x = results.x;
  Worst worst;
  const auto n = static_cast<std::size_t>(x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r)
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<double> up(x.row(r).begin(), x.row(r).end()), down = up;
      up[j] += kStep, down[j] -= kStep;
      const double width = up[j] - down[j];
      const auto y_up = defined_softmax(up), y_down = defined_softmax(down);
      const auto at = static_cast<std::size_t>(r) * n + j;
      double along_g = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double slope = (y_up[i] - y_down[i]) / width;
        if (!o.vjp.empty())
          along_g += slope * o.vjp[o.vjp.size() == n ? i : static_cast<std::size_t>(r) * n + i];
        if (results.jacobian)
          worst.see(results.jacobian->values[(static_cast<std::size_t>(r) * n + i) * n + j], slope,
                    fmt::format("dy_{}/dx_{} of row {}", i, j, r));
      }
      if (results.vjp)
        worst.see(results.vjp->values[at], along_g, fmt::format("the product's dx_{} of row {}", j, r));
      if (results.gradient) {
        const auto t =
            static_cast<std::size_t>(o.labels[o.labels.size() == 1 ? 0 : static_cast<std::size_t>(r)]);
        worst.see(results.gradient->values[at], (std::log(y_down[t]) - std::log(y_up[t])) / width,
                  fmt::format("the loss's dx_{} of row {}", j, r));
      }
    }
  return worst;
}

std::string text_row(std::string_view name, std::span<const double> values) {
  std::string line = fmt::format("{:<12}", name);
  for (const double v : values)  // zeros and NaN without their sign
    line += std::isnan(v) ? fmt::format(" {:>11}", "nan") : fmt::format(" {:>11.6g}", v + 0.0);
  return line + "\n";
}

std::string to_text(const Results& results) {
  std::string text;
  for (std::int64_t r = 0; r < results.x.rows; ++r) {
    if (results.x.rows > 1) text += fmt::format("{}row {}\n", r > 0 ? "\n" : "", r);
    text += text_row("x", results.x.row(r)) + text_row("softmax", results.y.row(r)) +
            text_row("log_softmax", results.log_y.row(r));
    if (results.jacobian) {
      text += "jacobian, J_ij = dy_i/dx_j = y_i (delta_ij - y_j)\n";
      for (std::int64_t i = 0; i < results.x.cols; ++i)
        text += text_row(fmt::format("  i = {}", i), results.jacobian->row(r * results.x.cols + i));
    }
    if (results.vjp)
      text += "vector-Jacobian product, dx = y (g - <g, y>)\n" + text_row("  dx", results.vjp->row(r));
    if (results.gradient)
      text += fmt::format("cross-entropy {:.6g}, dx = y - onehot\n",
                          results.losses[static_cast<std::size_t>(r)]) +
              text_row("  dx", results.gradient->row(r));
  }
  return text;
}

nlohmann::ordered_json to_json(const NumberTable& table) {
  auto rows = nlohmann::ordered_json::array();
  for (std::int64_t r = 0; r < table.rows; ++r)
    rows.push_back(std::vector<double>(table.row(r).begin(), table.row(r).end()));
  return rows;
}

std::string to_json(const Results& results, const std::optional<Worst>& worst) {
  nlohmann::ordered_json json = {
      {"x", to_json(results.x)}, {"softmax", to_json(results.y)}, {"log_softmax", to_json(results.log_y)}};
  if (results.jacobian) {
    auto& jacobians = json["jacobian"] = nlohmann::ordered_json::array();
    for (std::int64_t r = 0; r < results.x.rows; ++r) {
      NumberTable one{results.x.cols, results.x.cols, {}};
      for (std::int64_t i = 0; i < one.rows; ++i) {
        const auto row = results.jacobian->row(r * one.rows + i);
        one.values.insert(one.values.end(), row.begin(), row.end());
      }
      jacobians.push_back(to_json(one));
    }
  }
  if (results.vjp) json["vjp"] = to_json(*results.vjp);
  if (results.gradient)
    json["cross_entropy"] = {{"loss", results.losses}, {"gradient", to_json(*results.gradient)}};
  if (worst)
    json["check"] = {{"largest_difference", worst->difference},
                     {"where", worst->where},
                     {"analytic", worst->analytic},
                     {"numeric", worst->numeric},
                     {"compared", worst->compared}};
  return json.dump(2) + "\n";
}

// The one table that CSV and .npy have room for.
const NumberTable& only_table(const SoftmaxOptions& o, const Results& results) {
  const int asked = int{o.log} + int{o.jacobian} + int{!o.vjp.empty()} + int{!o.labels.empty()};
  if (asked > 1)
    throw CLI::ValidationError("--format",
                               fmt::format("expected one result to write as {}, found {}", o.format, asked));
  if (results.jacobian) return *results.jacobian;
  if (results.vjp) return *results.vjp;
  if (results.gradient) return *results.gradient;
  return o.log ? results.log_y : results.y;
}

NumberTable read_logits(const SoftmaxOptions& o) {
  if (o.numbers.empty() && o.input.empty())
    throw CLI::ValidationError("logits", "expected numbers, or --input FILE");
  if (!o.numbers.empty() && !o.input.empty())
    throw CLI::ValidationError("--input", "expected no other numbers beside a file's");
  if (o.input.empty()) return parse_row(o.numbers, "logits");
  return parse_table(read_all(o.input), o.input == "-" ? "standard input" : o.input);
}

void run(SoftmaxOptions& o) {
  const NumberTable x = read_logits(o);
  if (o.check && !o.jacobian && o.vjp.empty() && o.labels.empty()) o.jacobian = true;
  constexpr std::int64_t kMostElements = std::int64_t{1} << 27;
  if (o.jacobian && x.rows * x.cols > kMostElements / x.cols)
    throw Error(fmt::format("--jacobian: expected at most {} elements, found {} rows of {} x {}",
                            kMostElements, x.rows, x.cols, x.cols));
  const auto backend = o.device.make_backend();
  const Results results = compute(o, *backend, x);
  std::optional<Worst> worst;
  if (o.check) worst = check(o, results);

  std::string text;
  if (o.format == "text") text = to_text(results);
  if (o.format == "json") text = to_json(results, worst);
  if (o.format == "csv") text = to_csv(only_table(o, results));
  if (o.format == "npy") text = to_npy(only_table(o, results));
  if (worst && o.format == "text")
    text += fmt::format(
        "check: {} derivatives against central differences; largest difference {:.2g}, in {} ({:.9g}, "
        "differences {:.9g})\n",
        worst->compared, worst->difference, worst->where, worst->analytic, worst->numeric);
  if (!o.output.empty()) {
    write_file(o.output, text);
  } else {
    if (o.format == "npy" && isatty(STDOUT_FILENO) != 0)
      throw CLI::ValidationError("--format", "expected --output FILE, or a pipe, for npy");
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  constexpr double kTolerance = 1e-8;  // 1e-10 of cancellation and h^2 of the method
  if (worst && !(worst->difference <= kTolerance))
    throw Error(fmt::format("--check: expected differences of at most {}, found {:.2g} in {}", kTolerance,
                            worst->difference, worst->where));
}

}  // namespace

void add_softmax(CLI::App& app) {
  const auto options = std::make_shared<SoftmaxOptions>();
  CLI::App* command =
      app.add_subcommand("softmax", "Softmax of rows of numbers, its Jacobian and its backward");
  command->fallthrough();
  command->footer(
      "softwarp softmax 1 2 3 --jacobian --check answers: how does one differentiate softmax?\n"
      "Numbers such as -inf go behind a --, as in: softwarp softmax -- 1 -inf");
  command->add_option("logits", options->numbers, "The numbers of one row")->type_name("X");
  command->add_option("--input", options->input, "Rows from a file: text, CSV or .npy; - is standard input")
      ->type_name(kFileType);
  command->add_flag("--log", options->log, "Log-softmax is what CSV and npy get");
  command->add_flag("--jacobian", options->jacobian, "dy_i/dx_j of each row");
  command
      ->add_option("--vjp", options->vjp, "g, as in 1,0,0: its product with the Jacobian, softmax's backward")
      ->delimiter(',');
  command->add_option("--cross-entropy", options->labels, "A label, or one a row: the loss and its gradient")
      ->delimiter(',');
  command->add_flag("--check", options->check,
                    "Compare the derivatives with finite differences; exit code 1 if off");
  command->add_option("--format", options->format, "How to write the results; csv and npy have room for one")
      ->check(CLI::IsMember({"text", "csv", "json", "npy"}))
      ->capture_default_str();
  command->add_option("--output", options->output, "A file for the results")->type_name(kFileType);
  options->device.add_to(*command);
  tidy_help(*command);
  command->callback([options] { run(*options); });
}

}  // namespace softwarp::program
