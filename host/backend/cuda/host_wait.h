#pragma once

#include <cuda_runtime.h>

#include <exception>
#include <functional>

#include "host/backend/cuda/handles.h"

namespace softwarp::cuda {

// The host's waits for the device: CUDA's own, or by what Backend::wait_by was given, which polls.
class HostWait {
 public:
  void by(std::function<void(const std::function<bool()>& done)> wait) { wait_ = std::move(wait); }
  bool polls() const { return static_cast<bool>(wait_); }

  void wait_for(cudaStream_t stream) const { wait(cudaStreamSynchronize, cudaStreamQuery, stream); }
  // For destructors. Who polls may throw once because another rank is lost, after which the device goes on.
  void wait_quietly_for(cudaStream_t stream) const noexcept {
    twice([&] { wait_for(stream); });
  }
  void wait_quietly_for(cudaEvent_t event) const noexcept {
    twice([&] { wait(cudaEventSynchronize, cudaEventQuery, event); });
  }

 private:
  template <class Call, class Handle>
  void wait(Call synchronize, Call query, Handle handle) const {
    if (!wait_) return check(synchronize(handle));
    wait_([&] {
      const cudaError_t status = query(handle);
      if (status != cudaErrorNotReady) check(status);
      return status == cudaSuccess;
    });
  }
  template <class Wait>
  static void twice(Wait wait) noexcept {
    for (int i = 0; i < 2; ++i) try {
        return wait();
      } catch (const std::exception&) {
        cudaGetLastError();
      }
  }

  std::function<void(const std::function<bool()>& done)> wait_;
};

}  // namespace softwarp::cuda
