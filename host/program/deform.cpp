// `softwarp deform`: what --augment makes of images, to look at.

#include <fmt/format.h>
#include <softwarp/dataset.h>
#include <softwarp/error.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "host/data/deformed_images.h"
#include "host/io/image.h"
#include "host/program/announce.h"
#include "host/program/augment_flags.h"
#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/terminal.h"
#include "host/program/terminal_image.h"
#include "host/program/trained_model.h"

namespace softwarp::program {
namespace {

struct DeformOptions {
  std::string data = "mnist";
  std::string part = "train";
  std::vector<IndexRange> ranges{{0, 15}};
  std::uint64_t seed = 1;
  std::int64_t epoch = 1;
  std::int64_t max_pixel = 0;
  std::string output;
  bool overwrite = false;
  Augmentation augmentation;
  DeviceOptions device;
};

constexpr std::int64_t kColumns = 8;  // of the PNG
constexpr std::int64_t kZoom = 4;     // pixels of the PNG for one of an image
constexpr std::int64_t kGap = 2;      // pixels of an image between two

std::vector<std::int32_t> indices_in(const DeformOptions& o, const Dataset& data) {
  std::vector<std::int32_t> indices;
  for (const auto& [first, last] : o.ranges) {
    if (last >= data.count)
      throw Error(fmt::format("--index: expected at most {}, the last {} image of {}, found {}",
                              data.count - 1, o.part, data.name, last));
    for (std::int64_t index = first; index <= last; ++index)
      indices.push_back(static_cast<std::int32_t>(index));
  }
  if (std::ssize(indices) > data.count)
    throw Error(fmt::format("--index: expected each of the {} images of {} once, found {}", data.count,
                            data.name, indices.size()));
  return indices;
}

// Pixels of 0..255 in rows.
struct Sheet {
  Sheet(std::int64_t rows, std::int64_t cols)
      : height(rows), width(cols), pixels(static_cast<std::size_t>(rows * cols), 64) {}

  void draw(std::span<const std::uint8_t> image, const Dataset& data, std::int64_t top, std::int64_t left,
            std::int64_t zoom) {
    for (std::int64_t y = 0; y < data.height * zoom; ++y)
      for (std::int64_t x = 0; x < data.width * zoom; ++x)
        pixels[static_cast<std::size_t>((top + y) * width + left + x)] = static_cast<std::uint8_t>(
            image[static_cast<std::size_t>(y / zoom * data.width + x / zoom)] * 255 / data.max_pixel);
  }

  std::int64_t height, width;
  std::vector<std::uint8_t> pixels;
};

std::span<const std::uint8_t> image_of(const std::vector<std::uint8_t>& images, std::int64_t i,
                                       const Dataset& data) {
  const auto size = static_cast<std::size_t>(data.pixels());
  return std::span(images).subspan(static_cast<std::size_t>(i) * size, size);
}

// Each image above what has become of it.
void write_sheet(const DeformOptions& o, const Dataset& data, const std::vector<std::int32_t>& indices,
                 const std::vector<std::uint8_t>& images) {
  const std::int64_t count = std::ssize(indices), cols = std::min(count, kColumns);
  const std::int64_t high = (data.height + kGap) * kZoom, wide = (data.width + kGap) * kZoom;
  Sheet sheet(2 * ((count + kColumns - 1) / kColumns) * high, cols * wide);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t top = 2 * (i / kColumns) * high, left = i % kColumns * wide;
    const auto index = indices[static_cast<std::size_t>(i)];
    sheet.draw(image_of(data.images, index, data), data, top, left, kZoom);
    sheet.draw(image_of(images, i, data), data, top + data.height * kZoom + kZoom, left, kZoom);
  }
  write_png(o.output, sheet.pixels, sheet.height, sheet.width);
  say("wrote {}\n", o.output);
}

void print_text(const DeformOptions& o, const Dataset& data, const std::vector<std::int32_t>& indices,
                const std::vector<std::uint8_t>& images) {
  for (std::int64_t i = 0; i < std::ssize(indices); ++i) {
    const auto index = indices[static_cast<std::size_t>(i)];
    Sheet pair(data.height, 2 * data.width + kGap);
    std::ranges::fill(pair.pixels, std::uint8_t{0});
    pair.draw(image_of(data.images, index, data), data, 0, 0, 1);
    pair.draw(image_of(images, i, data), data, 0, data.width + kGap, 1);
    say("{}{} {} image {}, labelled {}, and deformed\n{}", i > 0 ? "\n" : "", data.name, o.part, index,
        data.labels[static_cast<std::size_t>(index)],
        terminal_image(pair.pixels, pair.width, 255, terminal_columns(STDOUT_FILENO)));
  }
}

void run(const CLI::App& command, DeformOptions& o) {
  settle_augment(command, o.augmentation);
  if (!o.output.empty()) expect_new_file(o.output, o.overwrite);
  Announce announce("reading " + o.data);
  const Dataset data = load_data_part(o.data, o.part == "test" ? DataPart::test : DataPart::train,
                                      static_cast<int>(o.max_pixel));
  announce.done();
  say_guess(data);
  const std::vector<std::int32_t> indices = indices_in(o, data);
  const std::vector<std::uint8_t> images =
      deformed_images(*o.device.make_backend(), data, indices, o.seed, o.epoch, o.augmentation);
  if (o.output.empty())
    print_text(o, data, indices, images);
  else
    write_sheet(o, data, indices, images);
}

}  // namespace

void add_deform(CLI::App& app) {
  const auto o = std::make_shared<DeformOptions>();
  CLI::App* command = app.add_subcommand("deform", "Show training images as --augment deforms them");
  command->fallthrough();
  command->add_option("--data", o->data, "As for train")->type_name(kDataType)->capture_default_str();
  command->add_option("--split", o->part, "Which part of the data")
      ->check(one_of({"test", "train"}))
      ->capture_default_str();
  add_index(*command, o->ranges)->default_str("0-15");
  command->add_option("--seed", o->seed, "Of the training")->capture_default_str();
  command->add_option("--epoch", o->epoch, "Of the training, from 1")
      ->check(count_in(1))
      ->capture_default_str();
  add_max_pixel(*command, o->max_pixel);
  command->add_option("--output", o->output, "A PNG file to draw to, each image above its deformation")
      ->type_name(kFileType);
  command->add_flag("--overwrite", o->overwrite, "Replace that file");
  add_augment_flags(*command, o->augmentation, "affine,elastic");
  o->device.add_to(*command);
  tidy_help(*command);
  command->callback([command, o] { run(*command, *o); });
}

}  // namespace softwarp::program
