#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace softwarp {

// The directories that may hold the datasets of softwarp, first choice first: $SOFTWARP_DATA_DIR alone
// where it is set; otherwise ../share/softwarp/data beside the running program, which is where an
// installation puts them, then the source tree this was built from, then the prefix it was configured for.
[[nodiscard]] std::vector<std::filesystem::path> data_directories();

// The directory of one of these datasets. Throws Error naming the places searched.
[[nodiscard]] std::filesystem::path find_dataset(const std::string& name);

// True for the names of sets that need no directory.
[[nodiscard]] bool is_data_name(const std::string& data);

// The same data's name in every working directory: a directory's is absolute.
[[nodiscard]] std::string lasting_name(const std::string& data);

}  // namespace softwarp
