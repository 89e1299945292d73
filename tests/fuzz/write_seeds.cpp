// write_seeds DIRECTORY: a few well-formed files of each kind, for the fuzzers to begin with, in folders that
// bear the fuzzers' names.

#include <softwarp/train.h>

#include <cstdio>
#include <string>

#include "host/io/file.h"
#include "host/io/number_table.h"
#include "host/model/model_file.h"
#include "tests/data/drawn_images.h"
#include "tests/data/picture_bytes.h"

namespace softwarp {
namespace {

namespace fs = std::filesystem;

void write_bytes(const fs::path& path, const Bytes& bytes) {
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Checkpoint small_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.model.shape = {4, {3}, 2, Activation::tanh};
  checkpoint.model.input.data = "digits";
  checkpoint.model.input.height = checkpoint.model.input.width = 2;
  checkpoint.model.values.resize(static_cast<std::size_t>(ParameterLayout(checkpoint.model.shape).size),
                                 0.5f);
  checkpoint.first_moment = checkpoint.second_moment = checkpoint.model.values;
  checkpoint.average = checkpoint.best = checkpoint.model.values;
  checkpoint.settings = {{"--lr", "0.003"}, {"--hidden", "3"}};
  EpochRecord record;
  record.epoch = 1, record.steps = 10, record.validation.images = 1;
  checkpoint.history = {record};
  return checkpoint;
}

// The formats that no encoder here writes.
void write_pictures(const fs::path& folder) {
  const auto write = [&](const char* name, const std::string& bytes) { write_file(folder / name, bytes); };
  write("gif", gif("!\xF9\4\1" + std::string("\0\0\2\0", 4) + gif_frame(0, 2) + gif_frame(1, 0)));
  const std::string exif = exif_tags(false, 6), size = number(static_cast<std::uint32_t>(exif.size()), 4);
  write("webp", webp(kWebpPixels));
  write("webp_exif",
        webp(std::string("VP8X\x0A\0\0\0\x08\0\0\0\1\0\0\0\0\0", 18) + kWebpPixels + "EXIF" + size + exif));
  for (const std::uint32_t bits : {1u, 4u, 8u, 16u})
    write(("tiff" + std::to_string(bits)).c_str(),
          tiff({.width = 2, .height = 2, .bits = bits, .orientation = 6}, "abcdefgh"));
  write("tiff_colours",
        tiff({.width = 1, .height = 2, .bits = 8, .big_endian = true, .samples = 3}, "abcdef"));
  std::string jpeg = ink_jpeg({200, 100, 50, 128});
  write("jpeg_inks", jpeg);
  write("jpeg_exif", jpeg.insert(2, jpeg_segment(0xE1, kExif + exif)));
  const std::string colours = number(0, 4) + number(0xFFFFFF, 4);
  write("bmp_rle8", bmp(bmp_info(3, 2, 8, 1), colours + std::string("\2\1\1\0\0\0\0\3\0\1\0\0\0\1", 14), 8));
  write("bmp_rle4", bmp(bmp_info(5, 1, 4, 2), colours + std::string("\0\5\x10\x11\0\0\0\1", 8), 8));
  write("bmp_masks",
        bmp(bmp_info(2, 1, 16, 3), number(0xF800, 4) + number(0x7E0, 4) + number(0x1F, 4) + "abcd", 12));
  write("pgm_text", "P2 # wide\n2 1\n100\n50 100\n");
  write("pbm", "P4 9 1\nab");
  write("pbm_text", "P1 3 1 0 11");
  write("ppm", "P6 1 1 1023\nabcdef");
}

void write_seeds(const fs::path& root) {
  for (const char* folder :
       {"idx_fuzz", "model_fuzz", "checkpoint_fuzz", "config_fuzz", "table_fuzz", "image_fuzz", "run_fuzz"})
    fs::create_directories(root / folder);
  const Bytes labels = idx_file({3}, {1, 2, 0}), images = idx_file({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 255});
  write_bytes(root / "idx_fuzz/labels", labels);
  write_bytes(root / "idx_fuzz/images", images);
  write_bytes(root / "idx_fuzz/labels.gz", gzip(labels));
  write_bytes(root / "idx_fuzz/images.gz", gzip(images) + gzip(images));
  const Checkpoint checkpoint = small_checkpoint();
  write_model(root / "model_fuzz/model", checkpoint.model);
  Model named = checkpoint.model;
  named.input.class_names = {"no", "yes"}, named.input.train_checksum = 7;
  named.input.framing = {Framing::Kind::mass, 0.75, true};
  write_model(root / "model_fuzz/named", named);
  SafetensorsFile foreign = to_safetensors(checkpoint.model);
  foreign.metadata.clear();
  for (Tensor& tensor : foreign.tensors)
    tensor.name = "net." + std::to_string(2 * (tensor.name[2] - '1')) + tensor.name.substr(3);
  write_safetensors(root / "model_fuzz/state_dict", foreign);
  for (Tensor& tensor : foreign.tensors) tensor.dtype = "BF16", tensor.data.resize(tensor.data.size() / 2);
  write_safetensors(root / "model_fuzz/half", foreign);
  write_checkpoint(root / "checkpoint_fuzz/whole", checkpoint);
  Checkpoint plain = checkpoint;
  plain.best.clear(), plain.second_moment.clear(), plain.history[0].validation = {};
  write_checkpoint(root / "checkpoint_fuzz/plain", plain);
  write_file(root / "config_fuzz/train.toml",
             "[train]\nlr = 1e-3\nhidden = [512, 256] # two\noptimizer = \"sgd\"\nnesterov = true\n");
  using namespace std::string_literals;
  write_file(
      root / "run_fuzz/run",
      "{\"test_accuracy\":0.9,\"test_loss\":\"NaN\",\"test_images\":10,\"train_seconds\":1,\"epochs\":1,"
      "\"network\":\"4-2\",\"parameters\":10,\"data\":\"digits\",\"settings\":{\"hidden\":[3],\"lr\":0.1}}\0"
      "epoch,steps,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy\n"
      "1,10,0.1,2.5,0.25,,\n"s);
  write_file(root / "table_fuzz/text", "a,b,c\n1, -2.5e3, inf # one\n4,5,6\n");
  write_file(root / "table_fuzz/semicolons", "1,5;-2\r\n\"3,5\";4\r");
  write_file(root / "table_fuzz/npy", to_npy({2, 2, {1, 2, 3, 4}}));
  const Bytes pixels = {0, 50, 100, 150, 200, 250, 255, 128, 3, 7, 11, 13};
  for (const auto& [kind, name] : {std::pair{ImageKind::png, "png"},
                                   {ImageKind::bmp, "bmp"},
                                   {ImageKind::jpeg, "jpeg"},
                                   {ImageKind::pgm, "pgm"}})
    for (const int channels : {1, 2, 3})
      write_bytes(root / "image_fuzz" / (name + std::to_string(channels)),
                  picture_file(kind, 2, 6 / channels, channels, pixels));
  write_pictures(root / "image_fuzz");
  write_file(root / "config_fuzz/flat.toml", "train.epochs=3\ntrain.data='mnist'\n");
}

}  // namespace
}  // namespace softwarp

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_seeds DIRECTORY\n");
    return 2;
  }
  softwarp::write_seeds(argv[1]);
  return 0;
}
