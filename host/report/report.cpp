#include "host/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "host/report/images.h"
#include "host/report/page.h"
#include "host/training/history.h"

namespace softwarp {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kEpochs = 1000;  // more are not told apart on a screen
constexpr std::size_t kMistakes = 24;
constexpr std::size_t kUnits = 36;

Json summary(const TrainingResult& result, const Dataset& test) {
  return {{"accuracy", result.test.accuracy},
          {"loss", result.test.loss},
          {"images", result.test.images},
          {"seconds", result.seconds},
          {"samples_per_second", result.samples_per_second},
          {"epochs", result.history.size()},
          {"stopped", result.stopped},
          {"network", result.model.shape.text()},
          {"parameters", result.parameters},
          {"data", test.name}};
}

// As short as it reads back; of a number that was a float, the float's digits.
std::string flag_text(const Json& value, const std::string& text) {
  if (!value.is_number_float()) return text;
  const auto number = value.get<double>();
  const auto single = static_cast<float>(number);
  return single == number ? fmt::format("{}", single) : fmt::format("{}", number);
}

// The flags of a training in their order, and which of them are not as they are without being given.
Json settings_list(const TrainingSettings& settings) {
  const Json values = to_json(settings), defaults = to_json(TrainingSettings{});
  const auto flags = to_flags(settings);
  Json list = Json::array();
  for (const auto& [name, value] : values.items()) {
    std::string flag = name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    list.push_back({{"name", "--" + flag},
                    {"value", flag_text(value, flags.at("--" + flag))},
                    {"chosen", value != defaults.at(name)}});
  }
  return list;
}

// A list for each column of metrics.csv and times.csv. Of many epochs every second, third, ... and the last.
Json history_columns(const std::vector<EpochRecord>& history) {
  const std::size_t every = (history.size() + kEpochs - 1) / kEpochs;
  Json columns = {{"every", every}, {"model", epoch_of_model(history)}};
  for (std::size_t i = (history.size() - 1) % every; i < history.size(); i += every) {
    const EpochRecord& r = history[i];
    columns["epoch"].push_back(r.epoch);
    columns["steps"].push_back(r.steps);
    columns["learning_rate"].push_back(r.learning_rate);
    columns["train_loss"].push_back(r.train.loss);
    columns["train_accuracy"].push_back(r.train.accuracy);
    columns["seconds"].push_back(r.seconds);
    columns["samples_per_second"].push_back(std::round(r.samples_per_second));
    if (r.validation.images == 0) continue;
    columns["validation_loss"].push_back(r.validation.loss);
    columns["validation_accuracy"].push_back(r.validation.accuracy);
  }
  return columns;
}

Json classes(const Classification& classification) {
  Json scores = Json::array();
  for (const ClassScore& c : classification.classes)
    scores.push_back({{"precision", c.precision}, {"recall", c.recall}, {"f1", c.f1}, {"images", c.images}});
  return scores;
}

Json calibration(const Classification& classification) {
  Json bins = Json::array();
  for (const CalibrationBin& bin : classification.calibration)
    bins.push_back({{"confidence", bin.confidence}, {"accuracy", bin.accuracy}, {"images", bin.images}});
  return bins;
}

// Images of one size, with what is said of each.
Json pictures(std::int64_t height, std::int64_t width, std::size_t of) {
  const Image size = shrunk({height, width, std::vector<float>(static_cast<std::size_t>(height * width))});
  return {{"height", size.height}, {"width", size.width}, {"of", of}, {"shown", Json::array()}};
}

// Each image above its deformation, a row of nothing between them.
Json deformed(const DeformedSample& sample) {
  const Dataset& data = sample.images;
  const auto shown_image = [&](const std::vector<std::uint8_t>& images, std::int64_t i) {
    const auto first = images.begin() + i * data.pixels();
    return shrunk({data.height, data.width, std::vector<float>(first, first + data.pixels())});
  };
  Json json = {{"shown", Json::array()}};
  for (std::int64_t i = 0; i < data.count; ++i) {
    Image pair = shown_image(data.images, i);
    const Image below = shown_image(sample.deformed, i);
    pair.values.resize(pair.values.size() + static_cast<std::size_t>(pair.width));
    pair.values.insert(pair.values.end(), below.values.begin(), below.values.end());
    json["height"] = pair.height + 1 + below.height;
    json["width"] = pair.width;
    json["shown"].push_back({{"label", data.labels[static_cast<std::size_t>(i)]},
                             {"pixels", packed(pair, static_cast<float>(data.max_pixel))}});
  }
  return json;
}

Json mistakes(const std::vector<Mistake>& all, const Dataset& test) {
  Json json = pictures(test.height, test.width, all.size());
  for (std::size_t i = 0; i < std::min(kMistakes, all.size()); ++i) {
    const auto first = test.images.begin() + all[i].image * test.pixels();
    const Image image{test.height, test.width, std::vector<float>(first, first + test.pixels())};
    json["shown"].push_back({{"image", all[i].image},
                             {"label", all[i].label},
                             {"predicted", all[i].predicted},
                             {"probability", all[i].probability},
                             {"pixels", packed(shrunk(image), static_cast<float>(test.max_pixel))}});
  }
  return json;
}

// The bound below which all but the largest hundredth of the weights stay, so that a single one does not pale
// the rest.
float usual_limit(const std::vector<Image>& images) {
  std::vector<float> sizes;
  for (const Image& image : images)
    for (const float value : image.values)
      if (std::isfinite(value)) sizes.push_back(std::abs(value));
  if (sizes.empty()) return 0;
  const auto at = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() * 99 / 100);
  std::nth_element(sizes.begin(), at, sizes.end());
  return *at;
}

