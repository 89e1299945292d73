// Files that the safetensors reader must refuse: with one line that says why, and without asking for memory
// on their word.

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>
#include <tuple>

#include "host/io/safetensors.h"
#include "tests/io/safetensors_bytes.h"

namespace softwarp {
namespace {

class SafetensorsRefusal : public testing::Test {
 protected:
  void expect_refused(const Bytes& bytes, std::initializer_list<std::string_view> parts) {
    const auto path = directory_.write("file", bytes);
    expect_error([&] { std::ignore = read_safetensors(path); }, {path.string() + ": expected", "found"});
    expect_error([&] { std::ignore = read_safetensors(path); }, parts);
  }
  void expect_header_refused(const std::string& header, std::initializer_list<std::string_view> parts,
                             std::size_t data = 0) {
    SCOPED_TRACE(header.substr(0, 200));
    expect_refused(safetensors_bytes(header, data), parts);
  }
  void expect_tensor_refused(const std::string& fields, std::initializer_list<std::string_view> parts) {
    expect_header_refused("{\"w\":{" + fields + "}}", parts, 4);
  }

  TemporaryDirectory directory_;
};

TEST_F(SafetensorsRefusal, NoFile) {
  const auto path = directory_.path() / "absent";
  expect_error([&] { std::ignore = read_safetensors(path); },
               {path.string() + ": expected a file", "found no such file"});
  expect_error([&] { std::ignore = read_safetensors(directory_.path()); },
               {"expected a file", "found a directory"});
  const auto pipe = directory_.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  expect_error([&] { std::ignore = read_safetensors(pipe); }, {pipe.string(), "a regular file"});
}

TEST_F(SafetensorsRefusal, AFileItMayNotRead) {
  const auto path = directory_.write("secret", safetensors_bytes("{}"));
  std::filesystem::permissions(path, std::filesystem::perms::none);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  const AsNobody nobody;
  expect_error([&] { std::ignore = read_safetensors(path); }, {path.string(), "Permission denied"});
}

TEST_F(SafetensorsRefusal, AFileCutAnywhere) {
  const Bytes whole = safetensors_bytes("{" + entry("w", "U8", "4", "0,4") + "}", 4);
  for (std::size_t size = 0; size < whole.size(); ++size)
    expect_refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), {});
}

TEST_F(SafetensorsRefusal, AHeaderLongerThanTheFileOrThanAllowed) {
  Bytes bytes = safetensors_bytes("{}");
  bytes[0] = 3;
  expect_refused(bytes, {"a safetensors header of at most 2 bytes", "found 3"});
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = 0xff;
  expect_refused(bytes, {"at most 2 bytes", "found 18446744073709551615"});
  // 100,000,001 bytes, most of them a hole that takes no room on the disk.
  const auto path = directory_.write("file", {0x01, 0xe1, 0xf5, 0x05, 0, 0, 0, 0});
  std::filesystem::resize_file(path, 8 + 100'000'001);
  expect_error([&] { std::ignore = read_safetensors(path); }, {"at most 100000000 bytes", "found 100000001"});
}

TEST_F(SafetensorsRefusal, AHeaderThatIsNoJsonObject) {
  for (const char* header : {"", " {}", "[]", "1", "\xef\xbb\xbf{}", "\"{}\""})
    expect_header_refused(header, {"a safetensors header that starts with {"});
  for (const char* header :
       {"{", "{]", "{}}", "{} {}", "{},", "{\"w\"}", "{\"w\":}", "{'w':{}}", "{}//", "{\"a\":{},}"})
    expect_header_refused(header, {""});
  // The parser would stop at the zero and never see the rest.
  expect_header_refused(std::string("{}\0{", 4), {"a zero at byte 3"});
  expect_header_refused(std::string("{}\0\0\0\0\0\0", 8), {"a zero at byte 3"});
}

