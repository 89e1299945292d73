# What every target of this project is compiled with, and what can be switched on and off.

option(SOFTWARP_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(SOFTWARP_BENCHES "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(SOFTWARP_FUZZERS "Build the fuzzers, which need Clang" OFF)
option(SOFTWARP_THREAD_TESTS "Build the tests that are meant for ThreadSanitizer" OFF)
option(SOFTWARP_COVERAGE "Count which lines run (gcov)" OFF)
set(SOFTWARP_SANITIZE "" CACHE STRING "Sanitizers to compile with, such as address,undefined")
set(SOFTWARP_CUDA AUTO CACHE STRING "Build the CUDA backend: ON, OFF, or AUTO (where nvcc and a GPU are found)")
set_property(CACHE SOFTWARP_CUDA PROPERTY STRINGS AUTO ON OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
find_program(SOFTWARP_CCACHE ccache)
mark_as_advanced(SOFTWARP_CCACHE)
if(SOFTWARP_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SOFTWARP_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${SOFTWARP_CCACHE})
endif()

add_library(softwarp_options INTERFACE)
target_compile_features(softwarp_options INTERFACE cxx_std_20)
target_include_directories(softwarp_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/softwarp>)
target_compile_options(softwarp_options INTERFACE
  $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion>>)
# Warnings of g++ about code of its own library and of fmt that cannot go wrong, release by release.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)  # std::string's operator+, g++'s bug 105651
    set(softwarp_false_alarms -Wno-restrict)
  elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)  # fmt 9's buffers
    set(softwarp_false_alarms -Wno-array-bounds -Wno-stringop-overflow)
  endif()
  target_compile_options(softwarp_options INTERFACE
    $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:${softwarp_false_alarms}>>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)  # std::stable_sort of libstdc++ 12 calls a function that C++17 deprecates
  target_compile_options(softwarp_options INTERFACE $<BUILD_INTERFACE:-Wno-deprecated-declarations>)
endif()
if(SOFTWARP_SANITIZE)
  target_compile_options(softwarp_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SOFTWARP_SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>)
  target_link_options(softwarp_options INTERFACE -fsanitize=${SOFTWARP_SANITIZE})
endif()
# What counts the lines of ours that run; not those of the tests, whose loops it would slow down ten times.
add_library(softwarp_coverage INTERFACE)
if(SOFTWARP_COVERAGE)
  target_compile_options(softwarp_coverage INTERFACE --coverage -fprofile-update=single)
  target_link_options(softwarp_options INTERFACE --coverage)
endif()

include(${CMAKE_CURRENT_LIST_DIR}/choose_cuda.cmake)
if(SOFTWARP_WITH_CUDA)
  include(${CMAKE_CURRENT_LIST_DIR}/cuda.cmake)
endif()
include(${CMAKE_CURRENT_LIST_DIR}/rules.cmake)
