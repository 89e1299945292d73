#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace softwarp {

// Indented, with "NaN", "Infinity" and "-Infinity" for the numbers that JSON does not have, and replacement
// characters for bytes that are no UTF-8.
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& json);

}  // namespace softwarp
