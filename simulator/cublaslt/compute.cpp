// The product itself: plain loops that round what the compute type rounds.

#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "simulator/cublaslt/objects.h"
#include "simulator/device/small_float.h"

namespace softwarp::simulator {

namespace {

using Half = SmallFloat<5, 10>;
using Bfloat16 = SmallFloat<8, 7>;
using Tf32 = SmallFloat<8, 10>;  // only its rounding: it has 19 bits

double read(const void* data, std::uint32_t type, std::size_t i) {
  const auto* bytes = static_cast<const std::byte*>(data) + i * size_of(type);
  const auto as = [&]<class T>(T value) {
    std::memcpy(&value, bytes, sizeof value);
    return value;
  };
  switch (type) {
    case CUDA_R_64F: return as(0.0);
    case CUDA_R_32F: return static_cast<double>(as(0.0f));
    case CUDA_R_16F: return static_cast<double>(Half::value(as(std::uint16_t{})));
    default: return static_cast<double>(Bfloat16::value(as(std::uint16_t{})));
  }
}

void write(void* data, std::uint32_t type, std::size_t i, double value) {
  auto* bytes = static_cast<std::byte*>(data) + i * size_of(type);
  const auto put = [&](const auto number) { std::memcpy(bytes, &number, sizeof number); };
  switch (type) {
    case CUDA_R_64F: return put(value);
    case CUDA_R_32F: return put(static_cast<float>(value));
    case CUDA_R_16F: return put(Half::round(value));
    default: return put(Bfloat16::round(value));
  }
}

// An input as the tensor cores round it.
double as_input(double value, std::int32_t compute) {
  switch (compute) {
    case CUBLAS_COMPUTE_32F_FAST_16F: return static_cast<double>(Half::value(Half::round(value)));
    case CUBLAS_COMPUTE_32F_FAST_16BF: return static_cast<double>(Bfloat16::value(Bfloat16::round(value)));
    case CUBLAS_COMPUTE_32F_FAST_TF32: return Tf32::nearest(value);
    default: return value;
  }
}

// op(X) as a packed matrix, column-major if it is to be A and row-major if it is to be B, so that the inner
// loop below runs along columns of A.
template <class T>
std::vector<T> pack(const void* data, const cublasLtMatrixLayoutOpaque_t& layout, bool transpose,
                    std::int32_t compute) {
  const auto rows = transpose ? layout.cols : layout.rows;
  const auto cols = transpose ? layout.rows : layout.cols;
  std::vector<T> packed;
  packed.reserve(rows * cols);
  for (std::uint64_t j = 0; j < cols; ++j)
    for (std::uint64_t i = 0; i < rows; ++i)
      packed.push_back(static_cast<T>(
          as_input(read(data, layout.type, transpose ? layout.offset(j, i) : layout.offset(i, j)), compute)));
  return packed;
}

// Sums over k, one product after the other.
template <class T>
std::vector<double> multiply(const Product& p, const void* a_data, const void* b_data) {
  const auto a = pack<T>(a_data, p.a, p.desc.transpose_a != CUBLAS_OP_N, p.desc.compute);
  const auto b = pack<T>(b_data, p.b, p.desc.transpose_b != CUBLAS_OP_N, p.desc.compute);
  const std::size_t m = p.m(), n = p.n(), k = p.k();
  std::vector<double> product;
  product.reserve(m * n);
  std::vector<T> column(m);
  for (std::size_t j = 0; j < n; ++j) {
    std::ranges::fill(column, T{0});
    for (std::size_t l = 0; l < k; ++l)
      for (std::size_t i = 0; i < m; ++i) column[i] += a[l * m + i] * b[j * k + l];
    product.insert(product.end(), column.begin(), column.end());
  }
  return product;
}

// The form with tanh, as cuBLAS has it.
double gelu(double x) {
  const double t = std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
  return 0.5 * x * (1 + t);
}

double gelu_slope(double x) {
  const double t = std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

void set_bit(void* bits, std::size_t i, bool value) {
  auto& byte = static_cast<unsigned char*>(bits)[i / 8];
  const auto bit = static_cast<unsigned char>(1u << i % 8);
  byte = static_cast<unsigned char>(value ? byte | bit : byte & ~bit);
}

bool get_bit(const void* bits, std::size_t i) {
  return static_cast<const unsigned char*>(bits)[i / 8] >> i % 8 & 1;
}

// The epilogue at one element; ReLU turns NaN into 0, as NVIDIA's does.
double finish(const Product& p, std::uint64_t row, std::uint64_t col, double x) {
  const Epilogue epilogue = p.epilogue();
  const std::size_t at = col * static_cast<std::size_t>(p.desc.aux_ld) + row;
  if (epilogue.bias()) x += read(p.desc.bias, p.d.type, row);
  if (epilogue.relu()) {
    if (epilogue.aux()) set_bit(p.desc.aux, at, x > 0);
    return x > 0 ? x : 0;
  }
  if (epilogue.gelu()) {
    if (epilogue.aux()) write(p.desc.aux, p.d.type, at, x);
    return gelu(x);
  }
  if (epilogue.relu_gradient()) return get_bit(p.desc.aux, at) ? x : 0;
  if (epilogue.gelu_gradient()) return x * gelu_slope(read(p.desc.aux, p.d.type, at));
  return x;
}

// The bias gradient: sum(i) of terms(i, j) over `count` j.
void write_sums(const Product& p, std::uint64_t count,
                const std::function<double(std::uint64_t, std::uint64_t)>& terms) {
  for (std::uint64_t i = 0; i < p.vector_length(); ++i) {
    double sum = 0;
    for (std::uint64_t j = 0; j < count; ++j) sum += terms(i, j);
    write(p.desc.bias, p.d.type, i, sum);
  }
}

}  // namespace

void compute(const Product& p, double alpha, const void* a, const void* b, double beta, const void* c,
             void* d) {
  auto result = p.desc.compute == CUBLAS_COMPUTE_64F ? multiply<double>(p, a, b) : multiply<float>(p, a, b);
  const std::uint64_t m = p.m(), n = p.n();
  const Epilogue epilogue = p.epilogue();
  if (epilogue.gradient_of_a())  // A is not transposed, B below is: see check()
    write_sums(p, p.k(), [&](auto i, auto l) { return read(a, p.a.type, p.a.offset(i, l)); });
  if (epilogue.gradient_of_b())
    write_sums(p, p.k(), [&](auto j, auto l) { return read(b, p.b.type, p.b.offset(j, l)); });
  for (std::uint64_t j = 0; j < n; ++j)
    for (std::uint64_t i = 0; i < m; ++i) {
      double& x = result[j * m + i];
      x *= alpha;
      if (beta != 0) x += beta * read(c, p.c.type, p.c.offset(i, j));
      x = finish(p, i, j, x);
    }
  if (epilogue.bias_gradient()) write_sums(p, n, [&](auto i, auto j) { return result[j * m + i]; });
  for (std::uint64_t j = 0; j < n; ++j)
    for (std::uint64_t i = 0; i < m; ++i) write(d, p.d.type, p.d.offset(i, j), result[j * m + i]);
}

}  // namespace softwarp::simulator
