
#include <softwarp/backend.h>
#include <softwarp/error.h>

namespace softwarp {

std::vector<CudaDevice> cuda_devices() { return {}; }
std::string cuda_unavailable_reason(int) {
  return "this build has no CUDA backend (cmake --preset cuda makes one that has)";
}
std::unique_ptr<Backend> make_cuda_backend(const CudaOptions&) {
  throw Error("no CUDA device: " + cuda_unavailable_reason());
}

}  // namespace softwarp
