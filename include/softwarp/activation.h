#pragma once

namespace softwarp {

/// The activation of a layer: a function of each element of z = x wᵀ + b. gelu is the tanh form, z/2 (1 +
/// tanh(sqrt(2/pi) (z + 0.044715 z³))) (Hendrycks & Gimpel, arXiv:1606.08415), because that is what
/// cuBLASLt's epilogue computes: PyTorch's approximate='tanh'.
enum class Activation { identity, relu, gelu, tanh, sigmoid };

}  // namespace softwarp
