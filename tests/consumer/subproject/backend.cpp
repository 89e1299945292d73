// The softmax of a row, by the CPU backend.

#include <softwarp/backend.h>

#include <cstdio>
#include <span>

int main() {
  const float x[3] = {1, 2, 3};
  float y[3];
  const auto backend = softwarp::make_cpu_backend();
  const softwarp::Matrix row = backend->make_matrix(1, 3);
  backend->upload(std::span<const float>(x), row.data());
  backend->softmax(row.view(), row.view());
  backend->download(row.data(), std::span<float>(y));
  std::printf("%.5f %.5f %.5f\n", static_cast<double>(y[0]), static_cast<double>(y[1]),
              static_cast<double>(y[2]));
}
