#include "host/program/softmax_results.h"

#include <fmt/format.h>

#include <cmath>
#include <span>
#include <string_view>

#include "host/training/json_text.h"

namespace softwarp::program {
namespace {

std::string text_row(std::string_view name, std::span<const double> values) {
  std::string line = fmt::format("{:<12}", name);
  for (const double v : values)  // zeros and NaN without their sign
    line += std::isnan(v) ? fmt::format(" {:>11}", "nan") : fmt::format(" {:>11.6g}", v + 0.0);
  return line + "\n";
}

nlohmann::ordered_json to_json(const NumberTable& table) {
  auto rows = nlohmann::ordered_json::array();
  for (std::int64_t r = 0; r < table.rows; ++r)
    rows.push_back(std::vector<double>(table.row(r).begin(), table.row(r).end()));
  return rows;
}

}  // namespace

std::string to_text(const SoftmaxResults& results, bool mean) {
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
      text += fmt::format("cross-entropy {:.6g}, dx = {}\n", results.losses[static_cast<std::size_t>(r)],
                          mean ? "(y - onehot)/B" : "y - onehot") +
              text_row("  dx", results.gradient->row(r));
  }
  return text;
}

std::string to_json(const SoftmaxResults& results, const std::optional<WorstDerivative>& worst,
                    const nlohmann::ordered_json* compared) {
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
  if (compared != nullptr) json["compare"] = *compared;
  return json_text(json) + "\n";
}

}  // namespace softwarp::program
