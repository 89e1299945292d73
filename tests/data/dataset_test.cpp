#include <softwarp/dataset.h>

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <tuple>

#include "host/data/data_directory.h"
#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

constexpr char kFashionDirectory[] = "/usr/share/datasets/fashion-mnist";

std::int64_t sum(const Bytes& bytes) { return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0}); }

Bytes first_labels(const Dataset& data) { return Bytes(data.labels.begin(), data.labels.begin() + 5); }

void expect_shape(const Dataset& data, std::int64_t count, std::int64_t side, int max_pixel) {
  EXPECT_EQ(data.count, count);
  EXPECT_EQ(data.height, side);
  EXPECT_EQ(data.width, side);
  EXPECT_EQ(data.pixels(), side * side);
  EXPECT_EQ(data.images.size(), static_cast<std::size_t>(count * side * side));
  EXPECT_EQ(data.labels.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(data.classes, 10);
  EXPECT_EQ(data.max_pixel, max_pixel);
}

// Sets $SOFTWARP_DATA_DIR for one test, or unsets it.
class DataDirectory {
 public:
  explicit DataDirectory(const char* value) {
    if (value)
      setenv("SOFTWARP_DATA_DIR", value, 1);
    else
      unsetenv("SOFTWARP_DATA_DIR");
  }
  ~DataDirectory() { unsetenv("SOFTWARP_DATA_DIR"); }
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;
};

TEST(LoadData, KnowsMnist) {
  const DataDirectory chosen(SOFTWARP_DATA_DIR);
  const auto [train, test] = load_data("mnist");
  EXPECT_EQ(train.name, "mnist");
  expect_shape(train, 60000, 28, 255);
  expect_shape(test, 10000, 28, 255);
  EXPECT_EQ(first_labels(train), (Bytes{5, 0, 4, 1, 9}));
  EXPECT_EQ(first_labels(test), (Bytes{7, 2, 1, 0, 4}));
  EXPECT_EQ(sum(train.images), 1'567'298'545);
  EXPECT_EQ(sum(test.images), 264'923'200);
  EXPECT_EQ(sum(train.labels), 267'236);
  EXPECT_EQ(sum(test.labels), 44'434);
}

TEST(LoadData, KnowsDigits) {
  const DataDirectory unset(nullptr);
  const auto [train, test] = load_data("digits");
  expect_shape(train, 1617, 8, 16);
  expect_shape(test, 180, 8, 16);
  EXPECT_EQ(*std::max_element(train.images.begin(), train.images.end()), 16);
  EXPECT_EQ(sum(train.images), 505'770);
  EXPECT_EQ(sum(test.images), 55'948);
  EXPECT_EQ(first_labels(train), (Bytes{7, 6, 2, 9, 3}));
  EXPECT_EQ(first_labels(test), (Bytes{1, 5, 0, 7, 1}));
}

TEST(LoadData, KnowsFashionMnistOrNamesItsPackage) {
  if (!fs::exists(kFashionDirectory))
    return expect_error([] { std::ignore = load_data("fashion-mnist"); },
                        {kFashionDirectory, "expected", "dataset-fashion-mnist", "found no such directory"});
  const auto [train, test] = load_data("fashion-mnist");
  ASSERT_EQ(train.class_names.size(), 10u);
  EXPECT_EQ(train.class_names[9], "Ankle boot");  // what the first training image shows
  EXPECT_EQ(head(train, 1).class_names, train.class_names);
  EXPECT_EQ(train.framing, Framing{Framing::Kind::box});
  expect_shape(train, 60000, 28, 255);
  expect_shape(test, 10000, 28, 255);
  EXPECT_EQ(first_labels(train), (Bytes{9, 0, 0, 3, 0}));
}

TEST(LoadData, SearchesBesideTheProgramThenTheSourcesUnlessTold) {
  const DataDirectory unset(nullptr);
  const auto program = fs::read_symlink("/proc/self/exe");
  EXPECT_EQ(data_directories(),
            (std::vector<fs::path>{program.parent_path().parent_path() / "share/softwarp/data",
                                   SOFTWARP_DATA_DIR, SOFTWARP_INSTALLED_DATA_DIR}));
  const DataDirectory chosen("/elsewhere");
  EXPECT_EQ(data_directories(), std::vector<fs::path>{"/elsewhere"});
  expect_error([] { std::ignore = load_data("mnist"); },
               {"mnist: expected the directory /elsewhere/mnist", "SOFTWARP_DATA_DIR", "found none"});
}

// CRC-32 has a known value for these nine bytes.
TEST(Checksum, IsThatOfTheImagesOrValuesAndThenTheLabels) {
  Dataset data;
  data.images = {'1', '2', '3', '4', '5', '6'};
  data.labels = {'7', '8', '9'};
  EXPECT_EQ(checksum(data), 0xcbf43926);
  Dataset floats;
  floats.values.resize(1);
  std::memcpy(floats.values.data(), "1234", 4);
  floats.labels = {'5', '6', '7', '8', '9'};
  EXPECT_EQ(checksum(floats), 0xcbf43926);
}

// A directory of three 1x2 training images and two test images, which each test bends.
class Directory : public testing::Test {
 protected:
  void SetUp() override {
    directory_.write(kTrainImages, idx_file({3, 1, 2}, {0, 255, 1, 2, 3, 4}));
    directory_.write(kTrainLabels, idx_file({3}, {0, 4, 2}));
    directory_.write(kTestImages, idx_file({2, 1, 2}, {9, 8, 7, 6}));
    directory_.write(kTestLabels, idx_file({2}, {1, 4}));
  }

  DataPair load() const { return load_data(directory_.path().string()); }

  void expect_refused(const std::string& file, std::initializer_list<std::string_view> parts) const {
    expect_error([&] { load(); }, {(directory_.path() / file).string() + ": expected"});
    expect_error([&] { load(); }, parts);
  }

  static constexpr char kTrainImages[] = "train-images-idx3-ubyte";
  static constexpr char kTrainLabels[] = "train-labels-idx1-ubyte";
  static constexpr char kTestImages[] = "t10k-images-idx3-ubyte";
  static constexpr char kTestLabels[] = "t10k-labels-idx1-ubyte";
  TemporaryDirectory directory_;
};

TEST_F(Directory, TakesClassesAndTheLargestPixelFromTheData) {
  const auto [train, test] = load();
  EXPECT_EQ(train.name, directory_.path().string());
  EXPECT_EQ(train.count, 3);
  EXPECT_EQ(test.count, 2);
  EXPECT_EQ(train.height, 1);
  EXPECT_EQ(train.width, 2);
  EXPECT_EQ(train.images, (Bytes{0, 255, 1, 2, 3, 4}));
  EXPECT_EQ(test.labels, (Bytes{1, 4}));
  for (const Dataset* part : {&train, &test}) {
    EXPECT_EQ(part->classes, 5);
    EXPECT_EQ(part->max_pixel, 255);
  }
}

TEST_F(Directory, HasSixteenGreysWhereNoPixelIsAboveSixteen) {
  directory_.write(kTrainImages, idx_file({3, 1, 2}, {0, 16, 1, 2, 3, 4}));
  EXPECT_EQ(load().train.max_pixel, 16);
  EXPECT_TRUE(load().train.max_pixel_guessed);
  directory_.write(kTestImages, idx_file({2, 1, 2}, {9, 17, 7, 6}));
  EXPECT_EQ(load().train.max_pixel, 255);
  EXPECT_TRUE(load().test.max_pixel_guessed);
}

TEST_F(Directory, HasTheLargestPixelThatItsOwnerSays) {
  EXPECT_FALSE(load().train.max_pixel_guessed);
  directory_.write(kTrainImages, idx_file({3, 1, 2}, {0, 1, 1, 0, 0, 1}));
  directory_.write(kTestImages, idx_file({2, 1, 2}, {0, 1, 1, 0}));
  EXPECT_EQ(load().train.max_pixel, 1);
  const DataPair told = load_data(directory_.path().string(), 99);
  EXPECT_EQ(told.train.max_pixel, 99);
  EXPECT_FALSE(told.train.max_pixel_guessed);
}

TEST_F(Directory, IsKnownByItsContent) {
  const DataPair pair = load();
  EXPECT_EQ(pair.test.source_checksum, checksum(pair.test));
  EXPECT_EQ(head(pair.train, 1).source_checksum, checksum(pair.train));
  EXPECT_EQ(load_data_part(directory_.path().string(), DataPart::train).source_checksum,
            checksum(pair.train));
  const Dataset digits = load_data_part(SOFTWARP_DATA_DIR "/digits", DataPart::test);
  EXPECT_EQ(digits.max_pixel, 16);
  EXPECT_FALSE(digits.max_pixel_guessed);
  if (!fs::exists(kFashionDirectory)) return;
  for (const DataPart part : {DataPart::train, DataPart::test})
    EXPECT_EQ(load_data_part(kFashionDirectory, part).class_names,
              load_data_part("fashion-mnist", part).class_names);
}

TEST_F(Directory, MayHaveTheNamesOthersGive) {
  for (const std::string prefix : {"", "emnist-letters-", "qmnist_"})
    for (const bool dot : {false, true}) {
      const TemporaryDirectory other;
      for (const std::string name : {kTrainImages, kTrainLabels, kTestImages, kTestLabels}) {
        std::string renamed = prefix + name;
        if (!prefix.empty() && renamed.find("t10k") != std::string::npos)
          renamed.replace(renamed.find("t10k"), 4, "test");
        if (dot) renamed[renamed.rfind("-idx")] = '.';
        fs::copy(directory_.path() / name, other.path() / renamed);
      }
      EXPECT_EQ(load_data(other.path().string()).test.labels, (Bytes{1, 4}));
    }
}

TEST_F(Directory, HoldsOneSet) {
  for (const std::string prefix : {"a-", "b-"})
    fs::copy(directory_.path() / kTrainImages, directory_.path() / (prefix + kTrainImages));
  EXPECT_EQ(load().train.count, 3);  // MNIST's own names come first
  fs::rename(directory_.path() / kTrainImages, directory_.path() / "away");
  expect_refused(kTrainImages,
                 {"found a-train-images-idx3-ubyte and b-train-images-idx3-ubyte: give each set"});
  fs::remove(directory_.path() / (std::string("a-") + kTrainImages));
  EXPECT_EQ(load().train.count, 3);
  fs::rename(directory_.path() / (std::string("b-") + kTrainImages),
             directory_.path() / (std::string("no") + kTrainImages));
  expect_refused(kTrainImages, {"found neither"});
}

TEST_F(Directory, MayLieBelowOrHoldFolders) {
  const TemporaryDirectory other;
  fs::create_directories(other.path() / "MNIST");
  fs::copy(directory_.path(), other.path() / "MNIST/raw");
  EXPECT_EQ(load_data(other.path().string()).test.labels, (Bytes{1, 4}));
  fs::rename(directory_.path() / kTrainImages, directory_.path() / "away");
  fs::create_directory(directory_.path() / kTrainImages);
  expect_refused(kTrainImages, {"found neither (the directory holds away, "});
  directory_.write(std::string(kTrainImages) + ".gz", gzip(idx_file({3, 1, 2}, {0, 255, 1, 2, 3, 4})));
  EXPECT_EQ(load().train.count, 3);
}

TEST_F(Directory, NeedsOnePartWhereOneIsRead) {
  fs::remove(directory_.path() / kTrainImages);
  fs::remove(directory_.path() / kTrainLabels);
  const Dataset test = load_data_part(directory_.path().string(), DataPart::test);
  EXPECT_EQ(test.labels, (Bytes{1, 4}));
  EXPECT_EQ(test.classes, 5);
  expect_error([&] { std::ignore = load_data_part(directory_.path().string(), DataPart::train); },
               {kTrainImages, "found neither"});
}

TEST_F(Directory, SaysWhatMayNotBeEntered) {
  fs::permissions(directory_.path(), fs::perms::none);
  {
    const AsNobody nobody;
    expect_error([&] { load(); }, {"Permission denied"});
  }
  fs::permissions(directory_.path(), fs::perms::owner_all);
}

TEST_F(Directory, HasTwoTo256Classes) {
  directory_.write(kTestLabels, idx_file({2}, {0, 1}));
  directory_.write(kTrainLabels, idx_file({3}, {0, 0, 0}));
  EXPECT_EQ(load().train.classes, 2);
  directory_.write(kTrainLabels, idx_file({3}, {0, 255, 0}));
  EXPECT_EQ(load().train.classes, 256);
}

TEST_F(Directory, MayHoldGzippedFiles) {
  fs::remove(directory_.path() / kTrainImages);
  directory_.write(std::string(kTrainImages) + ".gz", gzip(idx_file({3, 1, 2}, {0, 255, 1, 2, 3, 4})));
  EXPECT_EQ(load().train.images, (Bytes{0, 255, 1, 2, 3, 4}));
}

TEST_F(Directory, MustHoldAllFourFiles) {
  for (const char* file : {kTrainImages, kTrainLabels, kTestImages, kTestLabels}) {
    fs::rename(directory_.path() / file, directory_.path() / "away");
    expect_refused(file, {"this file, plain or as .gz", "found neither"});
    fs::rename(directory_.path() / "away", directory_.path() / file);
  }
}

TEST_F(Directory, MustHoldALabelForEachImage) {
  directory_.write(kTestLabels, idx_file({3}, {1, 4, 0}));
  expect_refused(kTestLabels, {"expected 2 labels", kTestImages, "found 3"});
}

TEST_F(Directory, MustHoldTestImagesLikeTheTrainingImages) {
  directory_.write(kTestImages, idx_file({2, 2, 1}, {9, 8, 7, 6}));
  expect_refused(kTestImages, {"images of 1x2", kTrainImages, "found 2x1"});
  directory_.write(kTestImages, idx_file({2, 1, 1}, {9, 8}));
  expect_refused(kTestImages, {"images of 1x2", kTrainImages, "found 1x1"});
  directory_.write(kTestImages, idx_file({2, 2, 2}, {9, 8, 7, 6, 5, 4, 3, 2}));
  expect_refused(kTestImages, {"images of 1x2", kTrainImages, "found 2x2"});
}

TEST_F(Directory, MustNotHoldATestLabelThatWasNeverTrained) {
  directory_.write(kTestLabels, idx_file({2}, {1, 5}));
  expect_refused(kTestLabels, {"labels 0 to 4", "found label 5 at index 1"});
}

TEST_F(Directory, IsSaidToBeMissing) {
  expect_error([] { std::ignore = load_data("minst"); },
               {"minst: expected mnist, fashion-mnist, digits or a directory", "found no such directory"});
  const std::string file = directory_.write("file", {}).string();
  expect_error([&] { std::ignore = load_data(file); }, {file + ": expected mnist", "found a file"});
}

// A known dataset has known labels and pixels, whatever a damaged copy holds.
TEST_F(Directory, MustMatchTheKnownDatasetItStandsFor) {
  const auto digits = directory_.path() / "digits";
  const DataDirectory chosen(directory_.path().c_str());
  fs::create_directory(digits);
  for (const char* file : {kTrainImages, kTrainLabels, kTestImages, kTestLabels})
    fs::copy(directory_.path() / file, digits / file);
  expect_error([] { std::ignore = load_data("digits"); },
               {(digits / kTrainImages).string(), "expected pixels 0 to 16", "found pixel 255 at index 1"});
  directory_.write(std::string("digits/") + kTrainLabels, idx_file({3}, {0, 10, 2}));
  expect_error([] { std::ignore = load_data("digits"); },
               {(digits / kTrainLabels).string(), "expected labels 0 to 9", "found label 10 at index 1"});
}

}  // namespace
}  // namespace softwarp
