// softwarp softmax: softmax and what one differentiates it to, for whoever has done so by hand. Everything is
// computed in double by the backend's ops.

#include <fmt/format.h>
#include <softwarp/error.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "host/io/file.h"
#include "host/io/number_table.h"
#include "host/program/announce.h"
#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/softmax_answers.h"
#include "host/program/softmax_results.h"

namespace softwarp::program {
namespace {

struct SoftmaxOptions {
  std::vector<std::string> numbers;
  std::string input;
  bool log = false;
  bool jacobian = false;
  std::vector<double> vjp;
  std::vector<std::int64_t> labels;
  std::string reduction = "none";
  bool check = false;
  std::string compare;
  double tolerance = 1e-5;
  std::string format = "text";
  std::string output;
  DeviceOptions device;

  bool mean() const { return reduction == "mean"; }
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

constexpr std::int64_t kIgnored = -100;  // as PyTorch's ignore_index

// By which the mean's gradient is divided: rows that are ignored do not count.
double divisor_of(const SoftmaxOptions& o, const std::vector<std::int64_t>& labels) {
  if (!o.mean()) return 1;
  return static_cast<double>(std::ssize(labels) - std::count(labels.begin(), labels.end(), kIgnored));
}

std::vector<std::int64_t> labels_of(const SoftmaxOptions& o, const NumberTable& x) {
  auto labels = for_each_row(o.labels, x.rows, 1, "--cross-entropy");
  for (const std::int64_t label : labels)
    if (label != kIgnored && (label < 0 || label >= x.cols))
      throw CLI::ValidationError(
          "--cross-entropy", fmt::format("expected a label from 0 to {}, or {} to ignore the row, found {}",
                                         x.cols - 1, kIgnored, label));
  return labels;
}

SoftmaxResults compute(const SoftmaxOptions& o, Backend& backend, const NumberTable& x) {
  Ops ops(backend);
  SoftmaxResults results;
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
      const std::int64_t label = labels[static_cast<std::size_t>(r)];
      if (label == kIgnored) {
        results.losses.push_back(0);
        std::fill_n(results.gradient->values.begin() + r * x.cols, x.cols, 0.0);
        continue;
      }
      const auto at = static_cast<std::size_t>(r * x.cols + label);
      results.losses.push_back(-results.log_y.values[at]);
      results.gradient->values[at] -= 1;
    }
    const double divisor = divisor_of(o, labels);  // 0 where each is ignored: 0 / 0 is NaN, as in PyTorch
    for (double& value : results.gradient->values) value /= divisor;
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

// -log softmax(x)_t, where the softmax itself may be too small for a number.
double defined_loss(const std::vector<double>& x, std::int64_t t) {
  const double max = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const double v : x) sum += std::exp(v - max);
  return std::log(sum) - (x[static_cast<std::size_t>(t)] - max);
}

// Equal infinities differ by nothing.
double difference(double a, double b) { return a == b ? 0 : a - b; }

// Every derivative that was asked for against central differences of the definition; without any, the
// Jacobian.
WorstDerivative check(const SoftmaxOptions& o, const SoftmaxResults& results) {
  constexpr double kStep = 1e-5;
  const NumberTable& x = results.x;
  WorstDerivative worst;
  const std::vector<std::int64_t> labels = o.labels.empty() ? o.labels : labels_of(o, x);
  const auto n = static_cast<std::size_t>(x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r)
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<double> up(x.row(r).begin(), x.row(r).end()), down = up;
      up[j] += kStep, down[j] -= kStep;
      const double width = difference(up[j], down[j]);
      if (width == 0) continue;  // an infinite logit, or one so large that no step moves it
      const auto y_up = defined_softmax(up), y_down = defined_softmax(down);
      const auto at = static_cast<std::size_t>(r) * n + j;
      double along_g = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double slope = difference(y_up[i], y_down[i]) / width;
        if (!o.vjp.empty())
          along_g += slope * o.vjp[o.vjp.size() == n ? i : static_cast<std::size_t>(r) * n + i];
        if (results.jacobian)
          worst.see(results.jacobian->values[(static_cast<std::size_t>(r) * n + i) * n + j], slope,
                    fmt::format("dy_{}/dx_{} of row {}", i, j, r));
      }
      if (results.vjp)
        worst.see(results.vjp->values[at], along_g, fmt::format("the product's dx_{} of row {}", j, r));
      if (results.gradient) {
        const std::int64_t label = labels[static_cast<std::size_t>(r)];
        if (std::isinf(results.losses[static_cast<std::size_t>(r)])) continue;  // it has no slope
        const double slope =
            label == kIgnored ? 0 : (defined_loss(up, label) - defined_loss(down, label)) / width;
        worst.see(results.gradient->values[at], slope / divisor_of(o, labels),
                  fmt::format("the loss's dx_{} of row {}", j, r));
      }
    }
  return worst;
}