// The first layer's units with the largest weights, each as an image of what it is multiplied by.
Json first_layer(const Model& model) {
  const ParameterTensor tensor = ParameterLayout(model.shape).weight(0);
  const auto row = [&](std::int64_t unit) {
    const auto first = model.values.begin() + tensor.offset + unit * tensor.cols;
    return std::vector<float>(first, first + tensor.cols);
  };
  std::vector<std::pair<double, std::int64_t>> norms;
  for (std::int64_t unit = 0; unit < tensor.rows; ++unit) {
    const auto weights = row(unit);
    const double square = std::inner_product(weights.begin(), weights.end(), weights.begin(), 0.0);
    norms.emplace_back(std::isfinite(square) ? std::sqrt(square) : 0, unit);
  }
  std::stable_sort(norms.begin(), norms.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  norms.resize(std::min(kUnits, norms.size()));

  std::vector<Image> images;
  images.reserve(norms.size());
  for (const auto& norm : norms)
    images.push_back(shrunk({model.input.height, model.input.width, row(norm.second)}));
  const float limit = usual_limit(images);
  Json json = pictures(model.input.height, model.input.width, static_cast<std::size_t>(tensor.rows));
  json["limit"] = limit;
  json["classes"] = model.shape.hidden.empty();
  for (std::size_t i = 0; i < images.size(); ++i)
    json["shown"].push_back(
        {{"unit", norms[i].second}, {"norm", norms[i].first}, {"pixels", packed(images[i], limit)}});
  return json;
}

Json environment_list(const TrainingResult& result, const ReportEnvironment& environment,
                      const DataPair& data) {
  const auto entry = [](const char* name, const std::string& value) {
    return Json{{"name", name}, {"value", value}};
  };
  return {
      entry("device", environment.device),
      entry("data", data.train.name),
      entry("training images", fmt::format("{}", result.train_images)),
      entry("validation images", fmt::format("{}", result.validation_images)),
      entry("test images", fmt::format("{}", data.test.count)),
      entry("image", fmt::format("{}x{}, {} classes", data.test.height, data.test.width, data.test.classes)),
      entry("softwarp", SOFTWARP_VERSION),
      entry("compiler", SOFTWARP_COMPILER),
      entry("date", environment.date)};
}

}  // namespace

std::string report_html(const TrainingResult& result, const TrainingSettings& settings, const DataPair& data,
                        const ReportEnvironment& environment, const DeformedSample& sample) {
  Json json = {{"summary", summary(result, data.test)},
               {"history", history_columns(result.history)},
               {"class_names", result.model.input.class_names},
               {"classes", classes(result.classification)},
               {"confusion", result.classification.confusion},
               {"calibration_error", result.classification.calibration_error},
               {"calibration", calibration(result.classification)},
               {"mistakes", mistakes(result.classification.mistakes, data.test)},
               {"weights", first_layer(result.model)},
               {"settings", settings_list(settings)},
               {"environment", environment_list(result, environment, data)}};
  if (!sample.deformed.empty()) json["deformed"] = deformed(sample);
  return with_data(report_page(), json);
}

}  // namespace softwarp
