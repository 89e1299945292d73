// Values of flags: each command's, as its --help lists them, with values that are none.

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <tuple>
#include <vector>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

// Arguments that end a command once its flags are read, before it computes anything.
const std::vector<std::pair<std::string, Arguments>> kCommands{
    {"train", {"--data", "nowhere"}},
    {"evaluate", {"--model", "nowhere"}},
    {"predict", {"nowhere.png", "--model", "nowhere"}},
    {"compare", {"nowhere", "elsewhere"}},
    {"export", {"--model", "nowhere", "--onnx", "net.onnx"}},
    {"softmax", {"--input", "nowhere"}},
    {"gradcheck", {"--data", "nowhere"}},
    {"deform", {"--data", "nowhere"}},
    {"devices", {}},
    {"completion", {"bash"}},
    {"help", {}}};

struct Flag {
  std::string name;
  std::string type;  // with a blank before it; empty: it has no value
};

// From lines such as "  -h,--help  ..." and "  --epochs N=12  ...".
std::vector<Flag> flags_in(const std::string& help) {
  std::vector<Flag> flags;
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t dashes = line.find("--");
    if (!line.starts_with("  -") || dashes > 5) continue;
    const std::string rest = line.substr(dashes);
    const std::string name = rest.substr(0, rest.find(' '));
    const std::size_t begin = std::min(name.size() + 1, rest.size());
    const std::size_t end = rest.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ,.", begin);
    const std::string type = rest.substr(begin, std::min(end, rest.size()) - begin);
    flags.push_back({name, type.empty() ? "" : " " + type});
  }
  return flags;
}

std::string one_line(const ProgramRun& run) {
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  EXPECT_EQ(run.err.find("softwarp: "), 0u) << run.err;
  return run.err;
}

class Values : public testing::TestWithParam<std::size_t> {
 protected:
  ProgramRun run(const std::string& flag, const std::string& value, bool joined) const {
    const auto& [command, rest] = kCommands[GetParam()];
    Arguments arguments{command};
    if (joined)
      arguments.push_back(flag + "=" + value);
    else
      arguments.insert(arguments.end(), {flag, value});
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    return run_program(arguments, directory_.path());
  }
  TemporaryDirectory directory_;
};

