# The flags of every target of this project, and the options that switch parts on and off. As a part of another project
# (add_subdirectory, FetchContent) softwarp is its libraries alone, and leaves the parent's settings as they are.
include(CMakeDependentOption)

option(SOFTWARP_HOST "Build softwarp::host, the trainer and the libraries below it" ON)
option(SOFTWARP_C "Build softwarp::c, the shared library with a C interface" ON)
option(SOFTWARP_PYTHON "Install libsoftwarp.so into the Python package, as pyproject.toml asks" OFF)
option(SOFTWARP_INSTALL "Make the rules that install what is built" ${PROJECT_IS_TOP_LEVEL})
cmake_dependent_option(SOFTWARP_PROGRAM "Build the program" ${PROJECT_IS_TOP_LEVEL} SOFTWARP_HOST OFF)
cmake_dependent_option(SOFTWARP_TESTS "Build the tests, which are of all components" ${PROJECT_IS_TOP_LEVEL}
                       "SOFTWARP_HOST;SOFTWARP_C;SOFTWARP_PROGRAM" OFF)
cmake_dependent_option(SOFTWARP_BENCHES "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL} SOFTWARP_HOST OFF)
option(SOFTWARP_MPI "Let the program train in several processes where MPI is found" ON)
option(SOFTWARP_FUZZERS "Build the fuzzers, which need Clang" OFF)
option(SOFTWARP_THREAD_TESTS "Build the tests that are meant for ThreadSanitizer" OFF)
option(SOFTWARP_PRECOMPILE "Precompile the headers that most sources of the tests and the program include" OFF)
option(SOFTWARP_COVERAGE "Count which lines run (gcov)" OFF)
set(SOFTWARP_SANITIZE "" CACHE STRING "Sanitizers to compile with, such as address,undefined")
set(SOFTWARP_CUDA AUTO CACHE STRING "Build the CUDA backend: ON, OFF, or AUTO (where nvcc and a GPU are found)")
set_property(CACHE SOFTWARP_CUDA PROPERTY STRINGS AUTO ON OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
  find_program(SOFTWARP_CCACHE ccache)
  mark_as_advanced(SOFTWARP_CCACHE)
  if(SOFTWARP_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${SOFTWARP_CCACHE})
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${SOFTWARP_CCACHE})
  endif()
else()
  # The parent may use a compiler that nobody has tried here: its warnings about softwarp are no errors.
  set(CMAKE_COMPILE_WARNING_AS_ERROR OFF)
endif()

add_library(softwarp_options INTERFACE)
target_compile_features(softwarp_options INTERFACE cxx_std_20)
target_include_directories(softwarp_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# Every target that links softwarp_options gets these flags, so a parent project would, too.
if(PROJECT_IS_TOP_LEVEL)
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
endif()
if(SOFTWARP_SANITIZE)
  target_compile_options(softwarp_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SOFTWARP_SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>)
  target_link_options(softwarp_options INTERFACE -fsanitize=${SOFTWARP_SANITIZE})
endif()
# Counts the lines of the product that run. The tests do without it: it would slow their loops down ten times.
add_library(softwarp_coverage INTERFACE)
if(SOFTWARP_COVERAGE)
  target_compile_options(softwarp_coverage INTERFACE --coverage -fprofile-update=single)
  target_link_options(softwarp_options INTERFACE --coverage)
endif()

include(${CMAKE_CURRENT_LIST_DIR}/choose_cuda.cmake)
if(SOFTWARP_WITH_CUDA)
  include(${CMAKE_CURRENT_LIST_DIR}/cuda.cmake)
elseif(NOT SOFTWARP_HOST AND NOT SOFTWARP_C)
  message(FATAL_ERROR "softwarp: nothing to build: SOFTWARP_HOST and SOFTWARP_C are OFF, and CUDA is not built")
endif()
include(${CMAKE_CURRENT_LIST_DIR}/rules.cmake)
