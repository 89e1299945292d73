#include <fmt/format.h>
#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "host/program/announce.h"
#include "host/program/class_names.h"
#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/trained_model.h"
#include "host/training/json_text.h"

namespace softwarp::program {
namespace {

struct EvaluateOptions {
  std::string model;
  std::string data;
  std::string part = "test";
  std::int64_t max_pixel = 0;
  std::string class_names;
  ForeignOptions foreign;
  bool json = false;
  DeviceOptions device;
};

nlohmann::ordered_json to_json(const Score& score, const Classification& result,
                               const std::vector<std::string>& names) {
  nlohmann::ordered_json json = {{"accuracy", score.accuracy},
                                 {"loss", score.loss},
                                 {"images", score.images},
                                 {"calibration_error", result.calibration_error},
                                 {"classes", nlohmann::ordered_json::array()},
                                 {"confusion", result.confusion},
                                 {"mistakes", nlohmann::ordered_json::array()}};
  for (const ClassScore& c : result.classes) {
    nlohmann::ordered_json of_class = nlohmann::ordered_json::object();
    if (!names.empty()) of_class["name"] = names[json["classes"].size()];
    of_class["precision"] = c.precision;
    of_class["recall"] = c.recall;
    of_class["f1"] = c.f1;
    of_class["images"] = c.images;
    json["classes"].push_back(std::move(of_class));
  }
  for (const Mistake& m : result.mistakes)
    json["mistakes"].push_back(
        {{"image", m.image}, {"label", m.label}, {"predicted", m.predicted}, {"probability", m.probability}});
  return json;
}

void print_text(const Score& score, const Classification& result, const std::vector<std::string>& names) {
  const std::size_t classes = result.classes.size();
  const std::size_t width = class_column(names);
  const auto cell = [&](std::size_t c) { return class_cell(names, static_cast<std::int64_t>(c)); };
  say("accuracy {:.2f} %, loss {:.4f}, calibration error {:.4f} ({} images)\n\n", 100 * score.accuracy,
      score.loss, result.calibration_error, score.images);
  say("{:{}}  precision  recall      f1  images\n", "class", width);
  for (std::size_t c = 0; c < classes; ++c) {
    const ClassScore& s = result.classes[c];
    // 0 of 0 has no share: a class that is never predicted, or has no image.
    const auto share = [](double value) {
      return std::isnan(value) ? std::string("-") : fmt::format("{:.4f}", value);
    };
    say("{}  {:>9}  {:>6}  {:>6}  {:6}\n", cell(c), share(s.precision), share(s.recall), share(s.f1),
        s.images);
  }
  say("\nrows: label, columns: prediction\n{:{}}", "", width);
  for (std::size_t c = 0; c < classes; ++c) say("{:6}", c);
  for (std::size_t r = 0; r < classes; ++r) {
    say("\n{}", cell(r));
    for (std::size_t c = 0; c < classes; ++c) say("{:6}", result.confusion[r * classes + c]);
  }
  say("\n");
  if (!result.mistakes.empty()) say("\nmost confident mistakes (softwarp predict --index N draws one)\n");
  for (std::size_t i = 0; i < std::min<std::size_t>(5, result.mistakes.size()); ++i) {
    const Mistake& m = result.mistakes[i];
    say("image {:5}: {} taken for {} with probability {:.4f}\n", m.image, class_text(names, m.label),
        class_text(names, m.predicted), m.probability);
  }
}

void run(const EvaluateOptions& o) {
  const std::filesystem::path path = model_path(o.model);
  Model model = open_model(path, o.foreign);
  const Dataset data = load_for(path, model, o.data, o.part, static_cast<int>(o.max_pixel));

  const std::vector<std::string> names = class_names_for(model, o.class_names, data);

  Announce announce("measuring on the images");
  const std::unique_ptr<Backend> backend = o.device.make_backend();
  std::vector<float> probabilities;
  const Score score = evaluate(*backend, model, data, &probabilities);
  const Classification result = classify(probabilities, data.labels, static_cast<int>(model.shape.classes));
  announce.done();
  if (o.json)
    say("{}\n", json_text(to_json(score, result, names)));
  else
    print_text(score, result, names);
}

}  // namespace

void add_evaluate(CLI::App& app) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command = app.add_subcommand("evaluate", "Measure a trained network on a data set");
  command->fallthrough();
  add_model(*command, "model,--model", options->model);
  command->add_option("--data", options->data, "As for train; by default what the model was trained on")
      ->type_name(kDataType);
  command->add_option("--split", options->part, "Which part of the data")
      ->check(one_of({"test", "train"}))
      ->capture_default_str();
  add_max_pixel(*command, options->max_pixel);
  options->foreign.add_to(*command);
  add_class_names(*command, options->class_names);
  command->add_flag("--json", options->json, "Print JSON, with every mistake");
  options->device.add_to(*command);
  tidy_help(*command);
  command->callback([options] { run(*options); });
}

}  // namespace softwarp::program
