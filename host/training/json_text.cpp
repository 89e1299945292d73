#include "host/training/json_text.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace softwarp {
namespace {

void name_what_is_no_number(nlohmann::ordered_json& json) {
  if (json.is_structured())
    for (auto& element : json) name_what_is_no_number(element);
  if (!json.is_number_float()) return;
  const auto value = json.get<double>();
  if (std::isnan(value)) json = "NaN";
  if (std::isinf(value)) json = value > 0 ? "Infinity" : "-Infinity";
}

}  // namespace

std::string json_text(const nlohmann::ordered_json& json) {
  nlohmann::ordered_json named = json;
  name_what_is_no_number(named);
  return named.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace softwarp
