// The built-in variables of the thread that runs.

#include <cuda_runtime.h>

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;
