#include "host/backend/cuda/range.h"

#include <nvtx3/nvToolsExt.h>

namespace softwarp::cuda {
namespace {

nvtxDomainHandle_t domain() noexcept {
  static auto* const domain = nvtxDomainCreateA("softwarp");
  return domain;
}

}  // namespace

void push_range(const char* name) {
  nvtxEventAttributes_t attributes{};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name;
  nvtxDomainRangePushEx(domain(), &attributes);
}

void pop_range() noexcept { nvtxDomainRangePop(domain()); }

}  // namespace softwarp::cuda
