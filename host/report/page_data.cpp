#include <nlohmann/json.hpp>
#include <string_view>

#include "host/report/page.h"

namespace softwarp {
namespace {

constexpr std::string_view kPlace = "\"the numbers\"";

}  // namespace

std::string with_data(std::string page, const nlohmann::ordered_json& data) {
  std::string text;
  for (const char c :
       data.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace))
    text += c == '<' ? "\\u003c" : std::string(1, c);
  return page.replace(page.find(kPlace), kPlace.size(), text);
}

}  // namespace softwarp
