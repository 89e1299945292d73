// A data set is what its files hold, wherever they lie and whatever they are called.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>
#include <softwarp/mlp.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

class DataIdentity : public testing::Test {
 protected:
  ProgramRun run(const Arguments& arguments, const std::string& in = ".") {
    return run_program(arguments, directory_.path() / in);
  }
  void train(const std::string& data, const Arguments& more = {}) {
    Arguments arguments = small_training({"--data", data, "--epochs", "1", "--output", "run"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun ended = run(arguments);
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_EQ(ended.err, "");
  }
  void copy(const std::string& data, const std::string& to) {
    fs::copy(fs::path(SOFTWARP_SOURCE_DIR) / "data" / data, directory_.path() / to);
  }
  // The images of `data` with their pixels changed, as a directory of plain files.
  template <class Change>
  void write_changed(const std::string& data, const std::string& to, Change change) {
    fs::create_directory(directory_.path() / to);
    const DataPair pair = load_data(data);
    for (const auto& [name, part] : {std::pair{"train", &pair.train}, {"t10k", &pair.test}}) {
      Bytes pixels = part->images;
      for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(change(pixel));
      const auto size = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
      directory_.write(to + "/" + name + "-images-idx3-ubyte",
                       idx_file({size(part->count), size(part->height), size(part->width)}, pixels));
      directory_.write(to + "/" + name + "-labels-idx1-ubyte", idx_file({size(part->count)}, part->labels));
    }
  }
  std::string said_by(const Arguments& arguments, const std::string& in = ".") {
    const ProgramRun ended = run(arguments, in);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.err;
  }
  InputFormat input() { return read_model(directory_.path() / "run/model.safetensors").input; }

  TemporaryDirectory directory_;
};

// A large 7, dark on light.
void write_seven(const fs::path& path) {
  std::ofstream file(path, std::ios::binary);
  file << "P5 200 200 255\n";
  for (int y = 0; y < 200; ++y)
    for (int x = 0; x < 200; ++x) {
      const bool bar = y >= 40 && y < 56 && x >= 60 && x < 130;
      const bool leg = y >= 56 && y < 160 && std::abs(x - (122 - (y - 56) / 2)) < 8;
      file.put(static_cast<char>(bar || leg ? 20 : 235));
    }
}

TEST_F(DataIdentity, OfMnistByPathFramesPicturesAsMnist) {
  copy("mnist", "copied");
  write_seven(directory_.path() / "seven.pgm");
  const auto seen = [&](const std::string& data, const Arguments& more) {
    train(data, more);
    const ProgramRun ended = run({"predict", "--model", "run", "--json", "seven.pgm"});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.out;
  };
  const std::string by_name = seen("mnist", {});
  const auto json = nlohmann::json::parse(by_name);
  EXPECT_TRUE(json[0]["inverted"]);
  EXPECT_EQ(seen("copied", {"--overwrite"}), by_name);
  EXPECT_EQ(input().framing, (Framing{Framing::Kind::mass, 20.0 / 28}));
  train("copied", {"--overwrite", "--images", "1000"});
  EXPECT_EQ(input().framing, (Framing{Framing::Kind::mass, 20.0 / 28}));
}

TEST_F(DataIdentity, OfAKnownSetNeedsNoGuess) {
  copy("digits", "copied");
  train("copied");
  EXPECT_EQ(input().max_pixel, 16);
  EXPECT_EQ(input().framing, Framing{Framing::Kind::box});
}

TEST_F(DataIdentity, OfImagesDarkOnLightKeepsThemSo) {
  write_changed("mnist", "negative", [](int pixel) { return 255 - pixel; });
  train("negative", {"--images", "2000"});
  EXPECT_EQ(input().framing, (Framing{Framing::Kind::mass, 20.0 / 28, true}));
  write_seven(directory_.path() / "seven.pgm");
  const ProgramRun ended = run({"predict", "--model", "run", "seven.pgm", "--no-picture"});
  EXPECT_NE(ended.out.find("dark on light; scaled to 20 of 28 pixels, centred by its mass"),
            std::string::npos)
      << ended.out;
}

TEST_F(DataIdentity, DoesNotHangOnTheWorkingDirectory) {
  copy("digits", "mine");
  fs::create_directory(directory_.path() / "elsewhere");
  write_changed("digits", "elsewhere/mine", [](int pixel) { return 16 - pixel; });
  train("mine", {"--epochs", "2"});
  EXPECT_EQ(input().data, (directory_.path() / "mine").string());
  EXPECT_EQ(said_by({"evaluate", "../run"}, "elsewhere"), "");
  EXPECT_EQ(said_by({"train", "--device", "cpu", "--resume", "../run", "--epochs", "3"}, "elsewhere"), "");
}

TEST_F(DataIdentity, IsSaidWhereItIsAnother) {
  copy("digits", "mine");
  train("./mine/", {"--images", "100"});
  EXPECT_EQ(input().data, (directory_.path() / "mine").string());
  for (const char* part : {"test", "train"}) EXPECT_EQ(said_by({"evaluate", "run", "--split", part}), "");
  for (const char* same : {"digits", "mine", "mine/."})
    EXPECT_EQ(said_by({"evaluate", "run", "--data", same}), "");

  write_changed("digits", "negative", [](int pixel) { return 16 - pixel; });
  const std::string given = said_by({"evaluate", "run", "--data", "negative", "--max-pixel", "16"});
  EXPECT_EQ(given, "softwarp: run/model.safetensors was trained on " + (directory_.path() / "mine").string() +
                       "; negative holds other test images or labels\n");
  EXPECT_NE(said_by({"predict", "--model", "run", "--index", "0", "--data", "negative", "--split", "train"})
                .find("negative holds other training images"),
            std::string::npos);

  fs::remove_all(directory_.path() / "mine");
  const ProgramRun gone = run({"evaluate", "run"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_EQ(gone.err, "softwarp: run/model.safetensors: expected the data that it was trained on in " +
                          (directory_.path() / "mine").string() +
                          ", found no such directory (--data gives another place)\n");
  EXPECT_NE(run({"train", "--resume", "run", "--epochs", "2"}).err.find("(--data gives another place)"),
            std::string::npos);
  EXPECT_EQ(said_by({"train", "--resume", "run", "--epochs", "2", "--data", "digits"}), "");

  train("digits", {"--overwrite"});
  copy("digits", "mine");
  train("mine", {"--overwrite"});
  fs::remove_all(directory_.path() / "mine");
  fs::rename(directory_.path() / "negative", directory_.path() / "mine");
  EXPECT_EQ(said_by({"evaluate", "run"}),
            "softwarp: " + (directory_.path() / "mine").string() +
                ": holds other test images or labels than when run/model.safetensors was trained\n");
}

TEST_F(DataIdentity, OfANameIsNotThatOfADirectoryBeside) {
  write_changed("digits", "digits", [](int pixel) { return 16 - pixel; });
  const ProgramRun ended = run(small_training({"--epochs", "1"}));
  EXPECT_EQ(
      ended.err,
      "softwarp: --data digits: the set of that name, not the directory here (--data ./digits is that)\n");
  EXPECT_NE(ended.out.find("digits: 1617 images"), std::string::npos);
  const ProgramRun own = run(small_training({"--epochs", "1", "--data", "./digits"}));
  EXPECT_EQ(own.exit_code, 0);
  EXPECT_EQ(own.err.find("the set of that name"), std::string::npos);
  fs::remove_all(directory_.path() / "digits");
  fs::create_symlink(fs::path(SOFTWARP_SOURCE_DIR) / "data/digits", directory_.path() / "digits");
  EXPECT_EQ(said_by(small_training({"--epochs", "1"})), "");
}

}  // namespace
}  // namespace softwarp
