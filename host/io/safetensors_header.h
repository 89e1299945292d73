#pragma once

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/io/safetensors.h"

// The JSON header of a safetensors file; for safetensors.cpp only.
namespace softwarp::safetensors {

inline constexpr std::string_view kMetadata = "__metadata__";

inline std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// A name from the file for a message: it may be anything, of any length.
inline std::string shown(std::string_view text) {
  constexpr std::size_t kShown = 60;
  return text.size() <= kShown ? json_string(text) : json_string(text.substr(0, kShown)) + "...";
}

[[noreturn]] inline void fail(const std::filesystem::path& path, const std::string& expected,
                              const std::string& found) {
  throw Error(fmt::format("{}: expected {}, found {}", path.string(), expected, found));
}

// A tensor in the header, and which of its keys have been seen.
struct Entry {
  Tensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::array<bool, 3> has{};  // dtype, shape, data_offsets
};

inline constexpr std::array<std::string_view, 3> kKeys{"dtype", "shape", "data_offsets"};

// Reads the header as its parser goes along: a document tree would silently drop duplicate keys, and could
// take far more memory than the text.
class SafetensorsHeader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit SafetensorsHeader(const std::filesystem::path& path) : path_(path) {}

  std::map<std::string, std::string> metadata;
  std::vector<Entry> entries;

  bool null() override { return (place_ == Place::file && key_ == kMetadata) || ignore("null"); }
  bool boolean(bool) override { return ignore("a boolean"); }
  bool number_integer(std::int64_t) override { return ignore("a negative number"); }
  bool number_float(double, const std::string&) override { return ignore("a number that is no integer"); }
  bool binary(nlohmann::json::binary_t&) override { return ignore("binary data"); }

  bool number_unsigned(std::uint64_t number) override {
    if (place_ == Place::shape) {
      if (number > INT64_MAX) refuse(fmt::format("{}", number));
      entries.back().tensor.shape.push_back(static_cast<std::int64_t>(number));
      return true;
    }
    if (place_ == Place::offsets) {
      if (offsets_ == 2) refuse("more");
      (offsets_++ == 0 ? entries.back().begin : entries.back().end) = number;
      return true;
    }
    return ignore("a number");
  }

  bool string(std::string& text) override {
    if (place_ == Place::metadata) {
      if (!metadata.emplace(key_, text).second) fail(path_, "each key once", "two of " + shown(key_));
      return true;
    }
    if (place_ == Place::tensor && key_ == kKeys[0]) {
      entries.back().tensor.dtype = std::move(text);
      return true;
    }
    return ignore("a string");
  }

  bool key(std::string& text) override {
    key_ = std::move(text);
    if (place_ == Place::file && key_ == kMetadata && std::exchange(has_metadata_, true))
      fail(path_, "each key once", "two of " + shown(key_));
    if (place_ == Place::tensor)
      if (const auto known = std::find(kKeys.begin(), kKeys.end(), key_); known != kKeys.end())
        if (std::exchange(entries.back().has[static_cast<std::size_t>(known - kKeys.begin())], true))
          fail(path_, "each key once",
               fmt::format("two of {} of {}", key_, shown(entries.back().tensor.name)));
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::file;
    } else if (place_ == Place::file && key_ == kMetadata) {
      place_ = Place::metadata;
    } else if (place_ == Place::file) {
      place_ = Place::tensor;
      entries.emplace_back().tensor.name = key_;
    } else {
      descend("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::ignored) return ascend();
    if (place_ == Place::tensor)
      for (std::size_t i = 0; i < kKeys.size(); ++i)
        if (!entries.back().has[i])
          fail(path_, fmt::format("a {} of {}", kKeys[i], shown(entries.back().tensor.name)), "none");
    place_ = place_ == Place::file ? Place::outside : Place::file;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::tensor && key_ == kKeys[1]) {
      place_ = Place::shape;
    } else if (place_ == Place::tensor && key_ == kKeys[2]) {
      place_ = Place::offsets;
      offsets_ = 0;
    } else {
      descend("an array");
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::ignored) return ascend();
    if (place_ == Place::offsets && offsets_ < 2) refuse("fewer");
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    fail(path_, "JSON in UTF-8", fmt::format("something else at byte {} of the header", position));
  }

 private:
  enum class Place { outside, file, metadata, tensor, shape, offsets, ignored };

  // The format lets a tensor have keys that a reader does not know.
  bool ignorable() const {
    return place_ == Place::ignored ||
           (place_ == Place::tensor && std::find(kKeys.begin(), kKeys.end(), key_) == kKeys.end());
  }
  bool ignore(const std::string& found) {
    if (!ignorable()) refuse(found);
    return true;
  }
  void descend(const std::string& found) {
    constexpr int kMaxDepth = 127;  // as the reference has it, the file's and the tensor's object included
    ignore(found);
    if (++depth_ + 2 > kMaxDepth) fail(path_, fmt::format("at most {} levels of JSON", kMaxDepth), "more");
    place_ = Place::ignored;
  }
  bool ascend() {
    if (--depth_ == 0) place_ = Place::tensor;
    return true;
  }

  [[noreturn]] void refuse(const std::string& found) const {
    if (place_ == Place::outside) fail(path_, "a JSON object", found);
    if (place_ == Place::metadata) fail(path_, "a string as metadata " + shown(key_), found);
    if (place_ == Place::file) fail(path_, "an object as " + shown(key_), found);
    const std::string name = shown(entries.back().tensor.name);
    const std::string_view what = key_ == kKeys[0]   ? "a string as dtype"
                                  : key_ == kKeys[1] ? "an array of sizes as shape"
                                                     : "two numbers as data_offsets";
    fail(path_, fmt::format("{} of {}", what, name), found);
  }

  const std::filesystem::path& path_;
  Place place_ = Place::outside;
  std::string key_;
  bool has_metadata_ = false;
  int offsets_ = 0;
  int depth_ = 0;
};

}  // namespace softwarp::safetensors
