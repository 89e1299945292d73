#include "host/io/idx.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <tuple>

#include <set>

#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

class Idx : public testing::Test {
 protected:
  void expect_refused(const Bytes& bytes, int rank, std::initializer_list<std::string_view> parts) {
    const auto path = directory_.write("some-file", bytes);
    expect_error([&] { std::ignore = read_idx(path, rank); }, {path.string() + ": expected"});
    expect_error([&] { std::ignore = read_idx(path, rank); }, parts);
  }

  TemporaryDirectory directory_;
  const Bytes labels_ = idx_file({3}, {7, 8, 9});
  const Bytes images_ = idx_file({2, 1, 3}, {1, 2, 3, 4, 5, 6});
};

TEST_F(Idx, ReadsLabelsAndImages) {
  const auto labels = read_idx(directory_.write("labels", labels_), 1);
  EXPECT_EQ(labels.dimensions, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(labels.bytes, (Bytes{7, 8, 9}));
  const auto images = read_idx(directory_.write("images", images_), 3);
  EXPECT_EQ(images.dimensions, (std::vector<std::int64_t>{2, 1, 3}));
  EXPECT_EQ(images.bytes, (Bytes{1, 2, 3, 4, 5, 6}));
}

Bytes hard_to_compress(std::size_t size) {
  Bytes bytes(size);
  std::uint32_t state = 1;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

// Longer than the reader's buffer and its chunk, so that both go round.
TEST_F(Idx, ReadsPlainAndGzippedAlikeWhateverTheName) {
  const Bytes elements = hard_to_compress(3'000'001);
  const Bytes file = idx_file({3'000'001}, elements);
  EXPECT_EQ(read_idx(directory_.write("plain.gz", file), 1).bytes, elements);
  EXPECT_EQ(read_idx(directory_.write("gzipped", gzip(file)), 1).bytes, elements);
}

TEST_F(Idx, JoinsGzipStreamsInARow) {
  const Bytes head(labels_.begin(), labels_.begin() + 6);
  const Bytes tail(labels_.begin() + 6, labels_.end());
  EXPECT_EQ(read_idx(directory_.write("two", gzip(head) + gzip(tail)), 1).bytes, (Bytes{7, 8, 9}));
  expect_refused(gzip(labels_) + gzip(labels_), 1, {"expected 3 bytes", "found more"});
}

// The reader's buffer holds 65536 bytes: it ends with the first stream, and a byte or two before and behind.
TEST_F(Idx, JoinsGzipStreamsWhereverTheBufferEnds) {
  const Bytes elements = hard_to_compress(70'000);
  const Bytes file = idx_file({70'000}, elements);
  std::set<std::size_t> lengths;
  for (std::ptrdiff_t size = 65'480; size < 65'536; ++size) {
    const Bytes first = gzip(Bytes(file.begin(), file.begin() + size));
    if (first.size() < 65'533 || first.size() > 65'538) continue;
    lengths.insert(first.size());
    const Bytes rest = gzip(Bytes(file.begin() + size, file.end()));
    EXPECT_EQ(read_idx(directory_.write("two", first + rest), 1).bytes, elements) << first.size();
  }
  EXPECT_EQ(lengths, (std::set<std::size_t>{65'533, 65'534, 65'535, 65'536, 65'537, 65'538}));
}

TEST_F(Idx, RefusesAMissingFile) {
  const auto path = directory_.path() / "absent";
  expect_error([&] { std::ignore = read_idx(path, 1); },
               {path.string() + ": expected a file", "found no such file"});
}

TEST_F(Idx, RefusesADirectory) {
  expect_error([&] { std::ignore = read_idx(directory_.path(), 1); },
               {directory_.path().string() + ": expected a file", "found a directory"});
}

TEST_F(Idx, RefusesADevice) {
  expect_error([] { std::ignore = read_idx("/dev/zero", 1); },
               {"/dev/zero: expected a regular file", "found something else"});
}

// The first page of a process is never mapped, so reading its memory from the start fails.
TEST_F(Idx, ReportsAReadThatFails) {
  expect_error([] { std::ignore = read_idx("/proc/self/mem", 1); },
               {"/proc/self/mem: expected a readable file", "found Input/output error"});
}

TEST_F(Idx, RefusesAFileItMayNotRead) {
  const auto path = directory_.write("secret", labels_);
  std::filesystem::permissions(path, std::filesystem::perms::none);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  const AsNobody nobody;
  expect_error([&] { std::ignore = read_idx(path, 1); },
               {path.string() + ": expected a readable file", "Permission denied"});
}

TEST_F(Idx, RefusesAWrongMagicNumber) {
  expect_refused(labels_, 3, {"0x00000803 (unsigned bytes, rank 3)", "found 0x00000801"});
  expect_refused(images_, 1, {"0x00000801 (unsigned bytes, rank 1)", "found 0x00000803"});
  expect_refused({'P', 'K', 3, 4}, 1, {"0x00000801", "found 0x504b0304"});
}

TEST_F(Idx, RefusesAFileThatEndsWithinItsHeader) {
  for (std::size_t size = 0; size < 16; ++size)
    expect_refused(Bytes(images_.begin(), images_.begin() + static_cast<std::ptrdiff_t>(size)), 3,
                   {"an IDX header", "found a file that ends within it"});
}

TEST_F(Idx, RefusesMissingElements) {
  expect_refused(idx_file({2, 1, 3}, {1, 2, 3, 4, 5}), 3, {"expected 6 bytes", "found 5"});
  expect_refused(gzip(idx_file({2, 1, 3}, {1, 2, 3, 4, 5})), 3, {"expected 6 bytes", "found 5"});
}

TEST_F(Idx, RefusesElementsBeyondTheLast) {
  expect_refused(labels_ + Bytes{0}, 1, {"expected 3 bytes", "found more"});
  expect_refused(gzip(labels_ + Bytes{0}), 1, {"expected 3 bytes", "found more"});
}

TEST_F(Idx, RefusesAnEmptyArray) {
  expect_refused(idx_file({0}, {}), 1, {"at least one element", "found dimensions 0"});
  expect_refused(idx_file({2, 0, 3}, {}), 3, {"at least one element", "found dimensions 2x0x3"});
}

TEST_F(Idx, RefusesDimensionsWhoseProductOverflows) {
  expect_refused(idx_file({0xffffffff, 0xffffffff, 0xffffffff}, {1}), 3,
                 {"at most 1099511627776 elements", "found dimensions 4294967295x4294967295x4294967295"});
  // Their product is 2^64, which is 0 in 64 bits.
  expect_refused(idx_file({1u << 31, 1u << 31, 4}, {}), 3, {"at most", "found dimensions 2147483648x"});
}

TEST_F(Idx, DoesNotBelieveAHeaderThatPromisesATebibyte) {
  expect_refused(idx_file({1u << 20, 1u << 10, 1u << 10}, {1, 2}), 3,
                 {"expected 1099511627776 bytes", "found 2"});
}

TEST_F(Idx, RefusesAGzipStreamCutAnywhere) {
  const Bytes whole = gzip(labels_);
  for (std::size_t size = 2; size < whole.size(); ++size)
    expect_refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), 1,
                   {"a whole gzip stream", "found one cut short"});
}

TEST_F(Idx, RefusesAWrongGzipChecksum) {
  Bytes packed = gzip(labels_);
  packed[packed.size() - 8] ^= 1;
  expect_refused(packed, 1, {"a sound gzip stream", "found incorrect data check"});
}

TEST_F(Idx, RefusesBytesBehindTheGzipStream) {
  for (const Bytes& rest : {Bytes{0, 'x'}, Bytes{'x', 'y'}, labels_, Bytes{0x1f}})
    expect_refused(gzip(labels_) + rest, 1,
                   {"the end of the file after the gzip stream", "found other bytes"});
}

TEST_F(Idx, NeverTakesAFlippedBitForData) {
  const Bytes whole = gzip(labels_);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      // Some bits of a gzip header, such as its time, say nothing about the contents.
      EXPECT_EQ(read_idx(directory_.write("damaged", damaged), 1).bytes, (Bytes{7, 8, 9})) << bit;
    } catch (const Error&) {
    }
  }
}

TEST_F(Idx, KnowsRanksOneAndThreeOnly) {
  EXPECT_THROW(std::ignore = read_idx(directory_.write("labels", labels_), 2), std::invalid_argument);
}

TEST_F(Idx, MayBePaddedWithZerosBehindTheGzipStream) {
  const Bytes file = gzip(idx_file({3}, {1, 2, 0}));
  EXPECT_EQ(read_idx(directory_.write("labels", file + Bytes(512)), 1).bytes, (Bytes{1, 2, 0}));
  EXPECT_EQ(read_idx(directory_.write("labels", file + Bytes(200'000)), 1).bytes, (Bytes{1, 2, 0}));
}

TEST_F(Idx, TakesLabelsOf32Bits) {
  const Bytes rows = {0, 0, 12, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 7, 9, 9, 9, 9, 0, 0, 0, 3, 9, 9, 9, 9};
  EXPECT_EQ(read_idx(directory_.write("labels", rows), 1).bytes, (Bytes{7, 3}));
  const Bytes plain = {0, 0, 12, 1, 0, 0, 0, 1, 0, 0, 0, 5};
  EXPECT_EQ(read_idx(directory_.write("labels", plain), 1).bytes, (Bytes{5}));
}

}  // namespace
}  // namespace softwarp
