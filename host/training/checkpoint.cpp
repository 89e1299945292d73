#include <softwarp/error.h>
#include <softwarp/train.h>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/io/safetensors.h"
#include "host/model/model_file.h"
#include "host/training/history.h"

namespace softwarp {
namespace {

constexpr std::string_view kHead =
    "epoch,steps,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy";
constexpr std::string_view kTimes = ",seconds,samples_per_second";

// The parts of a checkpoint that are laid out as the model, by the word before their tensors' names.
struct Part {
  std::string_view prefix;
  std::vector<float> Checkpoint::* values;
};
constexpr std::array kParts{Part{"first_moment.", &Checkpoint::first_moment},
                            Part{"second_moment.", &Checkpoint::second_moment},
                            Part{"average.", &Checkpoint::average}, Part{"best.", &Checkpoint::best}};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& expected,
                       const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", path.string(), expected, found));
}

const std::string& entry(const std::filesystem::path& path, const SafetensorsFile& file, const char* key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    fail(path, fmt::format("\"{}\" in the metadata of a softwarp checkpoint", key), "none");
  return found->second;
}

// Takes what is before the separator, or all of it, off the front of `text`.
std::string_view take_field(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return field;
}

template <class T>
std::optional<T> parse(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The row of `epoch`.
std::optional<EpochRecord> parse_row(std::string_view row, std::int64_t epoch, bool times) {
  EpochRecord r;
  bool right = true;
  const auto read = [&](auto& field) {
    const auto value = parse<std::decay_t<decltype(field)>>(take_field(row, ','));
    right = right && value;
    if (value) field = *value;
  };
  read(r.epoch), read(r.steps), read(r.learning_rate), read(r.train.loss), read(r.train.accuracy);
  if (const std::string_view none = times ? ",," : ","; row.starts_with(none)) {
    row.remove_prefix(none.size());
  } else {
    read(r.validation.loss), read(r.validation.accuracy);
    r.validation.images = 1;  // how many is not in the row, only that there were some
  }
  if (times) read(r.seconds), read(r.samples_per_second);
  const bool counts = r.epoch == epoch && r.steps >= epoch && r.steps <= std::int64_t{1} << 48;
  return right && row.empty() && counts ? std::optional(r) : std::nullopt;
}

// JSON has no text but UTF-8, and names of files may be anything: what is no UTF-8 is a list of its bytes.
nlohmann::json json_of(const std::string& text) {
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  const bool utf8 = nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, kReplace)) == text;
  if (utf8) return text;
  return std::vector<std::uint8_t>(text.begin(), text.end());
}

std::string text_of(const std::filesystem::path& path, const nlohmann::json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_array()) fail(path, "text for each of the settings", "something else");
  std::string text;
  for (const nlohmann::json& byte : json) {
    if (!byte.is_number_unsigned() || byte.get<std::uint64_t>() > 255)
      fail(path, "text for each of the settings", "something else");
    text += static_cast<char>(byte.get<std::uint8_t>());
  }
  return text;
}

std::map<std::string, std::string> parse_settings(const std::filesystem::path& path,
                                                  const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::map<std::string, std::string> settings;
  if (!json.is_object()) fail(path, "a JSON object as settings", "something else");
  for (const auto& [key, value] : json.items()) {
    settings[key] = text_of(path, value);
  }
  return settings;
}

// Moves the tensors of one part, without its prefix, to a file of their own.
SafetensorsFile take_part(SafetensorsFile& file, std::string_view prefix) {
  SafetensorsFile part{.metadata = file.metadata, .tensors = {}};
  std::erase_if(file.tensors, [&](Tensor& tensor) {
    if (!tensor.name.starts_with(prefix)) return false;
    tensor.name.erase(0, prefix.size());
    part.tensors.push_back(std::move(tensor));
    return true;
  });
  return part;
}

}  // namespace

std::string history_csv(const std::vector<EpochRecord>& history, bool times) {
  std::string csv = fmt::format("{}{}\n", kHead, times ? kTimes : "");
  for (const EpochRecord& r : history) {
    csv += fmt::format("{},{},{},{},{},", r.epoch, r.steps, r.learning_rate, r.train.loss, r.train.accuracy);
    csv += r.validation.images > 0 ? fmt::format("{},{}", r.validation.loss, r.validation.accuracy) : ",";
    csv += times ? fmt::format(",{},{}\n", r.seconds, r.samples_per_second) : "\n";
  }
  return csv;
}

std::vector<EpochRecord> parse_history(const std::filesystem::path& path, std::string_view csv, bool times) {
  const std::string head = fmt::format("{}{}", kHead, times ? kTimes : "");
  if (take_field(csv, '\n') != head) fail(path, fmt::format("a history of {}", head), "another");
  std::vector<EpochRecord> history;
  while (!csv.empty()) {
    const auto record =
        parse_row(take_field(csv, '\n'), static_cast<std::int64_t>(history.size()) + 1, times);
    if (!record || (!history.empty() && record->steps < history.back().steps))
      fail(path, fmt::format("the numbers of epoch {} in the history", history.size() + 1), "something else");
    history.push_back(*record);
  }
  if (history.empty()) fail(path, "at least one epoch in the history", "none");
  return history;
}

std::int64_t epoch_of_model(const std::vector<EpochRecord>& history) {
  double lowest = std::numeric_limits<double>::infinity();
  std::int64_t epoch = history.empty() ? 0 : history.back().epoch;
  for (const EpochRecord& r : history)
    if (r.validation.images > 0 && r.validation.loss < lowest) {
      lowest = r.validation.loss;
      epoch = r.epoch;
    }
  return epoch;
}

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  SafetensorsFile file = to_safetensors(checkpoint.model);
  for (const Part& part : kParts) {
    if ((checkpoint.*part.values).empty()) continue;
    Model model{checkpoint.model.shape, checkpoint.model.input, checkpoint.*part.values};
    for (Tensor& tensor : to_safetensors(model).tensors) {
      tensor.name.insert(0, part.prefix);
      file.tensors.push_back(std::move(tensor));
    }
  }
  nlohmann::json settings = nlohmann::json::object();
  for (const auto& [flag, text] : checkpoint.settings) settings[flag] = json_of(text);
  file.metadata["history"] = history_csv(checkpoint.history, /*times=*/true);
  file.metadata["settings"] = settings.dump();
  file.metadata["data_checksum"] = fmt::format("{}", checkpoint.data_checksum);
  write_safetensors(path, file);
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  SafetensorsFile file = read_safetensors(path);
  Checkpoint checkpoint;
  checkpoint.history = parse_history(path, entry(path, file, "history"), /*times=*/true);
  checkpoint.settings = parse_settings(path, entry(path, file, "settings"));
  const auto checksum = parse<std::uint32_t>(entry(path, file, "data_checksum"));
  if (!checksum) fail(path, "a checksum of the training images", "something else");
  checkpoint.data_checksum = *checksum;
  for (const Part& part : kParts)
    if (const SafetensorsFile of_part = take_part(file, part.prefix); !of_part.tensors.empty())
      checkpoint.*part.values = from_safetensors(path, of_part).values;
  checkpoint.model = from_safetensors(path, file);
  return checkpoint;
}

}  // namespace softwarp
