#pragma once

// How kernels touch global memory: after pdl_wait(), and through load() and store() alone, up to 16 bytes an
// access. Under nvcc these are plain vector accesses; the simulator checks and counts them.

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "kernels/primitives/device.h"

namespace softwarp {

// Every thread of every kernel calls this before it touches global memory. From compute capability 9.0 on,
// launch() lets a kernel begin while the last blocks of the one before it still run, which hides the time
// that starting takes; what those blocks write is there when this returns. Nobody tells the next kernel to
// begin earlier than that.
__device__ __forceinline__ void pdl_wait() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

// kSize adjacent elements that move as one access.
template <class T, int kSize>
struct alignas(kSize * sizeof(T)) Vector {
  T v[kSize];
};

// The unsigned type that is kBytes wide.
template <int kBytes>
using Word =
    std::conditional_t<kBytes == 1, unsigned char,
                       std::conditional_t<kBytes == 2, unsigned short,
                                          std::conditional_t<kBytes == 4, unsigned,
                                                             std::conditional_t<kBytes == 8, uint2, uint4>>>>;

template <int kSize = 1, class T>
__device__ __forceinline__ Vector<std::remove_const_t<T>, kSize> load(const T* from) {
  using Access = Word<kSize* static_cast<int>(sizeof(T))>;
  return __builtin_bit_cast(Vector<std::remove_const_t<T>, kSize>,
                            __ldca(reinterpret_cast<const Access*>(from)));
}

template <class T, int kSize>
__device__ __forceinline__ void store(const Vector<T, kSize>& value, T* to) {
  using Access = Word<kSize* static_cast<int>(sizeof(T))>;
  __stwb(reinterpret_cast<Access*>(to), __builtin_bit_cast(Access, value));
}

template <int kSize, class T>
__device__ __forceinline__ Vector<T, kSize> filled_with(T value) {
  Vector<T, kSize> vector;
#pragma unroll
  for (int i = 0; i < kSize; ++i) vector.v[i] = value;
  return vector;
}

template <class T>
__device__ __forceinline__ T load_one(const T* from) {
  return load<1>(from).v[0];
}
template <class T>
__device__ __forceinline__ void store_one(std::type_identity_t<T> value, T* to) {
  store(Vector<T, 1>{{value}}, to);
}

// The same past the caches of a multiprocessor, which do not see what others write while a kernel runs.
template <class V>
__device__ __forceinline__ V load_cg(const V* from) {
  return __builtin_bit_cast(V, __ldcg(reinterpret_cast<const Word<sizeof(V)>*>(from)));
}
template <class V>
__device__ __forceinline__ void store_cg(const V& value, V* to) {
  __stcg(reinterpret_cast<Word<sizeof(V)>*>(to), __builtin_bit_cast(Word<sizeof(V)>, value));
}

// A struct of whole words, word by word.
template <class V>
struct WordsOf {
  unsigned v[sizeof(V) / sizeof(unsigned)];
};
template <class V>
__device__ __forceinline__ WordsOf<V> words_of(const V& value) {
  static_assert(sizeof(WordsOf<V>) == sizeof(V),
                "whole words");  // and nvcc 12.4 then knows the size in the next line
  return __builtin_bit_cast(WordsOf<V>, value);
}
template <class V>
__device__ V load_words(const V* from) {
  WordsOf<V> words;
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(unsigned)); ++i)
    words.v[i] = load_one(reinterpret_cast<const unsigned*>(from) + i);
  return __builtin_bit_cast(V, words);
}
template <class V>
__device__ void store_words(const V& value, V* to) {
  const auto words = words_of(value);
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(unsigned)); ++i)
    store_one(words.v[i], reinterpret_cast<unsigned*>(to) + i);
}

// The elements [first, first + kSize) of an array of `size`, where first + kSize - 1 may lie behind its end
// and first before its start; what lies outside keeps its value. `first` is where an aligned access begins,
// so that the halves, quarters and so on that lie inside are aligned too: an end costs at most log2(kSize)
// accesses.
template <int kSize, class T, class Index>
__device__ __forceinline__ void load_partial(const T* array, Index first, Index size, T* to) {
  if constexpr (kSize * sizeof(T) <= kAccessBytes) {
    if (first >= 0 && first + kSize <= size) {
      const Vector<T, kSize> whole = load<kSize>(array + first);
#pragma unroll
      for (int i = 0; i < kSize; ++i) to[i] = whole.v[i];
      return;
    }
  }
  if constexpr (kSize > 1) {
    constexpr int kHalf = kSize / 2;
    load_partial<kHalf>(array, first, size, to);
    load_partial<kHalf>(array, first + kHalf, size, to + kHalf);
  }
}

template <int kSize, class T, class Index>
__device__ __forceinline__ void store_partial(const T* from, T* array, Index first, Index size) {
  if constexpr (kSize * sizeof(T) <= kAccessBytes) {
    if (first >= 0 && first + kSize <= size) {
      Vector<T, kSize> whole;
#pragma unroll
      for (int i = 0; i < kSize; ++i) whole.v[i] = from[i];
      store(whole, array + first);
      return;
    }
  }
  if constexpr (kSize > 1) {
    constexpr int kHalf = kSize / 2;
    store_partial<kHalf>(from, array, first, size);
    store_partial<kHalf>(from + kHalf, array, first + kHalf, size);
  }
}

// How many elements `pointer` lies behind the last boundary of a vector of kSize.
template <int kSize, class T>
__device__ __forceinline__ int elements_past_boundary(const T* pointer) {
  return static_cast<int>(reinterpret_cast<std::uintptr_t>(pointer) % (kSize * sizeof(T)) / sizeof(T));
}

}  // namespace softwarp
