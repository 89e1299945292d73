// The file behind --config: TOML as it is, and errors with their place.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

class ConfigFile : public testing::Test {
 protected:
  ProgramRun run(const std::string& text, const Arguments& more = {}) {
    directory_.write("run.toml", Bytes(text.begin(), text.end()));
    Arguments arguments{"train", "--config", "run.toml", "--device", "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, directory_.path());
  }
  // "run.toml:" comes before it.
  void expect_refused(const std::string& text, const std::string& error) {
    const ProgramRun ended = run(text, {"--data", "nowhere"});
    EXPECT_EQ(ended.exit_code, 2) << text;
    EXPECT_EQ(ended.err.find("softwarp: run.toml:" + error), 0u) << text << "\n" << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
  nlohmann::json settings_of(const std::string& text, const Arguments& more = {}) {
    const ProgramRun ended = run("[train]\ndata = 'digits'\noutput = 'run'\noverwrite = true\n" + text, more);
    EXPECT_EQ(ended.exit_code, 0) << text << ended.err;
    std::ifstream file(directory_.path() / "run" / "summary.json");
    return nlohmann::json::parse(file)["settings"];
  }

  TemporaryDirectory directory_;
};

TEST_F(ConfigFile, ReadsTomlsNumbersStringsArraysAndBooleans) {
  const auto settings = settings_of(
      "epochs = 0x2 # two\nhidden = [\n  1_2,\n  7,  # the last\n]\nlr = +2e-3\nseed = "
      "'18446744073709551615'\n"
      "optimizer = \"s\\u0067d\"\nmomentum = 0.5\nnesterov = true\ndropout = 0\n");
  EXPECT_EQ(settings["epochs"], 2);
  EXPECT_EQ(settings["hidden"], nlohmann::json({12, 7}));
  EXPECT_EQ(settings["lr"], 2e-3);
  EXPECT_EQ(settings["seed"], 18446744073709551615u);
  EXPECT_EQ(settings["optimizer"], "sgd");
  EXPECT_EQ(settings["nesterov"], true);
  EXPECT_EQ(settings["dropout"], 0);
  EXPECT_EQ(settings_of("hidden = '9,8'\nepochs = 1\n")["hidden"], nlohmann::json({9, 8}));
  EXPECT_EQ(settings_of("hidden = 0\nepochs = 1\n")["hidden"], nlohmann::json::array());
  EXPECT_EQ(settings_of("nesterov = false\nepochs = 1\n")["nesterov"], false);
}

TEST_F(ConfigFile, MayHaveAnArrayOfTwo) {
  const ProgramRun ended = run("[train]\nnormalize = [0.1, 0.3]\n");
  EXPECT_EQ(ended.err.find("softwarp: --normalize: expected --weights of another program, found none"), 0u)
      << ended.err;
}

TEST_F(ConfigFile, GivesWayToTheCommandLine) {
  const auto settings = settings_of("epochs = 3\nhidden = [5]\n", {"--epochs", "1", "--hidden", "4"});
  EXPECT_EQ(settings["epochs"], 1);
  EXPECT_EQ(settings["hidden"], nlohmann::json({4}));
  EXPECT_EQ(settings_of("", {"--config", "run.toml", "--epochs", "1"})["epochs"], 1);
}

TEST_F(ConfigFile, MayHaveAByteOrderMarkCarriageReturnsAndDottedNames) {
  expect_refused("\xef\xbb\xbf[train]\r\nepochs = 0\r\n", "2:10: --epochs: expected a whole number from 1");
  expect_refused("train.epochs = 0\n", "1:16: --epochs: expected a whole number from 1");
}

TEST_F(ConfigFile, MayBeAPipe) {
  ASSERT_EQ(mkfifo((directory_.path() / "pipe").c_str(), 0600), 0);
  std::jthread writer([&] { std::ofstream(directory_.path() / "pipe") << "[train]\nepochs = 0\n"; });
  const ProgramRun ended = run_program({"train", "--config", "pipe"}, directory_.path());
  EXPECT_EQ(ended.err.find("softwarp: pipe:2:10: --epochs: expected"), 0u) << ended.err;
}

TEST_F(ConfigFile, NamesThePlaceAndTheNearestName) {
  expect_refused("[train]\nepoch = 3\n", "2:1: [train] has no epoch; did you mean epochs?\n");
  expect_refused("[train]\n\n  batch_size = 3\n",
                 "3:3: [train] has no batch_size; did you mean batch-size?\n");
  expect_refused("[trian]\nepochs = 3\n", "1:2: there is no command trian; did you mean train?\n");
  expect_refused("epochs = 3\n", "1:1: epochs stands before any section; is a line [train] missing?\n");
  expect_refused("hiden = 3\n", "1:1: hiden stands before any section; is a line [train] or [gradcheck] mis");
  expect_refused("colour = 3\n", "1:1: colour stands before any section, such as [train]\n");
  expect_refused("[evaluate]\nepochs = 3\n", "2:1: [evaluate] has no epochs; it belongs to [train]\n");
  expect_refused("[train]\nhelp = true\n", "2:1: [train] has no help\n");
  expect_refused("[train]\nzebra = 1\nepochs = 0\nant = 1\n", "2:1: [train] has no zebra\n");
}

TEST_F(ConfigFile, NamesThePlaceOfAValueThatIsNoneOfTheFlags) {
  expect_refused("[train]\nlr = 0\n", "2:6: --lr: expected a number from 1e-12 to 1000000000000, found 0\n");
  expect_refused("[train]\nepochs = 3.0\n",
                 "2:10: --epochs: expected a whole number from 1 to 1073741824, found 3.0\n");
  expect_refused("[train]\nepochs = 1979-05-27\n", "2:10: --epochs: expected a number, found a date\n");
  expect_refused("[train]\nepochs = {a = 1}\n", "2:10: --epochs: expected a number, found a table\n");
  expect_refused("[train]\nepochs = [1]\n", "2:10: --epochs: expected a number, found an array\n");
  expect_refused("[train]\nepochs = true\n", "2:10: --epochs: expected a number, found true\n");
  expect_refused("[train]\nhidden = [[1]]\n", "2:10: --hidden: expected numbers, as in [512, 256]");
  expect_refused("[train]\nhidden = [1, 'x']\n", "2:10: --hidden: expected a whole number from 0");
  expect_refused("[train]\naugment = 3\n",
                 "2:11: --augment: expected a string, or an array of them, found 3\n");
  expect_refused("[train]\naugment = [3]\n",
                 "2:11: --augment: expected a string, or an array of them, found an");
  expect_refused("[train]\ndegrees = true\n",
                 "2:11: --degrees: expected numbers, as in [512, 256], found true\n");
  expect_refused("[train]\ndata = 3\n", "2:8: --data: expected a string, in quotes, found 3\n");
  expect_refused("[train]\noverwrite = 1\n", "2:13: --overwrite: expected true or false, found 1\n");
  expect_refused("[train]\noptimizer = 'lion'\n", "2:13: --optimizer: expected sgd or adamw, found lion\n");
  expect_refused("[gradcheck]\nseed = -1\n", "2:8: --seed: expected a whole number from 0");
  expect_refused("train = 3\n", "1:1: expected a section [train], found 3\n");
  expect_refused("[[train]]\nepochs = 3\n", "1:3: expected a section [train], found an array\n");
}

TEST_F(ConfigFile, NamesThePlaceWhereItIsNoToml) {
  for (const char* text : {"[train]\ndata = digits\n", "[train]\nepochs = 1\nepochs = 2\n", "[train\n",
                           "[train]\n; comment\n", "[train]\ndata = \"x", "[train]\n\xff = 1\n"})
    expect_refused(text, "");
  expect_refused("[train]\ndata = digits\n", "2:8: expected TOML, as in epochs = 3 or data = \"digits\"; ");
  expect_refused("[train]\nepochs = 1\nepochs = 2\n", "3:10: expected TOML");
}

TEST_F(ConfigFile, HasCharactersBeyondAsciiInQuotesAndCommentsAlone) {
  const std::string refused = "expected TOML, as in epochs = 3 or data = \"digits\"; there is a character";
  expect_refused("\xef\xb7\xbf[train]\n", "1:1: " + refused);
  expect_refused("[train]\nepochs\xc3\xa9 = 1\n", "2:7: " + refused);
  expect_refused("[train]\nlr = 1 # \xc3\xa9\nseed = 1\xe2\x80\xaf\n", "3:9: " + refused);
  expect_refused("[train]\noutput = '''a''''\xc3\xa9\n", "2:18: " + refused);
  expect_refused("[train]\noutput = \"\"\"a\\\n \xc3\xa9\"\"\"\n", "3:2: " + refused);
  for (const char* name :
       {"'\xc3\xa9'", "\"\xc3\xa9 \\\" #\"", "'''\xc3\xa9 ' # '''", "\"\"\"\xc3\xa9 \" \"\"\" # \xc3\xa9"})
    EXPECT_EQ(run("[train]\ndata = 'digits'\nepochs = 1\noutput = " + std::string(name) + "\n").exit_code, 0)
        << name;
}

TEST_F(ConfigFile, WhoseKeysBeginAsNoKeyDoesIsRefused) {
  for (const char* text : {"[\x03]\n", "[train]\n\x03 = 1\n", "[=]\n", "[train]\n= 1\n", "[train]\na.= 1\n"})
    expect_refused(text, "");
}

TEST_F(ConfigFile, ThatCannotBeReadEndsWithOne) {
  for (const char* path : {"none.toml", "."}) {
    const ProgramRun ended = run_program({"train", "--config", path}, directory_.path());
    EXPECT_EQ(ended.exit_code, 1);
    EXPECT_EQ(ended.err.find(std::string("softwarp: ") + path + ": expected a readable file, found"), 0u)
        << ended.err;
  }
}

}  // namespace
}  // namespace softwarp
