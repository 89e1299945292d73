#pragma once

#include <softwarp/train.h>

#include <string>
#include <vector>

namespace softwarp {

// A row an epoch, a column a field; numbers read back as the same bits. Without the times, the same training
// gives the same bytes.
[[nodiscard]] std::string history_csv(const std::vector<EpochRecord>& history, bool times);

}  // namespace softwarp
