# Switches the CUDA language on; included only where choose_cuda.cmake chose CUDA.
# Architectures: what CMAKE_CUDA_ARCHITECTURES says, otherwise this machine's GPUs, otherwise one of each generation.

if(NOT DEFINED CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${SOFTWARP_NVCC})
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  if(SOFTWARP_GPU_ARCHITECTURES)
    list(TRANSFORM SOFTWARP_GPU_ARCHITECTURES APPEND -real OUTPUT_VARIABLE CMAKE_CUDA_ARCHITECTURES)
  else()
    set(CMAKE_CUDA_ARCHITECTURES all-major)
  endif()
endif()
enable_language(CUDA)
message(STATUS "CUDA: architectures ${CMAKE_CUDA_ARCHITECTURES}")

set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
# CMake 3.25 does not know that nvcc speaks C++20, and would refuse the standard.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()

# The CUDA runtime and cuBLAS, as CUDA::cudart_static and CUDA::cublasLt.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL TRUE)  # a parent project links them, too
find_package(CUDAToolkit REQUIRED)
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(softwarp_options INTERFACE
    $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow>>)
endif()
