#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace softwarp {

// Replaces `path` by a file that holds `parts` one after the other, or leaves it as it was: the bytes go to
// a temporary file beside it, reach the disk, and only then take its name. Throws Error naming the file and
// the reason; nothing half-written stays behind. A link is followed; what is not a regular file is refused.
void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::byte>> parts);

void write_file(const std::filesystem::path& path, std::string_view text);

// True for the name of such a temporary file, which only a killed process leaves behind.
[[nodiscard]] bool is_temporary_file(const std::filesystem::path& path);

}  // namespace softwarp
