#include "host/report/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace softwarp {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

FinishedRun run_of(const std::string& name, double accuracy, std::int64_t epochs = 3) {
  FinishedRun run;
  run.name = name;
  run.data = "mnist";
  run.test = {.loss = 0.1, .accuracy = accuracy, .images = 10000};
  run.settings = {{"--lr", "0.1"}, {"--epochs", std::to_string(epochs)}};
  for (std::int64_t e = 1; e <= epochs; ++e) {
    EpochRecord record;
    record.epoch = e;
    record.train = {.loss = 1.0 / static_cast<double>(e), .accuracy = 0.5, .images = 0};
    run.history.push_back(record);
  }
  return run;
}

// The definition: the shares p at which `share` is z standard deviations of a binomial's share away.
TEST(Comparison, HasWilsonsIntervals) {
  constexpr double z = 1.959963984540054;
  for (const std::int64_t n : {1, 10, 180, 10000})
    for (const double share : {0.0, 0.013, 0.5, 1.0}) {
      const Interval interval = wilson_interval(share, n);
      for (const double p : {interval.low, interval.high}) {
        if (p > 0 && p < 1)
          EXPECT_NEAR(std::abs(p - share), z * std::sqrt(p * (1 - p) / static_cast<double>(n)), 1e-12)
              << n << share;
        else
          EXPECT_NEAR(p, share, 1e-12);
      }
      EXPECT_LE(interval.low, share);
      EXPECT_GE(interval.high, share);
      EXPECT_LT(interval.low, interval.high);
    }
  EXPECT_TRUE(std::isnan(wilson_interval(kNan, 10).low));
}

TEST(Comparison, ListsTheSettingsThatDiffer) {
  std::vector<FinishedRun> runs{run_of("a", 0.9, 3), run_of("b", 0.9, 4)};
  runs[1].settings.emplace_back("--new", "1");
  const auto settings = differing_settings(runs);
  ASSERT_EQ(settings.size(), 2u);
  EXPECT_EQ(settings[0].name, "--epochs");
  EXPECT_EQ(settings[0].values, (std::vector<std::string>{"3", "4"}));
  EXPECT_EQ(settings[1].values, (std::vector<std::string>{"", "1"}));
  EXPECT_TRUE(differing_settings(std::vector{runs[0], runs[0]}).empty());
}

// 10000 images: 1.5 % is 1.28 to 1.76, 1.3 % 1.10 to 1.54, 1.8 % 1.56 to 2.08.
TEST(Comparison, SaysWhichDifferencesMayBeChance) {
  std::vector<FinishedRun> runs{run_of("a", 0.985),    run_of("best", 0.987), run_of("far", 0.982),
                                run_of("same", 0.987), run_of("nan", kNan),   run_of("other", 0.5),
                                run_of("fewer", 0.99)};
  runs[5].data = "digits";
  runs[6].test.images = 100;
  const auto notes = comparison_notes(runs);
  const auto said = [&](const std::string& note) { return std::ranges::count(notes, note); };
  EXPECT_EQ(said("a and best, of lowest error: their intervals overlap, so the difference may be chance"), 1);
  EXPECT_EQ(said("same and best, of lowest error: their intervals overlap, so the difference may be chance"),
            1);
  EXPECT_EQ(said("far and best, of lowest error: their intervals do not overlap, so the difference is more "
                 "than chance"),
            1);
  EXPECT_EQ(said("other was measured on 10000 test images of digits, a on 10000 of mnist: their errors "
                 "cannot be compared"),
            1);
  EXPECT_EQ(said("fewer was measured on 100 test images of mnist, a on 10000 of mnist: their errors cannot "
                 "be compared"),
            1);
  EXPECT_EQ(notes.size(), 6u);  // and what the intervals are
}

TEST(Comparison, KnowsATestSetByItsContent) {
  const std::string cannot = "cannot be compared";
  const auto named = [&](const std::vector<FinishedRun>& runs) {
    return std::ranges::count_if(comparison_notes(runs),
                                 [&](const auto& note) { return note.ends_with(cannot); });
  };
  std::vector<FinishedRun> runs{run_of("a", 0.9), run_of("b", 0.9)};
  runs[0].test_checksum = runs[1].test_checksum = 7;
  runs[1].data = "/a copy/of it";
  EXPECT_EQ(named(runs), 0);
  runs[1].test_checksum = 8;
  EXPECT_EQ(named(runs), 1);
  runs[1].data = runs[0].data;
  EXPECT_EQ(named(runs), 1);
  runs[0].test_checksum = 0;  // a run of an older version
  EXPECT_EQ(named(runs), 0);
}

nlohmann::json data_of(const std::string& page) {
  const std::string open = "id=\"report\">";
  const std::size_t begin = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST(Comparison, LaysCurvesOverEachOther) {
  std::vector<FinishedRun> runs{run_of("a", 0.9, 2), run_of("b", kNan, 3)};
  runs[1].history[1].validation = {.loss = 0.5, .accuracy = kNan, .images = 1};
  const auto json = data_of(comparison_html(runs));
  EXPECT_EQ(json["history"]["epoch"], nlohmann::json({1, 2, 3}));
  EXPECT_EQ(json["runs"][0]["curves"]["train_loss"], nlohmann::json({1, 0.5, nullptr}));
  EXPECT_EQ(json["runs"][1]["curves"]["validation_loss"], nlohmann::json({nullptr, 0.5, nullptr}));
  EXPECT_EQ(json["runs"][1]["curves"]["validation_accuracy"], nlohmann::json({nullptr, nullptr, nullptr}));
  EXPECT_TRUE(json["runs"][1]["test_error"].is_null());
  EXPECT_NEAR(json["runs"][0]["test_error"].get<double>(), 0.1, 1e-12);
}

TEST(Comparison, ThinsLongHistoriesButKeepsTheLastEpochs) {
  const std::vector<FinishedRun> runs{run_of("a", 0.9, 2500), run_of("b", 0.9, 100)};
  const auto epochs = data_of(comparison_html(runs))["history"]["epoch"];
  EXPECT_EQ(epochs.size(), 833u + 2);  // 3, 6, ..., 2499; and 100, 2500
  EXPECT_EQ(epochs[33], 100);
  EXPECT_EQ(epochs.back(), 2500);
}

TEST(Comparison, NeedsNothingButItself) {
  std::vector<FinishedRun> runs{run_of("</script><b>", 0.9), run_of("\xff", 0.8)};
  const std::string page = comparison_html(runs);
  for (const char* part : {"://", "src=", "url(", "@import", "innerHTML", "fetch(", "/* page", "<b>"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(data_of(page)["runs"][0]["run"], "</script><b>");
  EXPECT_LT(page.size(), 35'000u);
}

}  // namespace
}  // namespace softwarp
