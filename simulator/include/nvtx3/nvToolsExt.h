#pragma once

// Named ranges of the host's timeline, as far as softwarp uses them. The simulator keeps their names:
// simulator::ranges().

#include <cstdint>

inline constexpr std::uint16_t NVTX_VERSION = 3;
inline constexpr std::int32_t NVTX_MESSAGE_TYPE_ASCII = 1;

using nvtxDomainHandle_t = struct nvtxDomainRegistration_st*;

struct nvtxEventAttributes_t {
  std::uint16_t version;
  std::uint16_t size;
  std::int32_t messageType;
  union {
    const char* ascii;
  } message;
};
inline constexpr std::uint16_t NVTX_EVENT_ATTRIB_STRUCT_SIZE = sizeof(nvtxEventAttributes_t);

nvtxDomainHandle_t nvtxDomainCreateA(const char* name);
// The depth of the range that begins or ends, from 0 on; negative: none.
int nvtxDomainRangePushEx(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes);
int nvtxDomainRangePop(nvtxDomainHandle_t domain);
