#pragma once

// Device functions of the toolkit, as the CUDA C++ Programming Guide defines them.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simulator/device/hooks.h"

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

// Barriers and fences. Within a block threads take turns and see all that was written before.
inline void __syncthreads(const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  softwarp::simulator::meet_block(false, where);
}
inline int __syncthreads_count(
    int vote, const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  return softwarp::simulator::meet_block(vote != 0, where);
}
inline int __syncthreads_or(int vote,
                            const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  return softwarp::simulator::meet_block(vote != 0, where) > 0;
}
inline int __syncthreads_and(
    int vote, const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  return softwarp::simulator::meet_block(vote == 0, where) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  softwarp::simulator::meet_lanes(mask, where);
}
inline void __threadfence() { softwarp::simulator::fence(); }
inline void __threadfence_block() {}
inline void __threadfence_system() { softwarp::simulator::fence(); }

// Votes.
inline unsigned __ballot_sync(
    unsigned mask, int vote,
    const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  return softwarp::simulator::ballot(mask, vote != 0, where);
}
inline int __any_sync(unsigned mask, int vote,
                      const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  return softwarp::simulator::ballot(mask, vote != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int vote,
                      const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  return softwarp::simulator::ballot(mask, vote == 0, where) == 0;
}
// Which lanes run together is not defined; here, one alone.
inline unsigned __activemask() { return 1u << softwarp::simulator::current_lane(); }

namespace softwarp::simulator {

// A shuffle can carry numbers of up to 64 bits; the 16-bit headers add theirs.
template <class T>
inline constexpr bool kCanShuffle = std::is_arithmetic_v<T> && sizeof(T) <= 8;

// `width` lanes share a segment; a source outside keeps the caller's value.
struct Segment {
  unsigned lane = current_lane();
  unsigned first;
  unsigned last;
  explicit Segment(int width)
      : first(lane & ~(static_cast<unsigned>(width) - 1)), last(first + static_cast<unsigned>(width) - 1) {}
};

template <class T>
  requires kCanShuffle<T>
T shuffle_value(unsigned mask, T value, unsigned source, const Where& where) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = shuffle(mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace softwarp::simulator

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  const softwarp::simulator::Segment segment(width);
  const unsigned within = static_cast<unsigned>(source) & (static_cast<unsigned>(width) - 1);
  return softwarp::simulator::shuffle_value(mask, value, segment.first + within, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  const softwarp::simulator::Segment segment(width);
  const bool inside = segment.lane - segment.first >= delta;
  return softwarp::simulator::shuffle_value(mask, value, inside ? segment.lane - delta : segment.lane, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  const softwarp::simulator::Segment segment(width);
  const bool inside = segment.last - segment.lane >= delta;
  return softwarp::simulator::shuffle_value(mask, value, inside ? segment.lane + delta : segment.lane, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = warpSize,
                  const softwarp::simulator::Where& where = softwarp::simulator::Where::current()) {
  const softwarp::simulator::Segment segment(width);
  const unsigned source = segment.lane ^ static_cast<unsigned>(lanes);
  return softwarp::simulator::shuffle_value(mask, value, source <= segment.last ? source : segment.lane,
                                            where);
}

// Global memory. Whatever goes through these is checked and counted; a plain access is not.
#define SIMULATOR_LOAD(name)                                     \
  template <class V>                                             \
    requires(std::is_trivially_copyable_v<V> && sizeof(V) <= 16) \
  V name(const V* pointer) {                                     \
    softwarp::simulator::access(pointer, sizeof(V), false);      \
    V value;                                                     \
    std::memcpy(&value, pointer, sizeof(V));                     \
    return value;                                                \
  }
#define SIMULATOR_STORE(name)                                    \
  template <class V>                                             \
    requires(std::is_trivially_copyable_v<V> && sizeof(V) <= 16) \
  void name(V* pointer, std::type_identity_t<V> value) {         \
    softwarp::simulator::access(pointer, sizeof(V), true);       \
    std::memcpy(pointer, &value, sizeof(V));                     \
  }
SIMULATOR_LOAD(__ldg)
SIMULATOR_LOAD(__ldca)
SIMULATOR_LOAD(__ldcg)
SIMULATOR_LOAD(__ldcs)
SIMULATOR_LOAD(__ldlu)
SIMULATOR_LOAD(__ldcv)
SIMULATOR_STORE(__stwb)
SIMULATOR_STORE(__stcg)
SIMULATOR_STORE(__stcs)
SIMULATOR_STORE(__stwt)
#undef SIMULATOR_LOAD
#undef SIMULATOR_STORE

// Atomics return the value before.
namespace softwarp::simulator {
template <class T, class Update>
T update_atomically(T* pointer, Update&& update) {
  access_atomically(pointer, sizeof(T));
  const T before = *pointer;
  *pointer = update(before);
  return before;
}
}  // namespace softwarp::simulator

template <class T>
T atomicAdd(T* pointer, std::type_identity_t<T> value) {
  return softwarp::simulator::update_atomically(pointer, [&](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMax(T* pointer, std::type_identity_t<T> value) {
  return softwarp::simulator::update_atomically(pointer, [&](T old) { return old > value ? old : value; });
}
template <class T>
T atomicMin(T* pointer, std::type_identity_t<T> value) {
  return softwarp::simulator::update_atomically(pointer, [&](T old) { return old < value ? old : value; });
}
template <class T>
T atomicExch(T* pointer, std::type_identity_t<T> value) {
  return softwarp::simulator::update_atomically(pointer, [&](T) { return value; });
}
template <class T>
T atomicCAS(T* pointer, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return softwarp::simulator::update_atomically(pointer,
                                                [&](T old) { return old == expected ? value : old; });
}
inline unsigned atomicInc(unsigned* pointer, unsigned limit) {
  return softwarp::simulator::update_atomically(pointer,
                                                [&](unsigned old) { return old >= limit ? 0 : old + 1; });
}

// Arithmetic. Those that cost an ex2 are counted.
namespace softwarp::simulator {
// As wrong as the PTX ISA lets ex2.approx and div.approx be, 2^-22 relative, by an amount that depends on x
// alone.
inline float approximate(double exact, float x) {
  const std::uint32_t hash = std::bit_cast<std::uint32_t>(x) * 2654435761u;
  const double share = static_cast<double>(hash >> 8) * 0x1p-23 - 1;  // in [-1, 1)
  return static_cast<float>(exact * (1 + share * 0x1p-22));
}
// 2^0 is 1.
inline float approximate_exp2(float x) {
  count_exponential();
  const double exact = std::exp2(static_cast<double>(x));
  return x == 0 ? 1.0f : approximate(exact, x);
}
}  // namespace softwarp::simulator
inline float __expf(float x) { return softwarp::simulator::approximate_exp2(x * 1.44269504f); }
inline float __exp10f(float x) { return __expf(x * 2.302585093f); }
inline float __tanhf(float x) {
  softwarp::simulator::count_exponential();
  return std::tanh(x);
}
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __fdividef(float x, float y) { return softwarp::simulator::approximate(x / y, y); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __frsqrt_rn(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }

// Found by unqualified calls in our namespace before the functions of <cmath>, so that these count too.
namespace softwarp {
inline float exp2f(float x) { return simulator::approximate_exp2(x); }
inline float expf(float x) {
  simulator::count_exponential();
  return std::exp(x);
}
}  // namespace softwarp

inline void cudaGridDependencySynchronize() { softwarp::simulator::await_dependency(); }
inline void cudaTriggerProgrammaticLaunchCompletion() {}
[[noreturn]] inline void __trap() { softwarp::simulator::trap(); }
