#include "tests/ops/ops_testing.h"

namespace softwarp {
namespace {

TEST(Memory, IsZeroedAndAligned) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    // Used and given back first, so that memory would come with old contents.
    for (int i = 0; i < 3; ++i) upload(*backend, Floats(1001, 5.0f));
    for (const std::int64_t size : {1, 2, 63, 1001}) {
      const auto array = backend->make_array<float>(size);
      EXPECT_EQ(array.size(), size);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.data()) % 256, 0u);
      EXPECT_EQ(download(*backend, array.data(), size), Floats(static_cast<std::size_t>(size), 0.0f));
    }
  }
}

TEST(Memory, ComesBackAsItWentIn) {
  const Floats values = random_values(1001, 1);
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto array = upload(*backend, values);
    EXPECT_EQ(download(*backend, array.data(), array.size()), values);
    EXPECT_EQ(download(*backend, array.data() + 500, 1), Floats{values[500]});
    EXPECT_EQ(backend->download(array.data() + 3), values[3]);
  }
}

TEST(Memory, IsCounted) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const std::int64_t before = backend->memory_in_use();
    const auto array = backend->make_array<double>(10);
    {
      const Matrix matrix = backend->make_matrix(3, 5);
      EXPECT_EQ(backend->memory_in_use() - before, 80 + 60);
    }
    EXPECT_EQ(backend->memory_in_use() - before, 80);
  }
}

TEST(Memory, OfNoSizeIsNoWork) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto none = backend->make_array<double>(0);
    EXPECT_EQ(none.size(), 0);
    backend->upload<double>({}, none.data());
    backend->download<double>(none.data(), {});
    backend->copy(nullptr, nullptr, 0);
    backend->wait();
  }
}

TEST(Memory, OfAMatrixIsPacked) {
  for (const auto& backend : make_backends()) {
    const Matrix matrix = backend->make_matrix(3, 5);
    EXPECT_EQ(matrix.rows(), 3);
    EXPECT_EQ(matrix.cols(), 5);
    EXPECT_TRUE(matrix.view().packed());
    EXPECT_EQ(matrix.view().size(), 15);
    EXPECT_EQ(matrix.top(2).rows, 2);
    EXPECT_EQ(matrix.top(2).row(1), matrix.data() + 5);
    EXPECT_EQ(backend->make_matrix(0, 5).view().size(), 0);
  }
}

TEST(Copy, WritesItsRangeOnly) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto from = upload(*backend, Floats{1, 2, 3, 4}), to = upload(*backend, Floats{5, 6, 7, 8});
    backend->copy(from.data() + 1, to.data() + 1, 2);
    EXPECT_EQ(download(*backend, to.data(), 4), (Floats{5, 2, 3, 8}));
    EXPECT_EQ(download(*backend, from.data(), 4), (Floats{1, 2, 3, 4}));
  }
}

TEST(Advance, MovesThePositionAlone) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto state = upload(*backend, std::vector{TrainingState{.seed = 9, .step = 4, .position = 100}});
    backend->advance(state.data(), 28);
    backend->advance(state.data(), 0);
    const auto now = backend->download(state.data());
    EXPECT_EQ(now.seed, 9u);
    EXPECT_EQ(now.step, 4);
    EXPECT_EQ(now.position, 128);
  }
}

// The work finds in the device's memory what the step before left there.
TEST(Record, RunsItsWorkAtOnceAndWheneverItIsCalled) {
  const SgdOptions options{.momentum = 0.5f};
  const Schedule schedule{.kind = ScheduleKind::step, .rate = 1.0, .step_every = 1, .step_factor = 0.5};
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    const auto values = backend->make_array<float>(3), moment = backend->make_array<float>(3);
    const auto gradient = upload(*backend, Floats{1, 2, 4});
    const auto seen = backend->make_array<float>(3);
    const auto state = upload(*backend, std::vector{TrainingState{}});
    const ParameterBuffers buffers{
        .values = values.data(), .gradients = gradient.data(), .first_moment = moment.data(), .size = 3};
    const auto step = backend->record([&] {
      backend->copy(values.data(), seen.data(), 3);
      backend->sgd_step(buffers, options, schedule, state.data(), 10);
    });
    // Rates 1, 1/2, 1/4 and momenta 1, 3/2, 7/4 times the gradient.
    EXPECT_EQ(download(*backend, values.data(), 3), (Floats{-1, -2, -4}));
    step();
    EXPECT_EQ(download(*backend, values.data(), 3), (Floats{-1.75f, -3.5f, -7}));
    step();
    EXPECT_EQ(download(*backend, values.data(), 3), (Floats{-2.1875f, -4.375f, -8.75f}));
    EXPECT_EQ(download(*backend, seen.data(), 3), (Floats{-1.75f, -3.5f, -7}));
    const auto now = backend->download(state.data());
    EXPECT_EQ(now.step, 3);
    EXPECT_EQ(now.position, 30);
  }
}

TEST(Names, TellBackendsApart) {
  EXPECT_NE(make_cpu_backend(1)->name(), make_cpu_backend(2)->name());
  for (const auto& backend : make_backends()) EXPECT_FALSE(backend->name().empty());
}

}  // namespace
}  // namespace softwarp
