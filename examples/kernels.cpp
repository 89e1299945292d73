// The kernels in a program of one's own: softmax of a matrix on a GPU, rows packed, on the default stream.
#include <cuda_runtime.h>
#include <softwarp/error.h>
#include <softwarp/softmax.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

using namespace softwarp;

void check(cudaError_t status) {
  if (status != cudaSuccess)
    throw Error(std::string("CUDA says ") + cudaGetErrorName(status) + ", " + cudaGetErrorString(status));
}

int main() try {
  constexpr std::int64_t kRows = 128, kCols = 1000;
  std::vector<float> host(kRows * kCols);
  for (std::size_t i = 0; i < host.size(); ++i) host[i] = std::sin(static_cast<float>(i));

  float* data = nullptr;
  check(cudaMalloc(reinterpret_cast<void**>(&data), host.size() * sizeof(float)));
  check(cudaMemcpy(data, host.data(), host.size() * sizeof(float), cudaMemcpyHostToDevice));
  const auto matrix = matrix_view(data, kRows, kCols);
  softmax<float>(matrix, matrix, nullptr);  // in place
  check(cudaMemcpy(host.data(), data, host.size() * sizeof(float), cudaMemcpyDeviceToHost));
  check(cudaFree(data));

  double sum = 0;
  for (const float y : host) sum += y;
  std::printf("%lld rows, sum of all probabilities %.3f\n", static_cast<long long>(kRows), sum);
} catch (const std::exception& error) {
  std::fprintf(stderr, "kernels: %s\n", error.what());
  return 1;
}