TEST_F(SafetensorsRefusal, TextThatIsNoUtf8) {
  for (const char* text :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\\ud800", "\x01"})
    expect_header_refused("{\"__metadata__\":{\"k\":\"" + std::string(text) + "\"}}", {"JSON in UTF-8"});
}

TEST_F(SafetensorsRefusal, MetadataOtherThanStrings) {
  for (const char* value : {"1", "-1", "1.5", "null", "true", "[]", "{}"})
    expect_header_refused("{\"__metadata__\":{\"k\":" + std::string(value) + "}}",
                          {"a string as metadata \"k\""});
  for (const char* value : {"1", "\"s\"", "true", "[]"})
    expect_header_refused("{\"__metadata__\":" + std::string(value) + "}", {"an object as \"__metadata__\""});
}

TEST_F(SafetensorsRefusal, ATensorThatIsNoObject) {
  for (const char* value : {"1", "-1", "1.5", "null", "true", "\"s\"", "[]", R"(["U8",[4],[0,4]])"})
    expect_header_refused("{\"w\":" + std::string(value) + "}", {"an object as \"w\""});
}

TEST_F(SafetensorsRefusal, MissingKeys) {
  expect_tensor_refused(R"("shape":[4],"data_offsets":[0,4])", {"a dtype of \"w\"", "found none"});
  expect_tensor_refused(R"("dtype":"U8","data_offsets":[0,4])", {"a shape of \"w\"", "found none"});
  expect_tensor_refused(R"("dtype":"U8","shape":[4])", {"a data_offsets of \"w\"", "found none"});
}

TEST_F(SafetensorsRefusal, DuplicateKeys) {
  const std::string w = entry("w", "U8", "4", "0,4");
  expect_header_refused("{" + w + "," + w + "}", {"each key once", "two of \"w\""}, 4);
  // Equal once the escape is read.
  expect_header_refused("{" + entry("w", "U8", "0", "0,0") + "," + entry("\\u0077", "U8", "0", "0,0") + "}",
                        {"two of \"w\""});
  expect_header_refused(R"({"__metadata__":{"k":"1","k":"1"}})", {"two of \"k\""});
  expect_header_refused(R"({"__metadata__":{},"__metadata__":{}})", {"two of \"__metadata__\""});
  for (const char* twice : {R"("dtype":"U8")", R"("shape":[4])", R"("data_offsets":[0,4])"})
    expect_tensor_refused(std::string(twice) + R"(,"dtype":"U8","shape":[4],"data_offsets":[0,4])",
                          {"each key once", "of \"w\""});
}

TEST_F(SafetensorsRefusal, WrongTypesOfValues) {
  const std::string shape = R"("shape":[4],"data_offsets":[0,4])";
  for (const char* value : {"1", "null", "[]", "{}", "true"})
    expect_tensor_refused(R"("dtype":)" + std::string(value) + "," + shape, {"a string as dtype of \"w\""});
  for (const char* value :
       {"4", "\"4\"", "{}", "null", "[4.0]", "[-4]", "[\"4\"]", "[[4]]", "[4e0]", "[null]", "[-0]"})
    expect_tensor_refused(R"("dtype":"U8","data_offsets":[0,4],"shape":)" + std::string(value),
                          {"an array of sizes as shape of \"w\""});
  for (const char* value :
       {"4", "\"4\"", "{}", "null", "[]", "[0]", "[0,4,4]", "[0,4.0]", "[0,-4]", "[[0,4]]", "[0,\"4\"]"})
    expect_tensor_refused(R"("dtype":"U8","shape":[4],"data_offsets":)" + std::string(value),
                          {"two numbers as data_offsets of \"w\""});
}

TEST_F(SafetensorsRefusal, UnknownTypes) {
  for (const char* dtype : {"", "F33", "f32", "F32 ", "float32"})
    expect_header_refused("{" + entry("w", dtype, "1", "0,4") + "}", {"a known dtype of \"w\"", dtype}, 4);
}

TEST_F(SafetensorsRefusal, OffsetsThatLeaveGapsOrOverlap) {
  const std::string a = entry("a", "U8", "4", "0,4");
  expect_header_refused("{" + entry("w", "U8", "4", "1,5") + "}", {"\"w\" at bytes 0 to 4", "found 1 to 5"},
                        5);
  expect_header_refused("{" + a + "," + entry("w", "U8", "4", "5,9") + "}",
                        {"\"w\" at bytes 4 to 8", "found 5 to 9"}, 9);
  expect_header_refused("{" + a + "," + entry("w", "U8", "4", "3,7") + "}",
                        {"\"w\" at bytes 4 to 8", "found 3 to 7"}, 7);
  expect_header_refused("{" + a + "," + entry("w", "U8", "4", "0,4") + "}",
                        {"at bytes 4 to 8", "found 0 to 4"}, 4);
  expect_header_refused("{" + entry("w", "U8", "4", "4,0") + "}", {"found 4 to 0"}, 4);
  expect_header_refused("{" + entry("w", "U8", "0", "4,4") + "}", {"found 4 to 4"}, 4);
  // Its length is right only if it wraps around.
  expect_header_refused("{" + a + "," + entry("w", "U8", "4", "4,18446744073709551615") + "}", {"found 4 to"},
                        4);
}

TEST_F(SafetensorsRefusal, DataThatIsMissingOrLeftOver) {
  const std::string header = "{" + entry("w", "F32", "2", "0,8") + "}";
  expect_header_refused(header, {"8 bytes of data", "found 7"}, 7);
  expect_header_refused(header, {"8 bytes of data", "found 9"}, 9);
  expect_header_refused(header, {"8 bytes of data", "found 0"}, 0);
  expect_header_refused("{}", {"0 bytes of data", "found 1"}, 1);
}

TEST_F(SafetensorsRefusal, AShapeThatDoesNotFit) {
  expect_header_refused("{" + entry("w", "F32", "3", "0,8") + "}", {"\"w\" at bytes 0 to 12", "found 0 to 8"},
                        8);
  expect_header_refused("{" + entry("w", "F32", "0", "0,8") + "}", {"\"w\" at bytes 0 to 0", "found 0 to 8"},
                        8);
  expect_header_refused("{" + entry("w", "F4", "1", "0,0") + "}", {"a size of \"w\" in whole bytes"});
}

TEST_F(SafetensorsRefusal, SizesThatOverflow) {
  const auto refused = [&](const char* dtype, const char* shape, std::string_view part) {
    expect_header_refused("{" + entry("w", dtype, shape, "0,0") + "}", {part});
  };
  refused("F32", "4294967296,4294967296", "within 64 bits");    // 2^64 elements, 0 in 64 bits
  refused("F32", "2305843009213693952", "within 64 bits");      // 2^61 elements of 32 bits
  refused("F32", "4294967296,4294967296,0", "within 64 bits");  // as the reference, which multiplies in order
  refused("U8", "9223372036854775808", "an array of sizes");
  refused("U8", "18446744073709551616", "an array of sizes");
}

// A terabyte is promised, and a depth that would break a parser that calls itself.
TEST_F(SafetensorsRefusal, WithoutBelievingTheHeader) {
  expect_header_refused("{" + entry("w", "U8", "1099511627776", "0,1099511627776") + "}",
                        {"1099511627776 bytes of data", "found 4"}, 4);
  const std::string deep(4'000'000, '[');
  expect_header_refused("{\"w\":{\"x\":" + deep, {"at most 127 levels of JSON"});
  expect_header_refused("{\"w\":" + deep, {"an object as \"w\""});
  expect_header_refused(std::string(1, '{') + "\"w\":{\"shape\":" + deep, {"an array of sizes"});
  const auto nested = [](int levels) {
    return R"({"w":{"x":)" + std::string(static_cast<std::size_t>(levels), '[') +
           std::string(static_cast<std::size_t>(levels), ']') +
           R"(,"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  };
  EXPECT_EQ(read_safetensors(directory_.write("nested", safetensors_bytes(nested(125)))).tensors.size(), 1u);
  expect_header_refused(nested(126), {"at most 127 levels of JSON"});
  std::string objects = "{\"w\":{\"x\":";
  for (int i = 0; i < 100'000; ++i) objects += "{\"x\":";
  expect_header_refused(objects, {"at most 127 levels of JSON"});
}

// A name may be of any length and hold line ends; the message stays one short line.
TEST_F(SafetensorsRefusal, InOneShortLine) {
  const std::string name = "line\\nend" + std::string(1'000'000, 'x');
  const auto path =
      directory_.write("file", safetensors_bytes("{" + entry(name, "F33", "1", "0,4") + "}", 4));
  try {
    std::ignore = read_safetensors(path);
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_NE(message.find("line\\nend"), std::string::npos) << message;
    EXPECT_LT(message.size(), 300u);
  }
}

TEST_F(SafetensorsRefusal, NeverCrashesOnAFlippedBit) {
  const Bytes whole = safetensors_bytes(R"({"__metadata__":{"k":"v"},)" + entry("w", "F32", "2", "0,8") +
                                            "," + entry("v", "U8", "3", "8,11") + "}",
                                        11);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      std::size_t bytes = 0;
      for (const Tensor& tensor : read_safetensors(directory_.write("damaged", damaged)).tensors)
        bytes += tensor.data.size();
      EXPECT_EQ(bytes, 11u) << bit;
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace softwarp
