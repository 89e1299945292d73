#pragma once

// oneDNN's matrix product, planned. Release 3 merged the op descriptor into the primitive descriptor; this is
// the one place of the CPU backend that tells the releases apart.

#include <dnnl_version.h>
#include <dnnl.hpp>

namespace softwarp::cpu {

// c = a b + bias for matrices of these layouts; bias [1, columns of c].
inline dnnl::matmul plan_matmul(const dnnl::engine& engine, const dnnl::memory::desc& a,
                                const dnnl::memory::desc& b, const dnnl::memory::desc& bias,
                                const dnnl::memory::desc& c) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul(dnnl::matmul::primitive_desc(engine, a, b, bias, c));
#else
  return dnnl::matmul({dnnl::matmul::desc(a, b, bias, c), engine});
#endif
}

// c = a b.
inline dnnl::matmul plan_matmul(const dnnl::engine& engine, const dnnl::memory::desc& a,
                                const dnnl::memory::desc& b, const dnnl::memory::desc& c) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul(dnnl::matmul::primitive_desc(engine, a, b, c));
#else
  return dnnl::matmul({dnnl::matmul::desc(a, b, c), engine});
#endif
}

}  // namespace softwarp::cpu
