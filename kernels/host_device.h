#pragma once

// Marks a function that nvcc compiles for host and device; any other compiler sees plain C++.
#ifdef __CUDACC__
#define SOFTWARP_HD __host__ __device__
#else
#define SOFTWARP_HD
#endif