// The one result that was asked for, where CSV, .npy or a comparison, `flag`, have room for one.
Asked only_asked(const SoftmaxOptions& o, const char* flag, const std::string& why) {
  const int asked = int{o.log} + int{o.jacobian} + int{!o.vjp.empty()} + int{!o.labels.empty()};
  if (asked > 1)
    throw CLI::ValidationError(flag, fmt::format("expected one result to {}, found {}", why, asked));
  if (o.jacobian) return Asked::jacobian;
  if (!o.vjp.empty()) return Asked::vjp;
  if (!o.labels.empty()) return Asked::cross_entropy;
  return o.log ? Asked::log_softmax : Asked::softmax;
}

const NumberTable& table_of(Asked asked, const SoftmaxResults& results) {
  switch (asked) {
    case Asked::softmax: break;
    case Asked::log_softmax: return results.log_y;
    case Asked::jacobian: return *results.jacobian;
    case Asked::vjp: return *results.vjp;
    case Asked::cross_entropy: return *results.gradient;
  }
  return results.y;
}

SoftmaxAnswer answer_of(Asked asked, const SoftmaxOptions& o, const SoftmaxResults& results) {
  SoftmaxAnswer answer;
  answer.asked = asked;
  answer.x = results.x, answer.y = results.y, answer.log_y = results.log_y;
  if (results.vjp)
    answer.g = {results.x.rows, results.x.cols, for_each_row(o.vjp, results.x.rows, results.x.cols, "--vjp")};
  if (results.gradient) answer.labels = labels_of(o, results.x);
  answer.mean = o.mean();
  answer.result = table_of(answer.asked, results);
  return answer;
}

std::string name_of_input(const std::string& path) { return path == "-" ? "standard input" : path; }

// Of 1 2 3, "1 2 3", 1,2,3 and 1, 2, 3: with a comma anywhere, one stands between any two numbers.
std::vector<std::string> separated(const std::vector<std::string>& words) {
  const std::string text = fmt::format("{}", fmt::join(words, " "));
  if (text.find(',') != std::string::npos) return split_list(text);
  std::istringstream blanks(text);
  return {std::istream_iterator<std::string>(blanks), {}};
}

NumberTable read_logits(const SoftmaxOptions& o) {
  if (o.numbers.empty() && o.input.empty())
    throw CLI::ValidationError("logits", "expected numbers, or --input FILE");
  if (!o.numbers.empty() && !o.input.empty())
    throw CLI::ValidationError("--input", "expected no other numbers beside a file's");
  if (o.input.empty()) return parse_row(separated(o.numbers), "logits");
  return parse_table(read_all(o.input), name_of_input(o.input));
}

// Somebody's numbers beside ours.
struct Compared {
  std::string line;
  nlohmann::ordered_json json;
  bool agrees = false;
};

Compared compare_with(const NumberTable& theirs, Asked asked, const SoftmaxOptions& o,
                      const SoftmaxResults& results) {
  const SoftmaxAnswer answer = answer_of(asked, o, results);
  const SoftmaxComparison c = compare(answer, theirs, o.tolerance);
  Compared compared{
      text_of(c, answer, theirs, name_of_input(o.compare)), {{"agrees", c.agrees()}}, c.agrees()};
  if (c.same_shape) {
    compared.json["largest_difference"] = c.difference.largest;
    compared.json["where"] = c.where;
    compared.json["found"] = c.theirs;
    compared.json["expected"] = c.ours;
  }
  if (c.wrong_answer != nullptr) {
    compared.json["wrong_answer"] = c.wrong_answer->name;
    compared.json["meaning"] = c.wrong_answer->sentence;
  }
  return compared;
}

// As the file's name says.
std::string format_of(const std::string& output) {
  const std::string extension = std::filesystem::path(output).extension().string();
  return extension == ".csv" || extension == ".json" || extension == ".npy" ? extension.substr(1) : "text";
}

