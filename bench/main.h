#pragma once

namespace softwarp {

// Registers what a program measures: each has its own.
void add_benchmarks();

}  // namespace softwarp
