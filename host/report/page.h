#pragma once

#include <string>
#include <string_view>

namespace softwarp {

// The place of the numbers in the page.
constexpr std::string_view kReportData = "\"the numbers\"";

// page.html with its style and scripts, as they were when the program was built.
[[nodiscard]] std::string report_page();

}  // namespace softwarp
