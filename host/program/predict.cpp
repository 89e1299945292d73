// softwarp predict: what a trained network sees in images.

#include <fmt/format.h>
#include <softwarp/dataset.h>
#include <softwarp/error.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "host/data/framing.h"
#include "host/program/announce.h"
#include "host/program/class_names.h"
#include "host/program/commands.h"
#include "host/program/committee.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/terminal.h"
#include "host/program/terminal_image.h"
#include "host/training/evaluation.h"
#include "host/training/json_text.h"

namespace softwarp::program {
namespace {

// Of images of a data set, both ends included.
struct PredictOptions {
  std::vector<std::string> images;
  std::vector<std::string> models;
  std::vector<IndexRange> indices;
  std::string data;
  std::string part = "test";
  std::int64_t top = 3;
  std::int64_t max_pixel = 0;
  std::string class_names;
  ForeignOptions foreign;
  bool json = false;
  bool no_picture = false;
  DeviceOptions device;
};

// The inputs in words and for JSON; the images themselves are in a Dataset.
struct Inputs {
  Dataset data;
  std::vector<std::string> titles;
  std::vector<nlohmann::ordered_json> origins;
  std::vector<std::string> errors;  // of pictures that could not be read

  std::span<const std::uint8_t> image(std::size_t i) const {
    const auto size = static_cast<std::size_t>(data.pixels());
    return std::span(data.images).subspan(i * size, size);
  }
  void add(std::span<const std::uint8_t> image, std::string title, nlohmann::ordered_json origin) {
    data.images.insert(data.images.end(), image.begin(), image.end());
    data.labels.push_back(0);  // read by nothing but the loss, which is not asked for
    ++data.count;
    titles.push_back(std::move(title));
    origins.push_back(std::move(origin));
  }
};

void add_picture(const std::string& path, const PredictOptions& o, const Model& model, Inputs& inputs) {
  const Framing& framing = model.input.framing;
  Image image = read_image(path);
  if (o.max_pixel > 0)
    for (float& pixel : image.pixels) pixel = std::min(255.0f, pixel * 255 / static_cast<float>(o.max_pixel));
  const FramedImage framed =
      frame_image(image, framing, model.input.height, model.input.width, inputs.data.max_pixel, path);
  inputs.add(framed.pixels, fmt::format("{}: {}", path, describe(image, framing, framed)),
             {{"picture", path},
              {"height", image.height},
              {"width", image.width},
              {"inverted", framed.inverted},
              {"scaled", framed.scaled},
              {"figures", framed.figures}});
}

// One bad picture does not silence the others.
void add_pictures(const PredictOptions& o, const Model& model, Inputs& inputs) {
  Announce announce;
  for (const std::string& path : o.images) try {
      announce.now("reading " + path);
      add_picture(path, o, model, inputs);
    } catch (const Error& error) {
      inputs.errors.emplace_back(error.what());
    }
}

void add_indices(const PredictOptions& o, const Dataset& data, Inputs& inputs) {
  for (const auto& [first, last] : o.indices) {
    if (last >= data.count)
      throw Error(fmt::format("--index: expected at most {}, the last {} image of {}, found {}",
                              data.count - 1, o.part, data.name, last));
    for (std::int64_t index = first; index <= last; ++index) {
      const auto size = static_cast<std::size_t>(data.pixels()), i = static_cast<std::size_t>(index);
      inputs.add(std::span(data.images).subspan(i * size, size),
                 fmt::format("{} {} image {}, labelled {}", data.name, o.part, index,
                             class_text(inputs.data.class_names, data.labels[i])),
                 {{"data", data.name}, {"split", o.part}, {"index", index}, {"label", data.labels[i]}});
    }
  }
}

// Models may stand among the pictures: they are what is a directory, or has a model's ending.
void take_models_from_pictures(PredictOptions& o) {
  const auto is_model = [](const std::string& path) {
    return path.ends_with(".safetensors") || std::filesystem::is_directory(path);
  };
  const auto models = std::ranges::stable_partition(o.images, std::not_fn(is_model));
  o.models.insert(o.models.end(), models.begin(), models.end());
  o.images.erase(models.begin(), models.end());
}

struct Likely {
  std::int64_t label;
  double probability;
};

// The `top` likeliest classes, the first of equals first.
std::vector<Likely> likeliest(std::span<const float> probabilities, std::int64_t top) {
  std::vector<Likely> all;
  for (const float p : probabilities) all.push_back({std::ssize(all), double{p}});
  std::ranges::stable_sort(all, std::greater{}, &Likely::probability);
  all.resize(std::min(all.size(), static_cast<std::size_t>(top)));
  return all;
}

void print_text(const PredictOptions& o, const Inputs& inputs, std::size_t i,
                const std::vector<Likely>& classes) {
  const std::vector<std::string>& names = inputs.data.class_names;
  if (i > 0) say("\n");
  say("{}\n", inputs.titles[i]);
  const int columns = terminal_columns(STDOUT_FILENO);
  if (!o.no_picture)
    say("{}", terminal_image(inputs.image(i), inputs.data.width, inputs.data.max_pixel, columns));
  for (const Likely& c : classes) {
    constexpr int kBar = 40, kBesideIt = 18;
    const std::string share =
        bar(c.probability, columns == 0 ? kBar : std::clamp(columns - kBesideIt, 0, kBar));
    say("{}  {:6.2f} %{}{}\n", class_cell(names, c.label), 100 * c.probability, share.empty() ? "" : "  ",
        share);
  }
}

// The averages over the committee, [images, classes].
std::vector<float> probabilities_of(Backend& backend, const Committee& committee, const Dataset& data) {
  const ResidentDataset resident(backend, data);
  std::vector<std::vector<float>> probabilities;
  for (const Committee::Member& member : committee.members) {
    Mlp mlp(backend, member.model.shape);
    mlp.set_values(member.model.values);
    Evaluation(mlp, resident).run(probabilities.emplace_back());
  }
  return mean_probabilities(probabilities);
}

void print_predictions(const PredictOptions& o, const Committee& committee, const Inputs& inputs) {
  Announce announce("running the network");
  const std::unique_ptr<Backend> backend = o.device.make_backend();
  const std::vector<float> probabilities = probabilities_of(*backend, committee, inputs.data);
  announce.done();

  auto json = nlohmann::ordered_json::array();
  const auto classes = static_cast<std::size_t>(inputs.data.classes);
  for (std::size_t i = 0; i < inputs.titles.size(); ++i) {
    const auto top = likeliest(std::span(probabilities).subspan(i * classes, classes), o.top);
    if (!o.json) {
      print_text(o, inputs, i, top);
      continue;
    }
    json.push_back(inputs.origins[i]);
    json.back()["predicted"] = top.front().label;
    for (const Likely& c : top) {
      nlohmann::ordered_json likely = {{"class", c.label}, {"probability", c.probability}};
      if (const auto& names = inputs.data.class_names; !names.empty())
        likely["name"] = names[static_cast<std::size_t>(c.label)];
      json.back()["top"].push_back(std::move(likely));
    }
  }
  if (o.json) say("{}\n", json_text(json));
}

void run(PredictOptions& o) {
  take_models_from_pictures(o);
  if (o.images.empty() && o.indices.empty())
    throw CLI::ValidationError("pictures", "expected files, or --index N for images of a data set");
  Committee committee = open_committee(o.models, o.foreign);
  if (!o.images.empty()) expect_one_framing(committee);
  const Model& model = committee.known().model;
  Dataset data;
  if (!o.indices.empty() || (is_foreign(model) && !o.data.empty()))
    data = load_for(committee, o.data, o.part, static_cast<int>(o.max_pixel));
  assume_square(committee);
  Inputs inputs;
  inputs.data.height = model.input.height;
  inputs.data.width = model.input.width;
  inputs.data.classes = static_cast<int>(model.shape.classes);
  inputs.data.max_pixel = o.indices.empty() ? model.input.max_pixel : data.max_pixel;
  inputs.data.class_names = class_names_for(committee, o.class_names, data);
  add_pictures(o, model, inputs);
  add_indices(o, data, inputs);
  if (inputs.data.count > 0) print_predictions(o, committee, inputs);
  if (inputs.errors.empty()) return;
  std::fflush(stdout);
  for (std::size_t i = 0; i + 1 < inputs.errors.size(); ++i) say_error("softwarp: {}\n", inputs.errors[i]);
  throw Error(inputs.errors.back());
}

}  // namespace

void add_predict(CLI::App& app) {
  const auto o = std::make_shared<PredictOptions>();
  CLI::App* command = app.add_subcommand("predict", "Classify pictures, or images of a data set");
  command->fallthrough();
  command->footer(
      "A picture may have any size. What is drawn is made light on dark, scaled and centred as the images\n"
      "of the training data are: MNIST's fill 20 of 28 pixels and are centred by their mass.");
  command
      ->add_option("pictures", o->images, "PNG, JPEG, BMP, PGM, GIF, WebP or TIFF files; - is standard input")
      ->type_name(kFileType);
  add_models(*command, "--model", o->models)->allow_extra_args(false);
  add_index(*command, o->indices);
  command
      ->add_option("--data", o->data, "For --index, as for train; by default what the model was trained on")
      ->type_name(kDataType);
  command->add_option("--split", o->part, "For --index, which part of the data")
      ->check(one_of({"test", "train"}))
      ->capture_default_str();
  add_max_pixel(*command, o->max_pixel);
  command->add_option("--top", o->top, "How many classes to list")->check(count_in(1))->capture_default_str();
  o->foreign.add_to(*command);
  add_class_names(*command, o->class_names);
  command->add_flag("--json", o->json, "Print JSON");
  command->add_flag("--no-picture", o->no_picture, "Do not draw what the network sees");
  o->device.add_to(*command);
  tidy_help(*command);
  command->callback([o] { run(*o); });
}

}  // namespace softwarp::program
