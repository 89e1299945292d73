#pragma once

// CUDA's vector types with their sizes and alignments, each with its make_ function.

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
  constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1) : x(vx), y(vy), z(vz) {}
};

#define SIMULATOR_VECTORS(name, T)                              \
  struct name##1 { T x; };                                      \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };            \
  struct name##3 { T x, y, z; };                                \
  constexpr name##1 make_##name##1(T x) { return {x}; }         \
  constexpr name##2 make_##name##2(T x, T y) { return {x, y}; } \
  constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }

// Vectors of four are aligned to their size up to 16 bytes, the widest access there is before sm_100.
#define SIMULATOR_VECTORS_OF_4(name, T)                    \
  SIMULATOR_VECTORS(name, T)                               \
  struct alignas(4 * sizeof(T)) name##4 { T x, y, z, w; }; \
  constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

SIMULATOR_VECTORS_OF_4(char, signed char)
SIMULATOR_VECTORS_OF_4(uchar, unsigned char)
SIMULATOR_VECTORS_OF_4(short, short)
SIMULATOR_VECTORS_OF_4(ushort, unsigned short)
SIMULATOR_VECTORS_OF_4(int, int)
SIMULATOR_VECTORS_OF_4(uint, unsigned int)
SIMULATOR_VECTORS_OF_4(float, float)
SIMULATOR_VECTORS(long, long)
SIMULATOR_VECTORS(ulong, unsigned long)
SIMULATOR_VECTORS(longlong, long long)
SIMULATOR_VECTORS(ulonglong, unsigned long long)
SIMULATOR_VECTORS(double, double)

#undef SIMULATOR_VECTORS_OF_4
#undef SIMULATOR_VECTORS
