#include "host/io/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class FileWriting : public testing::Test {
 protected:
  // Nothing but these names lies in the directory.
  void expect_only(std::vector<std::string> names) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory_.path()))
      found.push_back(entry.path().filename().string());
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, names);
  }

  TemporaryDirectory directory_;
  const fs::path path_ = directory_.path() / "file";
};

TEST_F(FileWriting, JoinsThePartsInOrder) {
  const Bytes first{1, 2}, second{}, third{3};
  const std::vector<std::span<const std::byte>> parts{
      std::as_bytes(std::span(first)), std::as_bytes(std::span(second)), std::as_bytes(std::span(third))};
  write_file_atomically(path_, parts);
  EXPECT_EQ(read(path_), "\x01\x02\x03");
  expect_only({"file"});
}

TEST_F(FileWriting, ReplacesAFileByALongerAShorterAndAnEmptyOne) {
  for (const std::string& text :
       {std::string("old"), std::string(3'000'000, 'x'), std::string("y"), std::string()}) {
    write_file(path_, text);
    EXPECT_EQ(read(path_), text);
  }
  expect_only({"file"});
}

TEST_F(FileWriting, GivesTheRightsThatTheProcessGivesNewFiles) {
  const mode_t before = umask(027);
  write_file(path_, "text");
  umask(before);
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0640));
}

// The file size limit makes a write fail half-way, as a full disk would.
TEST_F(FileWriting, KeepsTheOldFileAndNothingElseWhenWritingFails) {
  write_file(path_, "old");
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  expect_error([&] { write_file(path_, std::string(5000, 'x')); },
               {path_.string() + ": expected", "File too large"});
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(read(path_), "old");
  expect_only({"file"});
}

TEST_F(FileWriting, RefusesAMissingDirectory) {
  const auto path = directory_.path() / "absent" / "file";
  expect_error([&] { write_file(path, "text"); }, {path.string(), "No such file or directory"});
  expect_error([] { write_file("", "text"); }, {"No such file or directory"});
  expect_only({});
}

TEST_F(FileWriting, RefusesADirectory) {
  expect_error([&] { write_file(directory_.path(), "text"); },
               {directory_.path().string(), "found a directory"});
  expect_only({});
}

TEST_F(FileWriting, RefusesADirectoryItMayNotWriteTo) {
  fs::permissions(directory_.path(), fs::perms(0555));
  {
    const AsNobody nobody;
    expect_error([&] { write_file(path_, "text"); }, {path_.string(), "Permission denied"});
  }
  fs::permissions(directory_.path(), fs::perms(0700));
}

TEST_F(FileWriting, LeavesAPipeAlone) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  expect_error([&] { write_file(path_, "text"); }, {path_.string(), "no regular file"});
  EXPECT_TRUE(fs::is_fifo(path_));
  expect_only({"file"});
}

TEST_F(FileWriting, FollowsALink) {
  write_file(path_, "old");
  const auto link = directory_.path() / "link";
  fs::create_symlink("file", link);
  write_file(link, "new");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read(path_), "new");
  expect_only({"file", "link"});
}

TEST_F(FileWriting, RefusesALinkToNowhere) {
  const auto link = directory_.path() / "link";
  fs::create_symlink("absent", link);
  expect_error([&] { write_file(link, "text"); }, {link.string(), "No such file or directory"});
  expect_only({"link"});
}

TEST_F(FileWriting, TakesTheLongestName) {
  const std::string name(255, 'n');
  write_file(directory_.path() / name, "text");
  EXPECT_EQ(read(directory_.path() / name), "text");
  expect_only({name});
  expect_error([&] { write_file(directory_.path() / (name + "n"), "text"); }, {"File name too long"});
  expect_only({name});
}

TEST_F(FileWriting, WritesToTheWorkingDirectory) {
  const auto before = fs::current_path();
  fs::current_path(directory_.path());
  write_file("file", "text");
  fs::current_path(before);
  EXPECT_EQ(read(path_), "text");
}

TEST_F(FileWriting, PassesOverWhatAKilledProcessLeft) {
  const std::string left = ".softwarp-" + std::to_string(getpid()) + "-0";
  directory_.write(left, {1});
  write_file(path_, "text");
  EXPECT_EQ(read(path_), "text");
  expect_only({left, "file"});
}

TEST_F(FileWriting, ShowsAReaderOneOfTheWholeFiles) {
  constexpr int kRounds = 100;
  const std::string a(100'000, 'a'), b(50'000, 'b');
  write_file(path_, a);
  const auto writes = [&](const std::string& text) {
    return [&] {
      for (int i = 0; i < kRounds; ++i) write_file(path_, text);
    };
  };
  std::thread first(writes(a)), second(writes(b));
  for (int i = 0; i < kRounds; ++i) {
    const std::string found = read(path_);
    EXPECT_TRUE(found == a || found == b) << found.size() << " bytes";
  }
  first.join();
  second.join();
  expect_only({"file"});
}

}  // namespace
}  // namespace softwarp
