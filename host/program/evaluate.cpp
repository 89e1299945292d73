#include <fmt/format.h>
#include <softwarp/dataset.h>
#include <softwarp/train.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "host/program/announce.h"
#include "host/program/class_names.h"
#include "host/program/commands.h"
#include "host/program/committee.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/training/json_text.h"

namespace softwarp::program {
namespace {

struct EvaluateOptions {
  std::vector<std::string> models;
  std::string data;
  std::string part = "test";
  std::int64_t max_pixel = 0;
  std::string class_names;
  ForeignOptions foreign;
  bool json = false;
  DeviceOptions device;
};

// The scores of a committee: each model's own, and those of its averaged probabilities. Of one model, both
// are the same.
struct Scores {
  std::vector<Score> models;
  Score score;
  Classification classification;
};

Scores measure(Backend& backend, const Committee& committee, const Dataset& data) {
  Scores scores;
  std::vector<std::vector<float>> probabilities;
  for (const Committee::Member& member : committee.members)
    scores.models.push_back(evaluate(backend, member.model, data, &probabilities.emplace_back()));
  const int classes = static_cast<int>(committee.known().model.shape.classes);
  const std::vector<float> means = mean_probabilities(probabilities);
  scores.score =
      scores.models.size() == 1 ? scores.models[0] : score_probabilities(means, data.labels, classes);
  scores.classification = classify(means, data.labels, classes);
  return scores;
}

nlohmann::ordered_json to_json(const Committee& committee, const Scores& scores,
                               const std::vector<std::string>& names) {
  const auto& [models, score, result] = scores;
  nlohmann::ordered_json json = {{"accuracy", score.accuracy},
                                 {"loss", score.loss},
                                 {"images", score.images},
                                 {"calibration_error", result.calibration_error}};
  for (std::size_t i = 0; models.size() > 1 && i < models.size(); ++i)
    json["models"].push_back(
        {{"model", committee.members[i].name}, {"accuracy", models[i].accuracy}, {"loss", models[i].loss}});
  json["classes"] = nlohmann::ordered_json::array();
  json["confusion"] = result.confusion;
  json["mistakes"] = nlohmann::ordered_json::array();
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

void print_text(const Committee& committee, const Scores& scores, const std::vector<std::string>& names) {
  const auto& [models, score, result] = scores;
  const std::size_t classes = result.classes.size();
  const std::size_t width = class_column(names);
  const auto cell = [&](std::size_t c) { return class_cell(names, static_cast<std::int64_t>(c)); };
  for (std::size_t i = 0; models.size() > 1 && i < models.size(); ++i)
    say("{}: accuracy {:.2f} %, loss {:.4f}\n", committee.members[i].name, 100 * models[i].accuracy,
        models[i].loss);
  if (models.size() > 1) say("committee of {}: ", models.size());
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
  Committee committee = open_committee(o.models, o.foreign);
  const Dataset data = load_for(committee, o.data, o.part, static_cast<int>(o.max_pixel));
  const std::vector<std::string> names = class_names_for(committee, o.class_names, data);

  Announce announce("measuring on the images");
  const std::unique_ptr<Backend> backend = o.device.make_backend();
  const Scores scores = measure(*backend, committee, data);
  announce.done();
  if (o.json)
    say("{}\n", json_text(to_json(committee, scores, names)));
  else
    print_text(committee, scores, names);
}

}  // namespace

void add_evaluate(CLI::App& app) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command = app.add_subcommand("evaluate", "Measure trained networks on a data set");
  command->fallthrough();
  add_models(*command, "model,--model", options->models);
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
