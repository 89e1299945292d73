// NVTX's ranges: their names, and whether they end.

#include <nvtx3/nvToolsExt.h>

#include <string>

#include "simulator/engine/report.h"
#include "simulator/engine/state.h"

using namespace softwarp::simulator;

struct nvtxDomainRegistration_st {
  std::string name;
};

nvtxDomainHandle_t nvtxDomainCreateA(const char* name) {
  static std::map<std::string, nvtxDomainRegistration_st> domains;
  return &domains.try_emplace(name, nvtxDomainRegistration_st{name}).first->second;
}

int nvtxDomainRangePushEx(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes) {
  if (attributes->version != NVTX_VERSION || attributes->size != NVTX_EVENT_ATTRIB_STRUCT_SIZE ||
      attributes->messageType != NVTX_MESSAGE_TYPE_ASCII) {
    report("NVTX: a range whose attributes have no version, size or type of message");
    return -1;
  }
  std::vector<std::string>& open = state().open_ranges;
  const std::string outer = open.empty() ? domain->name + ": " : open.back() + "/";
  open.push_back(outer + attributes->message.ascii);
  state().ranges.begun.push_back(open.back());
  state().ranges.open = open.size();
  return static_cast<int>(open.size()) - 1;
}

int nvtxDomainRangePop(nvtxDomainHandle_t domain) {
  std::vector<std::string>& open = state().open_ranges;
  if (open.empty() || !open.back().starts_with(domain->name + ": ")) {
    report("NVTX: the end of a range that did not begin in domain " + domain->name);
    return -1;
  }
  open.pop_back();
  state().ranges.open = open.size();
  return static_cast<int>(open.size());
}

namespace softwarp::simulator {

Ranges ranges() { return state().ranges; }

}  // namespace softwarp::simulator
