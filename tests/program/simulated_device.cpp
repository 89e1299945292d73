// Wraps the main of the program on the simulated device. The program ends with exit code 70 if it broke a
// rule or left something behind. In its environment, SOFTWARP_DEVICE=86 makes it a device of compute
// capability 8.6, SOFTWARP_DEVICES=4 makes it four of them, and with SOFTWARP_FAULT_CALL=n the n-th call of
// CUDA, cuBLASLt or NCCL fails, of SOFTWARP_FAULT_FUNCTION if that is set, and the last line on standard
// error names it. With SOFTWARP_COUNTS a line there counts calls.

#include <cstdio>
#include <cstdlib>

#include "simulator/simulator.h"

// The linker's --wrap=main.
extern "C" int __real_main(int argc, char** argv);
extern "C" int __wrap_main(int argc, char** argv);

int __wrap_main(int argc, char** argv) {
  using namespace softwarp::simulator;
  Device device;
  if (const char* capability = std::getenv("SOFTWARP_DEVICE")) {
    const int number = std::atoi(capability);
    device = device_of(number / 10, number % 10);
  }
  if (const char* devices = std::getenv("SOFTWARP_DEVICES")) device.count = std::atoi(devices);
  reset(1, device);
  const char* const fault = std::getenv("SOFTWARP_FAULT_CALL");
  const char* const function = std::getenv("SOFTWARP_FAULT_FUNCTION");
  if (fault != nullptr) inject({.call = std::atoll(fault), .function = function != nullptr ? function : ""});

  int status = __real_main(argc, argv);
  if (std::getenv("SOFTWARP_COUNTS") != nullptr)
    std::fprintf(stderr, "counts: waits %lld, launches %lld, sums %lld, sends %lld\n",
                 static_cast<long long>(host_counters().synchronizations),
                 static_cast<long long>(host_counters().graph_launches),
                 static_cast<long long>(calls("ncclAllReduce")), static_cast<long long>(calls("ncclSend")));
  auto complaints = take_errors();
  for (const std::string& object : live_objects()) complaints.push_back("not released: " + object);
  for (const std::string& complaint : complaints) std::fprintf(stderr, "simulator: %s\n", complaint.c_str());
  if (!complaints.empty()) status = 70;
  if (fault != nullptr) std::fprintf(stderr, "fault: %s\n", fault_hit().c_str());
  return status;
}
