#pragma once

#include <softwarp/train.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace softwarp {

// A row an epoch, a column a field; numbers read back as the same bits. Without the times, the same training
// gives the same bytes.
[[nodiscard]] std::string history_csv(const std::vector<EpochRecord>& history, bool times);

// The same without the images, and without the times unless they are there. Throws Error, which names the
// path, if a row is not that of the next epoch.
[[nodiscard]] std::vector<EpochRecord> parse_history(const std::filesystem::path& path, std::string_view csv,
                                                     bool times);

// The epoch whose parameters the model has: that of the lowest validation loss, or the last; 0 without
// epochs.
[[nodiscard]] std::int64_t epoch_of_model(const std::vector<EpochRecord>& history);

}  // namespace softwarp
