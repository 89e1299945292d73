#pragma once

// Ranges for Nsight Systems and Nsight Compute, by NVTX in the domain "softwarp". Without a profiler a call
// does nothing.
namespace softwarp::cuda {

void push_range(const char* name);
// Ends the range that this thread began last.
void pop_range() noexcept;

}  // namespace softwarp::cuda
