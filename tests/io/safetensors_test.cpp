#include "host/io/safetensors.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/io/safetensors_bytes.h"

namespace softwarp {
namespace {

Tensor tensor(std::string name, std::string dtype, std::vector<std::int64_t> shape, std::size_t bytes) {
  Tensor result{.name = std::move(name), .dtype = std::move(dtype), .shape = std::move(shape), .data = {}};
  for (std::size_t i = 0; i < bytes; ++i) result.data.push_back(static_cast<std::byte>(i * 37 + 1));
  return result;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Safetensors : public testing::Test {
 protected:
  SafetensorsFile read(std::string_view header, std::size_t data = 0) {
    return read_safetensors(directory_.write("read", safetensors_bytes(header, data)));
  }
  SafetensorsFile round_trip(const SafetensorsFile& file) {
    write_safetensors(path_, file);
    return read_safetensors(path_);
  }

  TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "model";
};

// The bytes that the format's description asks for, written out by hand.
TEST_F(Safetensors, WritesTheFormatsBytes) {
  write_safetensors(path_,
                    {.metadata = {{"b", "2"}, {"a", "\"\n"}}, .tensors = {tensor("w", "F32", {1, 2}, 8)}});
  const std::string header =
      R"({"__metadata__":{"a":"\"\n","b":"2"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  const std::string padded = header + std::string(88 + 8 - header.size(), ' ');
  ASSERT_EQ(padded.size() % 8, 0u);
  const std::string data = "\x01\x26\x4b\x70\x95\xba\xdf\x04";
  EXPECT_EQ(read_text(path_), std::string("\x60\0\0\0\0\0\0\0", 8) + padded + data);
}

TEST_F(Safetensors, WritesAnEmptyFile) {
  write_safetensors(path_, {});
  EXPECT_EQ(read_text(path_), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  EXPECT_TRUE(round_trip({}).tensors.empty());
}

TEST_F(Safetensors, ReadsWhatItWrote) {
  const SafetensorsFile file{
      .metadata = {{"", ""}, {"ключ", "wert \\ \t \x01"}},
      .tensors = {tensor("step", "I64", {}, 8), tensor("seed", "U64", {2}, 16), tensor("loss", "F64", {1}, 8),
                  tensor("w", "F32", {2, 1, 3}, 24), tensor("none", "F32", {0, 5}, 0),
                  tensor("\n\"name\"", "U8", {3}, 3)}};
  const SafetensorsFile found = round_trip(file);
  EXPECT_EQ(found.metadata, file.metadata);
  ASSERT_EQ(found.tensors.size(), file.tensors.size());
  for (const Tensor& expected : file.tensors) {
    SCOPED_TRACE(expected.name);
    const Tensor* stored = found.find(expected.name);
    ASSERT_NE(stored, nullptr);
    EXPECT_EQ(stored->dtype, expected.dtype);
    EXPECT_EQ(stored->shape, expected.shape);
    EXPECT_EQ(stored->data, expected.data);
  }
  EXPECT_EQ(found.find("absent"), nullptr);
}

TEST_F(Safetensors, AlignsTensorsWhateverTheirOrderAndTheHeadersLength) {
  for (std::size_t length = 1; length <= 9; ++length) {
    const std::string name(length, 'n');
    const SafetensorsFile found =
        round_trip({.metadata = {},
                    .tensors = {tensor(name + "1", "U8", {3}, 3), tensor(name + "2", "F64", {1}, 8),
                                tensor(name + "3", "F32", {1}, 4)}});
    EXPECT_EQ(found.tensors[0].dtype, "F64");
    EXPECT_EQ(found.tensors[1].dtype, "F32");
    EXPECT_EQ(found.tensors[2].dtype, "U8");
    // 8 bytes of length and the header before the data.
    EXPECT_EQ((read_text(path_).size() - 15) % 8, 0u);
  }
}

TEST_F(Safetensors, StoresReplacementCharactersForWhatIsNoUtf8) {
  const auto found = round_trip({.metadata = {{"data", "M\xffNIST"}}, .tensors = {}});
  EXPECT_EQ(found.metadata.at("data"), "M\xef\xbf\xbdNIST");
}

TEST_F(Safetensors, RefusesToWriteWhatNobodyCouldRead) {
  const auto refuses = [&](std::vector<Tensor> tensors) {
    EXPECT_THROW(write_safetensors(path_, {.metadata = {}, .tensors = std::move(tensors)}),
                 std::invalid_argument);
    EXPECT_FALSE(std::filesystem::exists(path_));
  };
  refuses({tensor("w", "F33", {1}, 4)});
  refuses({tensor("w", "F32", {1}, 8)});
  refuses({tensor("w", "F32", {-1, -1}, 4)});
  refuses({tensor("w", "F32", {1}, 4), tensor("w", "F32", {1}, 4)});
  refuses({tensor("__metadata__", "F32", {1}, 4)});
}

TEST_F(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  const auto file = read("{" + entry("b", "U8", "2", "3,5") + "," + entry("a", "U8", "3", "0,3") + "," +
                             entry("none", "F32", "0", "3,3") + "}",
                         5);
  ASSERT_EQ(file.tensors.size(), 3u);
  EXPECT_EQ(file.tensors[0].name, "a");
  EXPECT_EQ(file.tensors[1].name, "none");
  EXPECT_EQ(file.tensors[2].name, "b");
  EXPECT_EQ(file.tensors[2].data, (std::vector{std::byte{3}, std::byte{4}}));
}

TEST_F(Safetensors, ReadsWhatTheReferenceReads) {
  EXPECT_TRUE(read("{}").tensors.empty());
  EXPECT_TRUE(read("{} \n\t ").tensors.empty());  // any white space after the header, of any length
  EXPECT_TRUE(read(R"({"__metadata__":null})").metadata.empty());
  EXPECT_TRUE(read(R"({"__metadata__":{}})").metadata.empty());
  EXPECT_EQ(read(R"({"__metadata__":{"\u00e9":"\ud83d\ude00"}})").metadata.at("é"), "\U0001F600");
  EXPECT_EQ(read("{" + entry("", "F32", "", "0,4") + "}", 4).tensors[0].shape, std::vector<std::int64_t>{});
  // Two elements of 4 bits are a byte.
  EXPECT_EQ(read("{" + entry("w", "F4", "2", "0,1") + "}", 1).tensors[0].data.size(), 1u);
  EXPECT_EQ(read("{" + entry("w", "U8", "9223372036854775807,0", "0,0") + "}").tensors[0].shape[0],
            INT64_MAX);
}

TEST_F(Safetensors, KnowsEveryTypesSize) {
  const std::pair<const char*, int> types[] = {
      {"BOOL", 1},        {"U8", 1},          {"I8", 1},     {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
      {"F8_E4M3FNUZ", 1}, {"F8_E5M2FNUZ", 1}, {"I16", 2},    {"U16", 2},     {"F16", 2},     {"BF16", 2},
      {"I32", 4},         {"U32", 4},         {"F32", 4},    {"C64", 8},     {"F64", 8},     {"I64", 8},
      {"U64", 8},         {"F6_E2M3", 3},     {"F6_E3M2", 3}};
  for (const auto& [name, bytes] : types) {
    SCOPED_TRACE(name);
    const bool six_bits = bytes == 3;
    const auto end = std::to_string(bytes);
    const auto file =
        read("{" + entry("w", name, six_bits ? "4" : "1", "0," + end) + "}", static_cast<std::size_t>(bytes));
    EXPECT_EQ(file.tensors.at(0).data.size(), static_cast<std::size_t>(bytes));
  }
}

TEST_F(Safetensors, PassesOverKeysItDoesNotKnow) {
  const auto file =
      read(R"({"w":{"new":{"shape":[1,{"dtype":3}],"x":null},"dtype":"U8","more":[[],-1,1.5,true,"s",{}],)"
           R"("shape":[2],"last":7,"data_offsets":[0,2]}})",
           2);
  EXPECT_EQ(file.tensors.at(0).shape, std::vector<std::int64_t>{2});
}

// The reader of gzip files would take these two bytes of a length for its mark.
TEST_F(Safetensors, ReadsAHeaderWhoseLengthLooksLikeGzip) {
  std::string header = "{}";
  header.resize(0x8b1f, ' ');
  EXPECT_TRUE(read(header).tensors.empty());
}

}  // namespace
}  // namespace softwarp
