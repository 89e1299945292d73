// The softmax of a row, by the C library.

#include <softwarp/softwarp.h>

#include <cstdio>

int main() {
  const float x[3] = {1, 2, 3};
  float y[3];
  if (softwarp_softmax(SOFTWARP_CPU, SOFTWARP_FLOAT32, 1, 3, x, 3, y, 3, nullptr, 0, nullptr) !=
      SOFTWARP_SUCCESS)
    return 1;
  std::printf("%.5f %.5f %.5f\n", static_cast<double>(y[0]), static_cast<double>(y[1]),
              static_cast<double>(y[2]));
}
