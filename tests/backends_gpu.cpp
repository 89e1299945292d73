// The tests of the ops on a real GPU, and nothing else; where there is none, all of them are skipped.

#include <gtest/gtest.h>
#include <softwarp/backend.h>

#include "tests/backends.h"

namespace softwarp {
namespace {

class NeedsAGpu final : public testing::Environment {
  void SetUp() override {
    if (const std::string refusal = cuda_unavailable_reason(); !refusal.empty())
      GTEST_SKIP() << "no GPU: " << refusal;
  }
};

const auto* const registered = testing::AddGlobalTestEnvironment(new NeedsAGpu);

}  // namespace

std::vector<std::unique_ptr<Backend>> make_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cuda_backend());
  return backends;
}

void DeviceTest::SetUp() {}
void DeviceTest::TearDown() {}

}  // namespace softwarp
