// Tables of numbers as people, spreadsheets and NumPy write them.

#include "host/io/number_table.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <tuple>

#include "tests/data/temporary_files.h"

namespace softwarp {
namespace {

using Values = std::vector<double>;

void expect_table(std::string_view text, std::int64_t cols, const Values& values) {
  SCOPED_TRACE(text);
  const NumberTable table = parse_table(text, "file");
  EXPECT_EQ(table.cols, cols);
  EXPECT_EQ(table.rows * table.cols, std::ssize(values));
  EXPECT_EQ(table.values, values);
}

void expect_refused(std::string_view text, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(text);
  expect_error([&] { std::ignore = parse_table(text, "file"); }, parts);
}

TEST(NumberText, MayBeSeparatedByAnyOneCharacter) {
  for (const char* text :
       {"1,-2.5,3e2\n4,5,6\n", "1;-2.5;3e2\n4;5;6", "1\t-2.5\t3e2\n4\t5\t6\n", "1 -2.5   3e2\n4 5 6\n",
        " 1, -2.5,\t3e2 # one\n\n# none\n4 ,5, 6", "1 -2.5\t3e2\n4 5 6\t\n", "\"1\",\"-2.5\",3e2\n4,5,\"6\""})
    expect_table(text, 3, {1, -2.5, 300, 4, 5, 6});
}

TEST(NumberText, HasDecimalCommasBetweenSemicolonsTabsOrQuotes) {
  for (const char* text : {"1,5;2,5;-3", "1,5\t2,5\t-3\n", "\"1,5\",\"2,5\",-3", "1,5 ; 2,5 ; -3"})
    expect_table(text, 3, {1.5, 2.5, -3});
  expect_refused("1,5;2.5",
                 {"file, line 1, column 2: expected ',' as the decimal sign, as before, found \"2.5\""});
  expect_refused("1.234,5;2", {"line 1, column 1: expected a number, found \"1.234,5\""});
  expect_refused("1,5 2,5", {"line 1, column 2: expected a number, found \"5 2\""});
  expect_refused("1;2;3\n1,2,3\n", {"line 2: expected 3 columns, as in line 1, found 1"});
}

TEST(NumberText, HasNoEmptyFields) {
  expect_refused("1,,3\n4,,6\n", {"file, line 1, column 2: expected a number, found an empty field"});
  expect_refused("1;2\n;4", {"line 2, column 1", "an empty field"});
  expect_refused("1\t\t3\n", {"line 1, column 2", "an empty field"});
  expect_refused("1,2,\n", {"line 1, column 3", "an empty field"});
  expect_refused("1,\"\",3", {"line 1, column 2", "an empty field"});
}

TEST(NumberText, HasLinesOfAnyEnd) {
  for (const char* text : {"1,2\n3,4\n", "1,2\r\n3,4\r\n", "1,2\r3,4\r", "1,2\n\r3,4", "1,2\r\r\n3,4"})
    expect_table(text, 2, {1, 2, 3, 4});
  expect_refused("1,2\r3,x\r", {"line 2, column 2: expected a number, found \"x\""});
  expect_refused("1\r\n2\r\n\r\nx\r\n", {"line 4, column 1"});
  expect_refused("1,2\n3\n", {"line 2: expected 2 columns, as in line 1, found 1"});
}

TEST(NumberText, MayBeginWithAByteOrderMark) {
  expect_table(
      "\xEF\xBB\xBF"
      "1,2\n",
      2, {1, 2});
  expect_table(
      "\xEF\xBB\xBF"
      "a,b\n1,2\n",
      2, {1, 2});
  expect_refused(
      "\xFF\xFE"
      "1",
      {"expected text in UTF-8, found UTF-16"});
}

TEST(NumberText, MayBeginWithALineOfNames) {
  expect_table("x,y 2\n1,2\n", 2, {1, 2});
  expect_table(
      "# made up\n\"gr\xC3\xB6\xC3\x9F"
      "e\";b\n1,5;2\n",
      2, {1.5, 2});
  EXPECT_TRUE(std::isnan(parse_table("nan,inf\n", "file").values[0]));
}

TEST(NumberText, HasNamesInItsFirstLineAlone) {
  expect_refused("x,1\n2,3\n", {"line 1, column 1: expected a number, found \"x\""});
  expect_refused("NA,NA\n1,2\n", {"line 1, column 1: expected a number, found \"NA\""});
  expect_refused("a,b\nc,d\n1,2\n", {"line 2, column 1"});
  expect_refused("a,b,c\n1,2\n", {"line 2: expected 3 columns, as in line 1, found 2"});
  expect_refused("a,b\n", {"expected at least one number, found none"});
  expect_refused("PK\x03\x04", {".npz"});
}

// A typeset number is no name, and a spreadsheet's error in the place of a number is no comment.
TEST(NumberText, HasNoNamesThatLookLikeNumbers) {
  for (const char* word : {"\xEF\xBC\x91",
                           "\xE2\x88\x92"
                           "1",
                           "\xC2\xA0"
                           "1",
                           "\xA0"
                           "1",
                           "1\xC2\xA0"
                           "000",
                           "'1'", "1'000", "O.5"})
    expect_refused(std::string(word) + "," + word + "\n3,4\n",
                   {"file, line 1, column 1: expected a number, found \""});
  for (const char* word : {"#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!"})
    expect_refused("1\n" + std::string(word) + "\n3\n",
                   {"file, line 2, column 1: expected a number, found \"#"});
  expect_table("1,2#3 N/A\n", 2, {1, 2});
  for (const char* word : {"1.#INF", "-1.#IND", "1.#QNAN"})  // Microsoft's, before 2015
    expect_refused("1 " + std::string(word), {"file, line 1, column 2: expected a number, found \""});
  expect_table(
      "gr\xF6\xDF"
      "e;b\n1,5;2\n",  // in Windows-1252
      2, {1.5, 2});
  expect_table("\xE9\xAB\x98,\xCE\xB1\n1,2\n", 2, {1, 2});  // 高, α
}

TEST(NumberText, SeparatesByNoOtherSpace) {
  for (const char* text : {"1\f2\n", "1\v2\n", "1\f\n", "1|2", "1:2"})
    expect_refused(text, {"line 1, column 1: expected a number, found \"1"});
  expect_refused(std::string_view("1\0,2", 4), {"line 1, column 1: expected a number, found \"1?\""});
  expect_table("1.5;2.5;-3\n", 3, {1.5, 2.5, -3});
  expect_refused("1;2;\n", {"line 1, column 3", "an empty field"});
  expect_refused("\"1,2\n", {"line 1, column 1: expected a number"});
  expect_table("\"1\";\"2,5\"\n", 2, {1, 2.5});
}

TEST(NumberText, HasInfinityAndNaNInAnyCase) {
  expect_table("inf -inf +inf Infinity -INFINITY", 5, {INFINITY, -INFINITY, INFINITY, INFINITY, -INFINITY});
  for (const double value : parse_table("nan NaN -nan NAN", "file").values) EXPECT_TRUE(std::isnan(value));
  EXPECT_TRUE(std::signbit(parse_table("-0", "file").values[0]));
  for (const char* word : {"infinite", "1inf", "in"})
    expect_refused("1 " + std::string(word), {"line 1, column 2"});
}

TEST(NumberText, IsDecimalOfAnySize) {
  expect_table("1e-400 -1e-400 1e400 -1e400 +1 5e-324", 6,
               {0, -0.0, INFINITY, -INFINITY, 1, std::numeric_limits<double>::denorm_min()});
  EXPECT_TRUE(std::signbit(parse_table("-1e-999", "file").values[0]));
  for (const char* word : {"+-1", "--1", "++1", "+", "1e", "0x10", "1d3", "1_000", "1.2.3", "1e400x"})
    expect_refused(word, {"line 1, column 1: expected a number, found"});
  EXPECT_EQ(parse_row({"1e400", "1e-400"}, "logits").values, (Values{INFINITY, 0}));
  expect_error([] { std::ignore = parse_row({"1", "+-1"}, "logits"); },
               {"logits: expected a number, found \"+-1\""});
}

std::string npy_of(char version, const std::string& header, const std::string& elements) {
  std::string file("\x93NUMPY", 6);
  file += version, file += '\0';
  for (std::size_t i = 0; i < (version == 1 ? 2 : 4); ++i)
    file += static_cast<char>(header.size() >> 8 * i & 255);
  return file + header + elements;
}

std::string npy(const std::string& type, const std::string& order, const std::string& shape,
                const Bytes& elements) {
  std::string header = "{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  return npy_of(1, header, std::string(elements.begin(), elements.end()));
}

TEST(Npy, MayHaveAnyNumberTypeInEitherOrderOfBytes) {
  const struct {
    const char* type;
    Bytes elements;
    double first, second;
  } cases[] = {{"'|b1'", {0, 1}, 0, 1},
               {"'|i1'", {0xFF, 2}, -1, 2},
               {"'|u1'", {0xFF, 2}, 255, 2},
               {"'<i2'", {0xFE, 0xFF, 0, 1}, -2, 256},
               {"'>i2'", {0xFF, 0xFE, 1, 0}, -2, 256},
               {"'>u2'", {0xFF, 0xFE, 1, 0}, 65534, 256},
               {"'<i4'", {0xFF, 0xFF, 0xFF, 0xFF, 7, 0, 0, 0}, -1, 7},
               {"'>u4'", {0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 7}, 4294967295.0, 7},
               {"'>i8'", {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFD, 0, 0, 0, 0, 0, 0, 0, 7}, -3, 7},
               {"'<u8'", {0, 0, 0, 0, 0, 0, 0, 0x80, 7, 0, 0, 0, 0, 0, 0, 0}, 9223372036854775808.0, 7},
               {"'<f2'", {0x00, 0x3E, 0x01, 0x80}, 1.5, -0x1p-24},
               {"'>f2'", {0x7C, 0x00, 0x7B, 0xFF}, INFINITY, 65504},
               {"'>f4'", {0x3F, 0xC0, 0, 0, 0xC0, 0, 0, 0}, 1.5, -2},
               {"'>f8'", {0x3F, 0xF8, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0}, 1.5, -2}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.type);
    EXPECT_EQ(parse_table(npy(c.type, "False", "(2,)", c.elements), "a.npy").values,
              (Values{c.first, c.second}));
  }
}

TEST(Npy, MayStoreItsColumnsOneAfterTheOther) {
  const NumberTable table = parse_table(npy("'|u1'", "True", "(2, 3)", {1, 4, 2, 5, 3, 6}), "a.npy");
  EXPECT_EQ(table.rows, 2);
  EXPECT_EQ(table.values, (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(parse_table(to_npy(table), "again").values, table.values);
}

TEST(Npy, MayBeOfAnyVersionAndAnyLengthOfHeader) {
  for (const char version : {'\1', '\2', '\3'})
    for (const char* header : {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }",
                               "{'descr':'|u1','fortran_order':False,'shape':(2,)}\n",
                               "{ 'shape' : ( 2 , ) ,  'fortran_order' : False , 'descr' :  '|u1' }    \n",
                               "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2L), }"}) {
      SCOPED_TRACE(header);
      EXPECT_EQ(parse_table(npy_of(version, header, "\1\2"), "a.npy").values, (Values{1, 2}));
      const std::string padded = header + std::string(300, ' ');
      EXPECT_EQ(parse_table(npy_of(version, padded, "\1\2"), "a.npy").values, (Values{1, 2}));
    }
  const std::string whole = npy_of(2, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "");
  for (std::size_t size = 6; size < whole.size(); ++size)
    expect_refused(whole.substr(0, size), {"file: expected a .npy header, found the end of the file"});
  expect_refused(npy_of(1, "{'descr': '|u1', 'shape': (2,)}", "ab"),
                 {"expected 'fortran_order' in the header"});
}

TEST(Npy, MayHaveOneOrTwoDimensions) {
  const auto refused = [](const std::string& shape, std::initializer_list<std::string_view> parts) {
    expect_refused(npy("'|u1'", "False", shape, Bytes(8)), parts);
  };
  const NumberTable row = parse_table(npy("'|u1'", "True", "(3,)", {1, 2, 3}), "a.npy");
  EXPECT_EQ(row.rows, 1);
  EXPECT_EQ(row.values, (Values{1, 2, 3}));
  const NumberTable column = parse_table(npy("'|u1'", "False", "(3, 1)", {1, 2, 3}), "a.npy");
  EXPECT_EQ(column.rows, 3);
  EXPECT_EQ(column.cols, 1);
  refused("()", {"expected an array of one or two dimensions, found 0"});
  refused("(2, 2, 2)", {"expected an array of one or two dimensions, found 3"});
  refused("(1, 2, 2, 2)", {"expected an array of one or two dimensions, found 4"});
  refused("(4294967296, 4294967296)", {"4294967296 x 4294967296 elements of 1 bytes, found 8 bytes"});
  refused("(99999999999999999999,)", {"a shape of 64 bits"});
  for (const char* shape : {"(0,)", "(0, 3)", "(3, 0)"})
    expect_refused(npy("'|u1'", "False", shape, {}), {"expected at least one number, found none"});
}

TEST(Npy, IsRefusedWithItsWholeType) {
  for (const auto& [type, shown] : {std::pair{"'<f16'", "\"<f16\""},
                                    {"'<c16'", "\"<c16\""},
                                    {"'<c8'", "\"<c8\""},
                                    {"'<M8[ns]'", "\"<M8[ns]\""},
                                    {"'<i16'", "\"<i16\""},
                                    {"'S3'", "\"S3\""},
                                    {"'<U12'", "\"<U12\""},
                                    {"'|O'", "\"|O\""},
                                    {"[('a', '<f4')]", "\"[('a', '<f4')]\""}})
    expect_error([&] { std::ignore = parse_table(npy(type, "False", "(1,)", Bytes(16)), "a.npy"); },
                 {"a.npy: expected elements of bool,", shown});
  expect_error([] { std::ignore = parse_table(npy("'<f8'", "False", "(3,)", Bytes(16)), "a.npy"); },
               {"expected 1 x 3 elements of 8 bytes, found 16 bytes"});
  expect_error([] { std::ignore = parse_table(npy("'<f8'", "False", "(1,)", Bytes(16)), "a.npy"); },
               {"expected 1 x 1 elements of 8 bytes, found 16 bytes"});
}

}  // namespace
}  // namespace softwarp
