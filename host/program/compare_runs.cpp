// `softwarp compare RUN RUN ...`: trainings side by side, as a table and as a page.

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "host/io/file.h"
#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/report/comparison.h"
#include "host/training/json_text.h"

namespace softwarp::program {
namespace {

namespace fs = std::filesystem;

struct CompareOptions {
  std::vector<std::string> runs;
  std::string output = "compare.html";
  bool overwrite = false;
  bool json = false;
};

using Rows = std::vector<std::vector<std::string>>;

// Characters, if the text is UTF-8.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

// The first column to the left, the others to the right.
void say_table(const Rows& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  for (const auto& row : rows) {
    std::string line = row[0] + std::string(widths[0] - width_of(row[0]), ' ');
    for (std::size_t i = 1; i < row.size(); ++i)
      line += std::string(2 + widths[i] - width_of(row[i]), ' ') + row[i];
    say("{}\n", line);
  }
}

std::string percent(double share) { return std::isnan(share) ? "-" : fmt::format("{:.2f} %", 100 * share); }

void print_text(const std::vector<FinishedRun>& runs) {
  Rows rows{
      {"run", "test error", "95 % interval", "accuracy", "loss", "network", "parameters", "epochs", "time"}};
  for (const FinishedRun& run : runs) {
    const double error = 1 - run.test.accuracy;
    const Interval interval = wilson_interval(error, run.test.images);
    rows.push_back(
        {run.name, percent(error), fmt::format("{} to {}", percent(interval.low), percent(interval.high)),
         percent(run.test.accuracy), std::isnan(run.test.loss) ? "-" : fmt::format("{:.4f}", run.test.loss),
         run.network, fmt::format("{}", run.parameters),
         fmt::format("{}{}", run.history.size(), run.stopped ? ", stopped" : ""),
         fmt::format("{:.1f} s", run.seconds)});
  }
  say_table(rows);
  const auto settings = differing_settings(runs);
  say("\nsettings that differ{}\n", settings.empty() ? ": none" : "");
  if (!settings.empty()) {
    rows = {{""}};
    for (const FinishedRun& run : runs) rows[0].push_back(run.name);
    for (const DifferingSetting& setting : settings) {
      rows.push_back({setting.name});
      for (const std::string& value : setting.values) rows.back().push_back(value.empty() ? "-" : value);
    }
    say_table(rows);
  }
  say("\n{}\n", fmt::join(comparison_notes(runs), "\n"));
}

void expect_different(const std::vector<std::string>& runs) {
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (std::size_t k = 0; k < i; ++k) {
      std::error_code ignored;
      if (runs[i] == runs[k] || fs::equivalent(runs[i], runs[k], ignored))
        throw Error(fmt::format("{}: expected each run once, found it twice", runs[i]));
    }
}

void run(const CompareOptions& o) {
  if (o.runs.size() < 2)
    throw CLI::ValidationError("runs", fmt::format("expected at least two, found {}", o.runs.size()));
  expect_new_file(o.output, o.overwrite);
  expect_different(o.runs);
  std::vector<FinishedRun> runs;
  runs.reserve(o.runs.size());
  for (const std::string& name : o.runs) runs.push_back(read_run(name));
  write_file(o.output, comparison_html(runs));
  if (o.json) {
    nlohmann::ordered_json json = comparison_json(runs);
    json["page"] = o.output;
    say("{}\n", json_text(json));
    return;
  }
  print_text(runs);
  say("wrote {}\n", o.output);
}

}  // namespace

void add_compare(CLI::App& app) {
  const auto options = std::make_shared<CompareOptions>();
  CLI::App* command =
      app.add_subcommand("compare", "Compare trainings: a table, and a page with their curves");
  command->fallthrough();
  command->add_option("runs", options->runs, "The directories of two trainings or more")
      ->type_name(kDirectoryType);
  command->add_option("--output", options->output, "The page")->type_name(kFileType)->capture_default_str();
  command->add_flag("--overwrite", options->overwrite, "Replace the file that --output names");
  command->add_flag("--json", options->json, "Print the table as JSON");
  tidy_help(*command);
  command->callback([options] { run(*options); });
}

}  // namespace softwarp::program
