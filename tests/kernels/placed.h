#pragma once

#include <softwarp/matrix_view.h>

#include <algorithm>
#include <vector>

#include "tests/kernels/device.h"
#include "tests/kernels/numbers.h"

namespace softwarp {

// Rows, gap between rows, and how many elements the first one lies off alignment.
struct Place {
  std::int64_t rows = 1;
  std::int64_t gap = 0;
  std::int64_t offset = 0;
};

// A matrix on the device, placed so; what lies around its elements must not change.
template <class T>
class Placed {
 public:
  Placed(const Place& place, std::int64_t cols, const std::vector<T>& packed)
      : place_(place), cols_(cols), memory_(spread(packed)) {}
  Placed(const Place& place, std::int64_t cols)
      : Placed(place, cols, std::vector<T>(static_cast<std::size_t>(place.rows * cols), to_type<T>(kFence))) {
  }

  MatrixView<T> view() const {
    return {memory_.data() + place_.offset, place_.rows, cols_, cols_ + place_.gap};
  }
  MatrixView<const T> const_view() const { return view(); }
  void upload(const std::vector<T>& packed) const { memory_.upload(spread(packed)); }

  std::vector<T> values() const {
    const std::vector<T> all = memory_.download();
    std::vector<T> packed;
    packed.reserve(static_cast<std::size_t>(place_.rows * cols_));
    for (std::int64_t i = 0; i < memory_.size(); ++i) {
      const std::int64_t at = i - place_.offset, stride = cols_ + place_.gap;
      if (at >= 0 && at < place_.rows * stride && at % stride < cols_)
        packed.push_back(all[static_cast<std::size_t>(i)]);
      else if (to_double(all[static_cast<std::size_t>(i)]) != kFence)
        ADD_FAILURE() << "element " << at << " lies outside the matrix and was written";
    }
    return packed;
  }

 private:
  static constexpr double kFence = 12352;  // which every type has

  // Only the first rows where there are more.
  std::vector<T> spread(const std::vector<T>& packed) const {
    const std::int64_t stride = cols_ + place_.gap;
    std::vector<T> all(static_cast<std::size_t>(place_.offset + place_.rows * stride + 8),
                       to_type<T>(kFence));
    for (std::int64_t r = 0; r < place_.rows; ++r)
      std::copy_n(packed.begin() + r * cols_, cols_, all.begin() + place_.offset + r * stride);
    return all;
  }

  Place place_;
  std::int64_t cols_;
  DeviceArray<T> memory_;
};

}  // namespace softwarp