void run(SoftmaxOptions& o) {
  if (o.mean() && o.labels.empty())
    throw CLI::ValidationError("--reduction", "expected --cross-entropy, whose losses it averages");
  Announce announce("reading " + name_of_input(o.input));
  const NumberTable x = read_logits(o);
  std::optional<NumberTable> theirs;
  Asked asked = Asked::softmax;
  if (!o.compare.empty()) {
    if (o.compare == "-" && o.input == "-")
      throw CLI::ValidationError("--compare", "expected a file where --input is standard input");
    asked = only_asked(o, "--compare", "compare with");
    announce.now("reading " + name_of_input(o.compare));
    theirs = parse_table(read_all(o.compare), name_of_input(o.compare));
  }
  if (o.check && !o.jacobian && o.vjp.empty() && o.labels.empty()) o.jacobian = true;
  constexpr std::int64_t kMostElements = std::int64_t{1} << 27;
  if (o.jacobian && x.rows * x.cols > kMostElements / x.cols)
    throw Error(fmt::format("--jacobian: expected at most {} elements, found {} rows of {} x {}",
                            kMostElements, x.rows, x.cols, x.cols));
  announce.now(o.check ? "computing and checking" : "computing");
  const auto backend = o.device.make_backend();
  const SoftmaxResults results = compute(o, *backend, x);
  std::optional<WorstDerivative> worst;
  if (o.check) worst = check(o, results);
  std::optional<Compared> compared;
  if (theirs) compared = compare_with(*theirs, asked, o, results);

  std::string text;
  if (o.format == "text") text = to_text(results, o.mean());
  if (o.format == "json") text = to_json(results, worst, compared ? &compared->json : nullptr);
  const auto only_table = [&] {
    return table_of(only_asked(o, "--format", "write as " + o.format), results);
  };
  if (o.format == "csv") text = to_csv(only_table());
  if (o.format == "npy") text = to_npy(only_table());
  if (worst && o.format == "text")
    text += fmt::format(
        "check: {} derivatives against central differences; largest difference {:.2g}, in {} ({:.9g}, "
        "differences {:.9g})\n",
        worst->compared, worst->difference, worst->where, worst->analytic, worst->numeric);
  if (compared && compared->agrees && o.format == "text") text += compared->line + "\n";
  announce.done();
  if (!o.output.empty()) {
    write_file(o.output, text);
  } else {
    if (o.format == "npy" && isatty(STDOUT_FILENO) != 0)
      throw CLI::ValidationError("--format", "expected --output FILE, or a pipe, for npy");
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  // 1e-10 of cancellation and h^2 of the method; of large losses more cancels.
  const double tolerance = 1e-8 * largest_magnitude(results.losses, 1);
  if (worst && !(worst->difference <= tolerance))
    throw Error(fmt::format("--check: expected differences of at most {}, found {:.2g} in {}", tolerance,
                            worst->difference, worst->where));
  if (compared && !compared->agrees) throw Error(compared->line);
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
  add_list(*command, "--vjp", options->vjp, any_number(),
           "g, as in 1,0,0: its product with the Jacobian, softmax's backward");
  add_list(*command, "--cross-entropy", options->labels, count_in(kIgnored),
           "A label, or one a row: the loss and its gradient");
  command
      ->add_option(
          "--reduction", options->reduction,
          "Of cross-entropy's gradient: of each row's own loss, or of the rows' mean, which divides by B")
      ->check(one_of({"none", "mean"}))
      ->capture_default_str();
  command
      ->add_option(
          "--compare", options->compare,
          "Your own numbers for the one result asked for: text, CSV or .npy; exit code 1 if they differ")
      ->type_name(kFileType);
  command
      ->add_option("--tolerance", options->tolerance,
                   "How far yours may be off, as a share of the result's largest value")
      ->check(number_in(0, 1))
      ->capture_default_str();
  command->add_flag("--check", options->check, "Check derivatives by finite differences; exit code 1 if off");
  const CLI::Option* format =
      command
          ->add_option("--format", options->format,
                       "By default as --output's name says; csv and npy hold one result")
          ->check(one_of({"text", "csv", "json", "npy"}))
          ->capture_default_str();
  command->add_option("--output", options->output, "A file for the results")->type_name(kFileType);
  options->device.add_to(*command);
  tidy_help(*command);
  command->callback([options, format] {
    if (format->count() == 0) options->format = format_of(options->output);
    run(*options);
  });
}

}  // namespace softwarp::program
