// The program from outside, as its users run it.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "host/model/model_file.h"
#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

nlohmann::json summary_of(const std::filesystem::path& run) {
  std::ifstream file(run / "summary.json");
  return nlohmann::json::parse(file);
}

// The rows of a metrics.csv without its header, each a list of fields.
std::vector<std::vector<std::string>> metrics_of(const std::filesystem::path& run) {
  std::ifstream file(run / "metrics.csv");
  std::vector<std::vector<std::string>> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    rows.emplace_back();
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

std::set<std::string> files_in(const std::filesystem::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.insert(entry.path().filename().string());
  return names;
}

TEST(TrainProgram, LearnsMnistFromEndToEnd) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_program({"train", "--epochs", "3", "--hidden", "128"}, directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("784-128-10"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("test accuracy"), std::string::npos) << run.out;

  const auto summary = summary_of(directory.path() / "softwarp-run");
  EXPECT_GE(summary["test_accuracy"].get<double>(), 0.96);
  EXPECT_LE(summary["test_accuracy"].get<double>(), 0.99);
  EXPECT_EQ(summary["parameters"], 101770);
  EXPECT_EQ(summary["settings"]["hidden"], nlohmann::json({128}));
  EXPECT_LT(std::filesystem::file_size(directory.path() / "softwarp-run" / "report.html"), 150'000u);
  const auto rows = metrics_of(directory.path() / "softwarp-run");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2][0], "3");
  EXPECT_EQ(rows[2][1], "705");

  const Model model = read_model(directory.path() / "softwarp-run" / "model.safetensors");
  EXPECT_EQ(model.shape, (MlpShape{784, {128}, 10, Activation::relu}));

  const ProgramRun evaluation = run_program({"evaluate", "--json"}, directory.path());
  ASSERT_EQ(evaluation.exit_code, 0) << evaluation.err;
  const auto scores = nlohmann::json::parse(evaluation.out);
  EXPECT_EQ(scores["accuracy"], summary["test_accuracy"]);
  EXPECT_EQ(scores["loss"], summary["test_loss"]);
  EXPECT_EQ(scores["mistakes"].size(),
            static_cast<std::size_t>(std::lround(1e4 * (1 - scores["accuracy"].get<double>()))));
  EXPECT_EQ(run_program({"evaluate"}, directory.path()).exit_code, 0);
}

