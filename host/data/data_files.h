#pragma once

#include <softwarp/dataset.h>

#include <filesystem>

namespace softwarp {

// The files of one part of a data set.
struct PartFiles {
  std::filesystem::path images;
  std::filesystem::path labels;
};

// Finds them under any of the names in <softwarp/dataset.h>; plain before gzipped, MNIST's own name before
// others. Throws Error, which says what the directory holds.
[[nodiscard]] PartFiles find_part(const std::filesystem::path& directory, DataPart part);

}  // namespace softwarp
