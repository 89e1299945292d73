#pragma once

#include <softwarp/activation.h>
#include <softwarp/matrix_view.h>

#include <cmath>

namespace softwarp {

// Of the tanh form of gelu: activation.h.
inline constexpr double kGeluScale = 0.79788456080286535588;  // sqrt(2/pi)
inline constexpr double kGeluCubic = 0.044715;

template <class T>
SOFTWARP_HD T activate(Activation kind, T z) {
  switch (kind) {
    case Activation::identity: return z;
    case Activation::relu: return z > T(0) ? z : (z == z ? T(0) : z);
    case Activation::gelu: return z / 2 * (1 + std::tanh(T(kGeluScale) * (z + T(kGeluCubic) * z * z * z)));
    case Activation::tanh: return std::tanh(z);
    case Activation::sigmoid: return 1 / (1 + std::exp(-z));
  }
  return z;
}

// da/dz. All but gelu read it from y = activate(z) alone: relu y > 0, tanh 1 - y², sigmoid y (1 - y);
// gelu needs z.
template <class T>
SOFTWARP_HD T activation_derivative(Activation kind, T z, T y) {
  switch (kind) {
    case Activation::identity: return 1;
    case Activation::relu: return y > T(0) ? T(1) : T(0);
    case Activation::gelu: {
      const T t = std::tanh(T(kGeluScale) * (z + T(kGeluCubic) * z * z * z));
      return (1 + t) / 2 + z / 2 * (1 - t * t) * T(kGeluScale) * (1 + 3 * T(kGeluCubic) * z * z);
    }
    case Activation::tanh: return 1 - y * y;
    case Activation::sigmoid: return y * (1 - y);
  }
  return 1;
}

}  // namespace softwarp
