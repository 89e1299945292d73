// Pictures as people give them to softwarp predict: through a pipe, several digits in one, damaged, too
// large.

#include <gtest/gtest.h>
#include <softwarp/mlp.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "tests/data/drawn_images.h"
#include "tests/data/picture_bytes.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

// With a network of no hidden layer whose biases alone decide: all is of class 1.
class Pictures : public testing::Test {
 protected:
  Pictures() {
    Model model;
    model.shape = {64, {}, 3, Activation::relu};
    model.input.data = "digits";
    model.input.height = model.input.width = 8;
    model.input.max_pixel = 16;
    model.input.framing = kFillFraming;
    const ParameterLayout layout(model.shape);
    model.values.resize(static_cast<std::size_t>(layout.size));
    model.values[static_cast<std::size_t>(layout.tensors.back().offset) + 1] = 1;
    write_model(directory_.path() / "model.safetensors", model);
    directory_.write("bar.png", drawn(40, {{10, 20}}));
  }

  // Dark bars on a light page, from one column to another.
  static Bytes drawn(int side, const std::vector<std::pair<int, int>>& bars) {
    Bytes pixels;
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        const bool inside =
            std::ranges::any_of(bars, [&](auto bar) { return x >= bar.first && x < bar.second; });
        pixels.push_back(inside && y >= 5 && y < side - 5 ? 0 : 255);
      }
    return picture_file(ImageKind::png, side, side, 1, pixels);
  }
  // A dark bar in the middle.
  static Bytes drawn_pixels(int width, int height) {
    Bytes pixels;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) pixels.push_back(y > 5 && y < 12 && x > 10 && x < 30 ? 0 : 255);
    return pixels;
  }
  ProgramRun predict(Arguments more) const {
    more.insert(more.begin(),
                {"predict", "--device", "cpu", "--model", "model.safetensors", "--no-picture", "--top", "1"});
    return run_program(more, directory_.path());
  }
  // A line for bash, in the directory; PREDICT is the command.
  ProgramRun shell(const std::string& line) const {
    const std::string script =
        "cd '" + directory_.path().string() +
        "'; PREDICT() { \"" SOFTWARP_PROGRAM
        "\" predict --device cpu --model model.safetensors --no-picture --top 1 \"$@\"; }; "
        "{ " +
        line + "; } >out 2>err";
    const int status = std::system(("bash -c '" + escaped(script) + "'").c_str());
    return {WEXITSTATUS(status), text_of("out"), text_of("err")};
  }
  static std::string escaped(const std::string& text) {
    std::string word;
    for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
    return word;
  }
  std::string text_of(const std::string& name) const {
    std::ifstream file(directory_.path() / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  TemporaryDirectory directory_;
};

std::ptrdiff_t lines_of(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

TEST_F(Pictures, MayComeFromStandardInput) {
  std::string expected = predict({"bar.png"}).out;
  ASSERT_EQ(expected.find("bar.png: 40x40"), 0u) << expected;
  expected.replace(0, 7, "-");
  for (const char* line : {"PREDICT - <bar.png", "cat bar.png | PREDICT -",
                           "(head -c 30 bar.png; sleep 0.2; tail -c +31 bar.png) | PREDICT -"}) {
    const ProgramRun run = shell(line);
    EXPECT_EQ(run.exit_code, 0) << line << run.err;
    EXPECT_EQ(run.out, expected) << line;
  }
}

TEST_F(Pictures, ComeFromStandardInputOnce) {
  const ProgramRun twice = shell("cat bar.png | PREDICT - bar.png -");
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_EQ(lines_of(twice.err), 1) << twice.err;
  EXPECT_NE(twice.err.find("standard input: expected - for one picture, found it again"), std::string::npos)
      << twice.err;
  EXPECT_NE(twice.out.find("bar.png: 40x40"), std::string::npos) << twice.out;
  const std::pair<const char*, const char*> refused[] = {
      {"PREDICT - </dev/null", "standard input: expected a PNG"},
      {"PREDICT - <&-", "standard input: expected a picture"},
      {"PREDICT - <.", "standard input: expected a picture"}};
  for (const auto& [line, found] : refused) {
    const ProgramRun run = shell(line);
    EXPECT_EQ(run.exit_code, 1) << line;
    EXPECT_EQ(lines_of(run.err), 1) << line << run.err;
    EXPECT_NE(run.err.find(found), std::string::npos) << line << run.err;
  }
}

TEST_F(Pictures, OfSeveralDigitsAreSaidToBe) {
  directory_.write("two.png", drawn(60, {{10, 20}, {35, 45}}));
  directory_.write("three.png", drawn(60, {{5, 12}, {25, 32}, {45, 52}}));
  EXPECT_NE(predict({"two.png"}).out.find("two.png: 60x60, dark on light: inverted, 2 figures side by side"),
            std::string::npos);
  EXPECT_NE(predict({"three.png"}).out.find(", 3 figures side by side (expected one)"), std::string::npos);
  EXPECT_EQ(predict({"bar.png"}).out.find("figures"), std::string::npos);
}

TEST_F(Pictures, ThatLayAreSaidToBeTurned) {
  Bytes file = picture_file(ImageKind::jpeg, 20, 40, 1, drawn_pixels(40, 20));
  const Bytes exif = bytes_of(jpeg_segment(0xE1, kExif + exif_tags(true, 6)));
  file.insert(file.begin() + 2, exif.begin(), exif.end());
  directory_.write("lying.jpg", file);
  EXPECT_NE(predict({"lying.jpg"}).out.find("lying.jpg: 20x40, turned upright, dark on light"),
            std::string::npos);
}

// The libraries behind the formats would say it in lines of their own.
TEST_F(Pictures, ThatAreDamagedAreSaidToBeInOneLine) {
  const Bytes noise(3000, 0x5A);
  const std::string tiff_file = tiff({.width = 64, .height = 64, .bits = 8}, std::string(64 * 64, 'a'));
  const Bytes jpeg = picture_file(ImageKind::jpeg, 40, 40, 1, Bytes(1600, 100));
  std::string lzw = tiff_file;  // bytes that are no LZW codes
  lzw[lzw.find(number(259, 2) + number(3, 2) + number(1, 4)) + 8] = 5;
  directory_.write("cut.tiff", bytes_of(tiff_file.substr(0, 2000)));
  directory_.write("lzw.tiff", bytes_of(lzw));
  directory_.write("noise.tiff", bytes_of(std::string("II*\0\x08\0\0\0", 8)) + noise);
  directory_.write("noise.gif", bytes_of(gif("").substr(0, 25) +
                                         std::string(",\0\0\0\0\2\0\1\0\0\2\4\x7F\x7F\x7F\x7F\0;", 18)));
  directory_.write("noise.webp", bytes_of(webp("VP8L" + number(3000, 4))) + noise);
  directory_.write("cut.png", Bytes(drawn(40, {{10, 20}})));
  std::filesystem::resize_file(directory_.path() / "cut.png", 60);
  directory_.write("noise.jpg",
                   Bytes(jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(jpeg.size() / 2)) + noise);
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    const std::string name = entry.path().filename().string();
    if (name == "bar.png" || name == "model.safetensors") continue;
    const ProgramRun run = predict({name});
    EXPECT_EQ(run.exit_code, 1) << name;
    EXPECT_EQ(run.out, "") << name;
    EXPECT_EQ(run.err.find("softwarp: " + name + ": expected a PNG"), 0u) << name << run.err;
    EXPECT_EQ(lines_of(run.err), 1) << run.err;
  }
}

TEST_F(Pictures, LeaveAClassThatIsNeverPredictedWithoutAShare) {
  directory_.write("t10k-images-idx3-ubyte", idx_file({3, 8, 8}, Bytes(3 * 64, 16)));
  directory_.write("t10k-labels-idx1-ubyte", idx_file({3}, {0, 1, 1}));
  const ProgramRun run =
      run_program({"evaluate", "--device", "cpu", "model.safetensors", "--data", "."}, directory_.path());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("class  precision  recall      f1  images\n"
                         "    0          -  0.0000"),
            std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("\n    1     0.6667  1.0000  0.8000       2\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("\n    2          -       -       -       0\n"), std::string::npos) << run.out;
  EXPECT_EQ(run.out.find("nan"), std::string::npos) << run.out;
}

}  // namespace
}  // namespace softwarp
