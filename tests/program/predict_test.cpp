// softwarp predict, from outside, with networks that it trained.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>

#include <nlohmann/json.hpp>

#include <algorithm>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

using Arguments = std::vector<std::string>;

class PredictProgram : public testing::Test {
 protected:
  ProgramRun run(Arguments more) {
    more.insert(more.begin() + 1, {"--device", "cpu"});
    return run_program(more, directory_.path());
  }
  void train(const std::string& data) {
    const ProgramRun ended = run({"train", "--data", data, "--hidden", "64", "--epochs", "3", "--images",
                                  data == "mnist" ? "20000" : "0", "--dropout", "0", "--input-dropout", "0"});
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
  }
  nlohmann::json predict(Arguments more) {
    more.insert(more.begin(), {"predict", "--json"});
    const ProgramRun ended = run(more);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return nlohmann::json::parse(ended.out);
  }
  // An image, each pixel `times` by `times`, dark on a light page that it lies somewhere on.
  std::string draw(const Dataset& data, std::int64_t index, std::int64_t times) {
    const std::int64_t side = 40 * times, top = (index % 7) * times, left = (index % 11) * times;
    std::string file = "P5 " + std::to_string(side) + " " + std::to_string(side) + " 255\n";
    const std::size_t head = file.size();
    file.resize(head + static_cast<std::size_t>(side * side), '\xF0');
    for (std::int64_t y = 0; y < 28 * times; ++y)
      for (std::int64_t x = 0; x < 28 * times; ++x) {
        const auto from = static_cast<std::size_t>(index * 784 + y / times * 28 + x / times);
        file[head + static_cast<std::size_t>((top + y) * side + left + x)] =
            static_cast<char>(0xF0 - data.images[from] * 0.9);
      }
    const std::string name = "digit" + std::to_string(index) + ".pgm";
    directory_.write(name, Bytes(file.begin(), file.end()));
    return name;
  }

  TemporaryDirectory directory_;
};

TEST_F(PredictProgram, SeesInAPictureWhatItSeesInTheDataSet) {
  train("mnist");
  const Dataset data = load_data("mnist").test;
  constexpr std::int64_t kCount = 200;
  Arguments images = {"--top", "10"};
  std::string indices = "0";
  for (std::int64_t i = 0; i < kCount; ++i) {
    images.push_back(draw(data, i, 4 + i % 5));
    if (i > 0) indices += "," + std::to_string(i);
  }
  const auto drawn = predict(images), stored = predict({"--index", indices});
  ASSERT_EQ(drawn.size(), kCount);
  ASSERT_EQ(stored.size(), kCount);
  int right_drawn = 0, right_stored = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    EXPECT_TRUE(drawn[i]["inverted"]);
    EXPECT_TRUE(drawn[i]["scaled"]);
    EXPECT_EQ(stored[i]["label"], data.labels[i]);
    right_drawn += drawn[i]["predicted"] == data.labels[i];
    right_stored += stored[i]["predicted"] == data.labels[i];
    double sum = 0, before = 1;
    for (const auto& c : drawn[i]["top"]) {
      sum += c["probability"].get<double>();
      EXPECT_LE(c["probability"], before);
      before = c["probability"];
    }
    EXPECT_NEAR(sum, 1, 1e-5);
  }
  EXPECT_GT(right_stored, kCount * 9 / 10);
  EXPECT_NEAR(right_drawn, right_stored, 6);  // scaled to fill the frame, 36 are right
}

TEST_F(PredictProgram, DrawsWhatTheNetworkSees) {
  train("digits");
  const ProgramRun ended = run({"predict", "--index", "0", "--split", "train", "--top", "1"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.out.substr(0, ended.out.rfind("\n    ") + 6),
            "digits train image 0, labelled 7\n"
            "    ▄████\n"
            "    ▀▀ █▀\n"
            "     ███▀\n"
            "     ██\n"
            "    7");
}

// The same images, of another largest pixel than those that the network was trained on.
TEST_F(PredictProgram, DividesAnImageByTheLargestPixelOfItsDataSet) {
  train("digits");
  const Dataset data = load_data("digits").test;
  ASSERT_EQ(data.max_pixel, 16);
  Bytes brighter = data.images;
  for (std::uint8_t& pixel : brighter) pixel = static_cast<std::uint8_t>(pixel * 240 / 16);
  const auto count = static_cast<std::uint32_t>(data.count);
  directory_.write("t10k-images-idx3-ubyte", idx_file({count, 8, 8}, brighter));
  directory_.write("t10k-labels-idx1-ubyte", idx_file({count}, data.labels));
  std::string indices = "0";
  for (std::int64_t i = 1; i < data.count; ++i) indices += "," + std::to_string(i);
  const auto own = predict({"--index", indices});
  const auto other = predict({"--index", indices, "--data", ".", "--max-pixel", "240"});
  for (std::size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(other[i]["predicted"], own[i]["predicted"]) << i;
    EXPECT_NEAR(other[i]["top"][0]["probability"].get<double>(),
                own[i]["top"][0]["probability"].get<double>(), 1e-5);
  }
  const auto accuracy = [&](const Arguments& more) {
    Arguments arguments{"evaluate", "softwarp-run", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return nlohmann::json::parse(run(arguments).out)["accuracy"].get<double>();
  };
  EXPECT_EQ(accuracy({"--data", ".", "--max-pixel", "240"}), accuracy({}));
  const ProgramRun dimmer = run({"evaluate", "softwarp-run", "--data", ".", "--max-pixel", "16"});
  EXPECT_EQ(dimmer.exit_code, 1);
  EXPECT_NE(dimmer.err.find("expected pixels 0 to 16, found pixel "), std::string::npos) << dimmer.err;
}

TEST_F(PredictProgram, AnswersForGoodPicturesBesideBadOnes) {
  train("digits");
  const std::string good = "P2 4 4 9 9 9 9 9 9 0 9 9 9 0 9 9 9 9 9 9";
  directory_.write("good.pgm", Bytes(good.begin(), good.end()));
  const ProgramRun ended = run({"predict", "none.png", "good.pgm", "none.bmp"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.out.find("good.pgm: 4x4"), std::string::npos) << ended.out;
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 2) << ended.err;
}

TEST_F(PredictProgram, RefusesInOneLine) {
  const auto expect_refused = [&](const Arguments& arguments, int exit_code, const std::string& part) {
    const ProgramRun ended = run(arguments);
    EXPECT_EQ(ended.exit_code, exit_code) << ended.out;
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_EQ(ended.out, "");
  };
  expect_refused({"predict"}, 2, "pictures: expected files, or --index N");
  expect_refused({"predict", "a.png"}, 1, "softwarp-run: expected");
  train("digits");
  expect_refused({"predict", "a.png"}, 1, "a.png: expected a file, found no such file");
  expect_refused({"predict", "softwarp-run/metrics.csv"}, 1,
                 "expected a PNG, JPEG, BMP, PGM, GIF, WebP or TIFF picture");
  expect_refused({"predict", "--index", "180"}, 1,
                 "--index: expected at most 179, the last test image of digits");
  expect_refused({"predict", "--index", "0", "--data", "mnist"}, 1,
                 "expected images of 8x8, found 28x28 in mnist");
  expect_refused({"predict", "--index", "-1"}, 2, "--index: expected a whole number from 0");
}

}  // namespace
}  // namespace softwarp
