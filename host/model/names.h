#pragma once

#include <softwarp/activation.h>
#include <softwarp/backend.h>
#include <softwarp/optimizer.h>

#include <span>
#include <string_view>
#include <utility>

#include "host/model/mlp.h"
#include "host/model/optimizer.h"

// The names of the choices in flags, files and output.
namespace softwarp {

template <class E>
using Names = std::span<const std::pair<std::string_view, E>>;

Names<Activation> names_of(Activation);
Names<Initialization> names_of(Initialization);
Names<OptimizerKind> names_of(OptimizerKind);
Names<ScheduleKind> names_of(ScheduleKind);
Names<CudaPrecision> names_of(CudaPrecision);

template <class E>
std::string_view name_of(E value) {
  for (const auto& [name, each] : names_of(value))
    if (each == value) return name;
  return "?";
}

}  // namespace softwarp
