// The CUDA backend handles every failure of CUDA and cuBLASLt.

#include <gtest/gtest.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>

#include <cmath>
#include <tuple>

#include "simulator/testing.h"
#include "tests/cuda/training_run.h"

namespace softwarp {
namespace {

class CudaRefusal : public simulator::SimulatorTest {
 protected:
  static TrainingRun run(Activation activation, const CudaOptions& options = {}) {
    TrainingSettings settings;
    settings.hidden = {48, 24};
    settings.activation = activation;
    settings.batch_size = 32;
    settings.dropout = {};
    settings.epochs = 1;
    const auto backend = make_cuda_backend(options);
    return run_steps(*backend, settings, 300, 10);
  }
  static void expect_near(const TrainingRun& found, const TrainingRun& expected) {
    ASSERT_EQ(found.losses.size(), expected.losses.size());
    for (std::size_t i = 0; i < found.losses.size(); ++i)
      EXPECT_NEAR(found.losses[i], expected.losses[i], 1e-5) << "step " << i;
  }
};

TEST_F(CudaRefusal, OfAnEpilogueChangesNoLoss) {
  for (const Activation activation : {Activation::relu, Activation::gelu}) {
    simulator::reset();
    const TrainingRun fused = run(activation);
    const auto products = simulator::counters().launches;
    for (const cublasLtEpilogue_t epilogue :
         {CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BGRADB,
          activation == Activation::relu ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_AUX_BIAS,
          activation == Activation::relu ? CUBLASLT_EPILOGUE_DRELU_BGRAD : CUBLASLT_EPILOGUE_DGELU_BGRAD}) {
      SCOPED_TRACE(testing::Message() << "epilogue " << epilogue);
      simulator::reset();
      simulator::refuse_epilogue(epilogue);
      expect_near(run(activation), fused);
      EXPECT_GT(simulator::counters().launches, products) << "our kernels did the work";
    }
  }
}

TEST_F(CudaRefusal, OfAllEpiloguesChangesNoLoss) {
  for (const Activation activation :
       {Activation::relu, Activation::gelu, Activation::tanh, Activation::sigmoid}) {
    simulator::reset();
    const TrainingRun fused = run(activation);
    for (const auto epilogue :
         {CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BGRADB, CUBLASLT_EPILOGUE_RELU_AUX_BIAS,
          CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_GELU_AUX_BIAS, CUBLASLT_EPILOGUE_GELU_BIAS,
          CUBLASLT_EPILOGUE_DRELU_BGRAD, CUBLASLT_EPILOGUE_DGELU_BGRAD})
      simulator::refuse_epilogue(epilogue);
    expect_near(run(activation), fused);
  }
}

// In whatever way cuBLASLt refuses an epilogue, a plain product and our kernel take its place.
TEST_F(CudaRefusal, OfEveryKindChangesNoLoss) {
  using enum simulator::Refusal;
  simulator::reset();
  const TrainingRun fused = run(Activation::relu);
  const auto kernels = simulator::counters().launches;
  for (const auto refusal : {not_supported, internal_error, none_found, bad_state, product}) {
    SCOPED_TRACE(testing::Message() << "refusal " << static_cast<int>(refusal));
    simulator::reset();
    for (const auto epilogue : {CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BGRADB,
                                CUBLASLT_EPILOGUE_RELU_AUX_BIAS, CUBLASLT_EPILOGUE_DRELU_BGRAD})
      simulator::refuse_epilogue(epilogue, refusal);
    expect_near(run(Activation::relu), fused);
    EXPECT_GT(simulator::counters().launches, kernels) << "our kernels did the work";
  }
}

TEST_F(CudaRefusal, OfAPlainProductIsAnErrorThatSaysWhatCublasltSaid) {
  using enum simulator::Refusal;
  const std::pair<simulator::Refusal, const char*> words[] = {
      {not_supported, "CUBLAS_STATUS_NOT_SUPPORTED"},
      {internal_error, "CUBLAS_STATUS_INTERNAL_ERROR"},
      {none_found, "CUBLAS_STATUS_NOT_SUPPORTED"},
      {bad_state, "CUBLAS_STATUS_NOT_SUPPORTED"},
      {product, "CUBLAS_STATUS_NOT_SUPPORTED"}};
  for (const auto& [refusal, text] : words) {
    simulator::reset();
    simulator::refuse_epilogue(CUBLASLT_EPILOGUE_DEFAULT, refusal);
    simulator::refuse_epilogue(CUBLASLT_EPILOGUE_BIAS);
    try {
      run(Activation::relu);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  }
}

TEST_F(CudaRefusal, OfMemorySaysHowMuchWasAskedForAndHowMuchIsFree) {
  simulator::Device small;
  small.memory = std::size_t{64} << 20;
  simulator::reset(1, small);
  const auto backend = make_cuda_backend();
  try {
    std::ignore = backend->make_array<float>(std::int64_t{1} << 30);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("out of device memory: 4294967296 bytes asked for, "),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "an answer is not left behind as an error";
  EXPECT_EQ(backend->make_array<float>(10).size(), 10) << "and the backend goes on";
}

// To wait is forbidden while a stream captures.
TEST_F(CudaRefusal, InARecordingLeavesNothingBehind) {
  const auto backend = make_cuda_backend();
  const auto from = backend->make_array<float>(10), to = backend->make_array<float>(10);
  try {
    backend->record([&] {
      backend->copy(from.data(), to.data(), 10);
      backend->wait();
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("cudaErrorStreamCapture"), std::string::npos) << error.what();
  }
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "what was thrown is not left behind as an error";
  backend->upload<float>(std::vector<float>(10, 3.0f), from.data());
  backend->record([&] { backend->copy(from.data(), to.data(), 10); })();
  std::vector<float> copied(10);
  backend->download<float>(to.data(), copied);
  EXPECT_EQ(copied, std::vector<float>(10, 3.0f)) << "and the backend goes on";
}

// Pieces of the arena are used again once all that lay in them has come back.
TEST_F(CudaRefusal, IsNotWhatRepeatedUseLeadsTo) {
  const auto backend = make_cuda_backend();
  std::ignore = backend->make_array<float>(1 << 18);
  const auto before = simulator::host_counters().allocations;
  for (int i = 0; i < 100; ++i) {
    const auto a = backend->make_array<float>(1 << 18), b = backend->make_array<float>(1 << 10);
    EXPECT_NE(a.data(), b.data());
  }
  EXPECT_LE(simulator::host_counters().allocations, before + 1);
}

}  // namespace
}  // namespace softwarp
