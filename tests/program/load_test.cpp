// The program under load: its memory does not grow with the epochs, and it copes with many images, many
// parameters, the smallest and the largest batch.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

// Trains a network of the given widths on the CPU, and expects that to work.
ProgramRun train_small(const fs::path& directory, std::vector<std::string> more) {
  std::vector<std::string> arguments{"train",  "--device",           "cpu", "--threads", "1", "--data",
                                     "digits", "--checkpoint-every", "10"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const ProgramRun run = run_program(arguments, directory);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return run;
}

TEST(Load, TakesBatchesOfOneAndOfAll) {
  const TemporaryDirectory directory;
  for (const char* batch : {"1", "1617", "0", "100000"}) {
    const ProgramRun run = train_small(
        directory.path(), {"--epochs", "2", "--hidden", "16", "--batch-size", batch, "--output", batch});
    EXPECT_NE(run.out.find("epoch 2/2"), std::string::npos) << run.out;
  }
}

// A sanitizer's own memory would hide the program's.
#if !defined(__SANITIZE_ADDRESS__)

TEST(Load, MemoryDoesNotGrowWithTheEpochs) {
  const TemporaryDirectory directory;
  const auto peak_after = [&](const char* epochs) {
    return train_small(directory.path(), {"--hidden", "64", "--validation", "0.1", "--epochs", epochs})
        .peak_mb;
  };
  const double few = peak_after("20"), many = peak_after("200");
  std::printf("%.1f MB after 20 epochs, %.1f MB after 200\n", few, many);
  EXPECT_LT(many, few + 2);
}

// 2 million images of 8x8, 128 MB of pixels: they are in memory twice while they are read, as bytes.
TEST(Load, TwoMillionImagesTakeTheirBytesTwice) {
  const TemporaryDirectory directory;
  constexpr std::uint32_t kImages = 2'000'000;
  const auto write = [&](const std::string& name, std::initializer_list<std::uint32_t> dimensions,
                         std::size_t bytes, unsigned largest) {
    directory.write(name, idx_file(dimensions, {}));
    std::ofstream file(directory.path() / name, std::ios::binary | std::ios::app);
    std::mt19937 random(1);
    Bytes block(1 << 16);
    for (auto& byte : block) byte = static_cast<std::uint8_t>(random() % (largest + 1));
    for (std::size_t done = 0; done < bytes; done += block.size())
      file.write(reinterpret_cast<const char*>(block.data()),
                 static_cast<std::streamsize>(std::min(block.size(), bytes - done)));
  };
  write("train-images-idx3-ubyte", {kImages, 8, 8}, std::size_t{kImages} * 64, 255);
  write("train-labels-idx1-ubyte", {kImages}, kImages, 9);
  write("t10k-images-idx3-ubyte", {100, 8, 8}, 6400, 255);
  write("t10k-labels-idx1-ubyte", {100}, 100, 9);
  const ProgramRun run = run_program(
      {"train", "--device", "cpu", "--data", ".", "--hidden", "16", "--epochs", "1", "--batch-size", "4096"},
      directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  std::printf("%.0f MB for 130 MB of data\n", run.peak_mb);
  EXPECT_LT(run.peak_mb, 2 * 130 + 100);
}

// Values, gradients, two moments, and the values once more on their way to the file: 4 bytes each.
TEST(Load, AHundredMillionParametersTakeAStep) {
  const TemporaryDirectory directory;
  const ProgramRun run =
      run_program({"train", "--device", "cpu", "--data", "digits", "--images", "64", "--batch-size", "32",
                   "--epochs", "1", "--hidden", "9960,9960", "--checkpoint-every", "0"},
                  directory.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("parameters 99958570\n"), std::string::npos) << run.out;
  std::printf("%.0f MB for 100 million parameters\n", run.peak_mb);
  EXPECT_LT(run.peak_mb, 7 * 400);
}

#endif

}  // namespace
}  // namespace softwarp
