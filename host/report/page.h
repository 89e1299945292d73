#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace softwarp {

// The pages of a training and of several, without their numbers; written by embed_page.cmake.
std::string report_page();
std::string comparison_page();

// The page with its numbers. Nothing in them can end the script element that they stand in, or is beyond
// ASCII.
std::string with_data(std::string page, const nlohmann::ordered_json& data);

}  // namespace softwarp
