// The C interface turns every exception of a device into a status. The CUDA device here only throws.

#include <gtest/gtest.h>
#include <softwarp/error.h>
#include <softwarp/softwarp.h>

#include <new>
#include <stdexcept>
#include <string>

#include "host/backend/row_ops.h"

namespace softwarp {
namespace {

void (*throw_something)() = nullptr;

void expect(void (*thrower)(), softwarp_status status, const std::string& text) {
  throw_something = thrower;
  float value = 0;
  EXPECT_EQ(
      softwarp_softmax(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1, 1, &value, 1, &value, 1, nullptr, 0, nullptr),
      status);
  EXPECT_EQ(softwarp_last_error(), "softwarp_softmax: " + text);
}

TEST(CExceptions, BecomeStatuses) {
  expect([] { throw Unsupported("no"); }, SOFTWARP_UNSUPPORTED, "no");
  expect([] { throw Error("no"); }, SOFTWARP_DEVICE_ERROR, "no");
  expect([] { throw std::invalid_argument("no"); }, SOFTWARP_INVALID_ARGUMENT, "no");
  expect([] { throw std::bad_alloc(); }, SOFTWARP_OUT_OF_MEMORY, "out of memory");
  expect([] { throw std::logic_error("no"); }, SOFTWARP_INTERNAL_ERROR, "no");
  expect([] { throw 7; }, SOFTWARP_INTERNAL_ERROR, "an exception of an unknown type");
}

// A text longer than there is room for is cut, not written past its end.
TEST(CExceptions, KeepTheBeginningOfALongText) {
  throw_something = [] { throw Error(std::string(10000, 'x')); };
  float value = 0;
  EXPECT_EQ(
      softwarp_softmax(SOFTWARP_CUDA, SOFTWARP_FLOAT32, 1, 1, &value, 1, &value, 1, nullptr, 0, nullptr),
      SOFTWARP_DEVICE_ERROR);
  const std::string said = softwarp_last_error();
  EXPECT_LT(said.size(), 600u);
  EXPECT_EQ(said.find("softwarp_softmax: xxx"), 0u);
}

}  // namespace

const RowOps& cuda_row_ops() {
  throw_something();
  return cpu_row_ops();
}

}  // namespace softwarp
