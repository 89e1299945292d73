#pragma once

#include <gtest/gtest.h>

#include <hwy/targets.h>

#include <cstdint>

namespace softwarp {

// Runs `test` once for each of the CPU's sets of instructions that this machine has.
template <class Test>
void for_instructions(Test test) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    test();
    if (testing::Test::HasFailure()) break;
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

}  // namespace softwarp