TEST(TrainProgram, SaysFirstWhatItWillDo) {
  const TemporaryDirectory directory;
  const ProgramRun run =
      run_program({"train", "--device", "cpu", "--threads", "1", "--data", "digits", "--epochs", "2",
                   "--hidden", "32", "--batch-size", "100", "--validation", "0.1", "--input-dropout", "0"},
                  directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string table =
      run.out.substr(run.out.find('\n') + 1, run.out.find("epoch 1/2") - run.out.find('\n') - 1);
  const std::string before_memory = table.substr(0, table.find("memory"));
  EXPECT_EQ(run.out.find("device     cpu (1 thread, "), 0u) << run.out;
  EXPECT_EQ(before_memory,
            "data       digits: 1455 images to train on, 162 for validation, 180 to test, 8x8, 10 classes\n"
            "network    64-32-10, relu, dropout 0 of pixels, 0.2 of hidden values\n"
            "parameters 2410\n"
            "batch      100 images, 15 steps an epoch; epochs: 2\n"
            "optimizer  adamw, one-cycle learning rate 0.003\n"
            "precision  fp32\n");
  // The images as bytes, four floats a parameter, and a batch's activations.
  const double megabytes = std::stod(table.substr(table.find("memory") + 11));
  EXPECT_GT(megabytes, (1617 * 64 + 2410 * 16) / 1e6);
  EXPECT_LT(megabytes, 1);
  EXPECT_NE(table.find("output     softwarp-run\n"), std::string::npos) << table;
}

// 64-100-10, sigmoid, full batch: the notebook reached 0.9611 of 180 images, scikit-learn 0.9556.
TEST(TrainProgram, RepeatsTheNotebook) {
  const TemporaryDirectory directory;
  const std::string config = SOFTWARP_SOURCE_DIR "/data/digits/notebook.toml";
  const ProgramRun run = run_program({"train", "--config", config}, directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto run_directory = directory.path() / "softwarp-digits";
  EXPECT_GE(summary_of(run_directory)["test_accuracy"].get<double>(), 0.9555);
  const auto rows = metrics_of(run_directory);
  ASSERT_EQ(rows.size(), 2000u);
  double cost = 1e9;
  for (std::size_t i = 0; i < rows.size(); i += 100) {
    EXPECT_LT(std::stod(rows[i][3]), cost) << "iteration " << rows[i][0];
    cost = std::stod(rows[i][3]);
  }
}

TEST(TrainProgram, EndsAfterTheCurrentStepOnCtrlC) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_program({"train", "--epochs", "100000", "--hidden", "16"}, directory.path(),
                                     {.interrupt_after = "epoch 1/"});
  ASSERT_EQ(run.exit_code, 130) << run.err;
  EXPECT_NE(run.out.find("stopped in epoch"), std::string::npos) << run.out;
  const auto summary = summary_of(directory.path() / "softwarp-run");
  EXPECT_EQ(summary["stopped"], true);
  EXPECT_EQ(summary["epochs"], metrics_of(directory.path() / "softwarp-run").size());
  EXPECT_EQ(files_in(directory.path() / "softwarp-run"),
            (std::set<std::string>{"last.safetensors", "metrics.csv", "model.safetensors", "report.html",
                                   "summary.json", "times.csv"}));
}

// The JSON document inside the page.
nlohmann::json report_of(const std::filesystem::path& run) {
  std::ifstream file(run / "report.html");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::string open = R"(id="report">)";
  const std::size_t begin = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST(TrainProgram, ReportsTheWholeHistoryOfAResumedTraining) {
  const TemporaryDirectory directory;
  const auto train = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--device", "cpu"});
    const ProgramRun run = run_program(more, directory.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run.out;
  };
  const auto run_directory = directory.path() / "run";
  train({"--data", "digits", "--hidden", "16", "--epochs", "2", "--validation", "0.2", "--output", "run"});
  const std::string out = train({"--resume", "run", "--epochs", "5", "--tensorboard"});
  EXPECT_NE(out.find("wrote run/model.safetensors, run/metrics.csv, run/summary.json and run/report.html\n"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("wrote run/events.out.tfevents."), std::string::npos) << out;

  const auto report = report_of(run_directory);
  const auto rows = metrics_of(run_directory);
  ASSERT_EQ(rows.size(), 5u);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(report["history"]["train_loss"].at(i), std::stod(rows[i][3]));
    EXPECT_EQ(report["history"]["validation_accuracy"].at(i), std::stod(rows[i][6]));
  }
  EXPECT_EQ(report["summary"]["accuracy"], summary_of(run_directory)["test_accuracy"]);
  std::int64_t images = 0, correct = 0;
  for (std::size_t i = 0; i < 100; ++i) images += report["confusion"].at(i).get<std::int64_t>();
  for (std::size_t i = 0; i < 10; ++i) correct += report["confusion"].at(11 * i).get<std::int64_t>();
  EXPECT_EQ(images, 180);
  EXPECT_DOUBLE_EQ(static_cast<double>(correct) / 180,
                   summary_of(run_directory)["test_accuracy"].get<double>());
}

TEST(TrainProgram, ReportsNothingOfATrainingThatFails) {
  const TemporaryDirectory directory;
  const ProgramRun run = run_program(
      {"train", "--device", "cpu", "--data", "digits", "--lr", "1e12", "--optimizer", "sgd", "--tensorboard"},
      directory.path());
  EXPECT_EQ(run.exit_code, 1) << run.out;
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "softwarp-run"));
}

TEST(TrainProgram, NamesTheReportThatItCannotWrite) {
  const TemporaryDirectory directory;
  std::filesystem::create_directories(directory.path() / "softwarp-run" / "report.html");
  const ProgramRun run =
      run_program({"train", "--device", "cpu", "--data", "digits", "--overwrite"}, directory.path());
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");  // before training
  EXPECT_EQ(run.err,
            "softwarp: softwarp-run/report.html: expected a file that can be written, found a directory\n");
}

TEST(TrainProgram, ReadsFashionMnistWhereDebianPutsIt) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  const TemporaryDirectory directory;
  const ProgramRun run =
      run_program({"train", "--data", "fashion-mnist", "--epochs", "1", "--hidden", "64"}, directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_GE(summary_of(directory.path() / "softwarp-run")["test_accuracy"].get<double>(), 0.78);
}

}  // namespace
}  // namespace softwarp