// The last value counts, so a refusal is of the one tried.
TEST_P(Values, AreReadOrRefusedInOneLineThatNamesTheFlag) {
  const std::string command = kCommands[GetParam()].first;
  const std::string help = run_program({command, "--help"}, directory_.path()).out;
  const std::vector<Flag> flags = flags_in(help);
  for (const auto& [flag, type] : flags) {
    for (const std::string value : {"x", "", "1e400", "-1", "99999999999999999999", "0x10", "1,5", "1\n2"}) {
      SCOPED_TRACE(command + " " + flag + type + " \"" + value + "\"");
      const ProgramRun ended = run(flag, value, type.empty());
      if (ended.exit_code == 0) continue;
      const std::string error = one_line(ended);
      EXPECT_EQ(error.find("At Most"), std::string::npos) << error;
      EXPECT_EQ(error.find("Could not"), std::string::npos) << error;
      if (ended.exit_code == 2) {
        EXPECT_EQ(error.find("softwarp: " + flag + ": expected "), 0u) << error;
        EXPECT_TRUE(type == " DATA" || error.find(", found ") != std::string::npos ||
                    error.find(" beside it") != std::string::npos)
            << error;
      }
      const bool number = type == " N" || type == " X";
      const bool one_of_many = type == " NAME" || type.ends_with("...");
      const bool no_number = value == "x" || value == "" || value == "0x10" || value == "1\n2";
      if (no_number ? number || one_of_many : number && value == "1,5") {
        EXPECT_EQ(ended.exit_code, 2) << error;
      }
    }
  }
  EXPECT_GE(flags.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(OfEachCommand, Values, testing::Range<std::size_t>(0, kCommands.size()),
                         [](const auto& command) { return kCommands[command.param].first; });

TEST(ValuesOfAllCommands, AreWalked) {
  const TemporaryDirectory directory;
  const std::string help = run_program({"--help"}, directory.path()).out;
  const std::string list = help.substr(help.find("Subcommands:"));
  std::istringstream lines(list);
  std::ptrdiff_t commands = 0;
  for (std::string line; std::getline(lines, line);)
    commands += line.starts_with("  ") && line.substr(2, 1) != " ";
  EXPECT_EQ(commands, std::ssize(kCommands)) << list;
}

class Lists : public testing::Test {
 protected:
  std::string output_of(const Arguments& arguments) {
    const ProgramRun ended = run_program(arguments, directory_.path());
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.out;
  }
  TemporaryDirectory directory_;
};

TEST_F(Lists, LeaveTheNumbersBehindThemAlone) {
  const std::string vjp = output_of({"softmax", "1", "2", "3", "--vjp", "1,0,-2"});
  EXPECT_EQ(output_of({"softmax", "--vjp", "1,0,-2", "1", "2", "3"}), vjp);
  EXPECT_EQ(output_of({"softmax", "--vjp", "1, 0, -2", "1", "2", "3"}), vjp);
  EXPECT_EQ(output_of({"softmax", "--vjp=1,0,-2", "--", "1", "2", "3"}), vjp);
  EXPECT_EQ(output_of({"softmax", "--vjp", "7", "--vjp", "1,0,-2", "1", "2", "3"}), vjp);
  EXPECT_EQ(output_of({"softmax", "--cross-entropy", "1", "1", "2", "3"}),
            output_of({"softmax", "1", "2", "3", "--cross-entropy", "1"}));
  EXPECT_EQ(output_of({"gradcheck", "--hidden", "9", "--hidden", "3,2", "--json"}),
            output_of({"gradcheck", "--json", "--hidden", "3,2"}));
}

TEST_F(Lists, OfLogitsMayHaveCommas) {
  const std::string expected = output_of({"softmax", "--", "1", "-2", "0.5"});
  for (const Arguments& words : std::vector<Arguments>{
           {"1,-2,0.5"}, {"1,", "-2,", "0.5"}, {"1", ",-2", ",", "0.5"}, {"1 -2 0.5"}, {"1, -2, 0.5"}}) {
    Arguments arguments{"softmax", "--"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    EXPECT_EQ(output_of(arguments), expected) << words.front();
  }
  // Decimal commas would be read as something else.
  for (const Arguments& words : std::vector<Arguments>{{"1,5", "2,5"}, {"1,,2"}, {"1,2,"}, {"1;2"}}) {
    Arguments arguments{"softmax"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const ProgramRun ended = run_program(arguments, directory_.path());
    EXPECT_EQ(ended.exit_code, 1) << ended.out;
    EXPECT_EQ(ended.err.find("softwarp: logits: expected a number, found"), 0u) << ended.err;
  }
}

TEST_F(Lists, OfImagesMayHaveRangesAndComeAgain) {
  output_of(small_training({"--output", "run"}));
  const auto predicted = [&](Arguments more) {
    more.insert(more.begin(), {"predict", "--model", "run", "--no-picture"});
    return output_of(more);
  };
  const std::string expected = predicted({"--index", "0,1,2,3,7"});
  EXPECT_EQ(std::count(expected.begin(), expected.end(), ':'), 0);
  EXPECT_EQ(predicted({"--index", "0-3,7"}), expected);
  EXPECT_EQ(predicted({"--index", "0-0, 1-3", "--index", "7"}), expected);
  EXPECT_NE(predicted({"--index", "3,2"}), predicted({"--index", "2,3"}));
  for (const auto& [list, error] : std::vector<std::pair<std::string, std::string>>{
           {"3-0", "expected a range such as 0-3, found 3-0"},
           {"0-", "expected a whole number from 0 to 1073741824, found nothing"},
           {"1,", "expected a whole number from 0 to 1073741824, found nothing"},
           {"0-99999999999", "expected a whole number from 0 to 1073741824, found 99999999999"},
           {"-1", "expected a whole number from 0 to 1073741824, found -1"},
           {"0--3", "expected a whole number from 0 to 1073741824, found -3"},
           {"0-1000000000", "expected at most 179, the last test image of digits, found 1000000000"}}) {
    const ProgramRun ended = run_program({"predict", "run", "--index", list}, directory_.path());
    EXPECT_EQ(ended.err.find("softwarp: --index: " + error), 0u) << ended.err;
  }
}

}  // namespace
}  // namespace softwarp
