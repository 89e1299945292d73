#pragma once

/// @file
/// The activations of a layer.

namespace softwarp {

/// The activation of a layer, a function of each element of z = x wᵀ + b. cuBLASLt's epilogue computes gelu
/// in its tanh form, and so does every device here.
enum class Activation {
  identity,  ///< z
  relu,      ///< max(z, 0)
  gelu,    ///< z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z³))), PyTorch's approximate='tanh' (arXiv:1606.08415)
  tanh,    ///< tanh(z)
  sigmoid  ///< 1 / (1 + exp(-z))
};

}  // namespace softwarp
