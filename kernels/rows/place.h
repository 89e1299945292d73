#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/matrix_view.h"
#include "kernels/rows/plan.h"

namespace softwarp {

// Where a matrix lies, its element type forgotten.
struct RowPlace {
  std::uintptr_t address;
  std::int64_t stride;
  int element_bytes;
  bool packed;
};

// The stride counts even where there is one row, so that this row's result is the same in any batch.
template <class T>
[[nodiscard]] RowPlace place_of(MatrixView<T> m) {
  return {reinterpret_cast<std::uintptr_t>(m.data), m.stride, sizeof(T), m.packed()};
}

// See RowAccess; a vector has as many elements as one access can carry of the widest type.
template <std::size_t n>
[[nodiscard]] RowAccess access_of(const std::array<RowPlace, n>& places) {
  int widest = 0;
  for (const RowPlace& p : places) widest = p.element_bytes > widest ? p.element_bytes : widest;
  const int width = elements_per_access(widest);
  const auto in_elements = [](const RowPlace& p) {
    return static_cast<std::int64_t>(p.address / static_cast<unsigned>(p.element_bytes));
  };
  bool aligned = true, alike = true;
  for (const RowPlace& p : places) {
    aligned = aligned && in_elements(p) % width == 0 && p.stride % width == 0;
    alike = alike && (in_elements(p) - in_elements(places[0])) % width == 0 &&
            (p.stride - places[0].stride) % width == 0;
  }
  return aligned ? RowAccess::aligned : alike ? RowAccess::shifted : RowAccess::narrow;
}

}  // namespace softwarp
