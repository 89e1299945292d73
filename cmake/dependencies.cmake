# System packages, each only where a component needs it; scripts/packages.txt lists their Debian names.

set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL TRUE)  # a parent project links them, too
if(SOFTWARP_HOST OR SOFTWARP_C)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(highway REQUIRED IMPORTED_TARGET GLOBAL libhwy libhwy-contrib)
endif()

if(SOFTWARP_HOST OR SOFTWARP_WITH_CUDA)
  find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)
  add_library(softwarp_random123 INTERFACE)
  target_include_directories(softwarp_random123 SYSTEM INTERFACE $<BUILD_INTERFACE:${RANDOM123_INCLUDE_DIR}>)
  # nvcc 12.4 cannot read g++ 13's <x86intrin.h>, which Random123 includes and Philox does not use.
  target_compile_definitions(softwarp_random123 INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:R123_USE_X86INTRIN_H=0;R123_USE_SSE=0;R123_USE_AES_NI=0>")
endif()

if(SOFTWARP_HOST)
  find_package(ZLIB REQUIRED)
  find_package(fmt REQUIRED)
  find_package(nlohmann_json REQUIRED)
  find_package(dnnl REQUIRED)
  pkg_check_modules(leptonica REQUIRED IMPORTED_TARGET GLOBAL lept)
  pkg_check_modules(turbojpeg REQUIRED IMPORTED_TARGET GLOBAL libturbojpeg)
  find_package(PNG REQUIRED)
  find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_writer.hpp REQUIRED)
  find_path(BOOST_CRC_INCLUDE_DIR boost/crc.hpp REQUIRED)
  add_library(softwarp_event_format INTERFACE)
  target_include_directories(softwarp_event_format SYSTEM INTERFACE ${PROTOZERO_INCLUDE_DIR} ${BOOST_CRC_INCLUDE_DIR})
endif()
# Several processes that train together: found or not, never required.
set(SOFTWARP_WITH_MPI OFF)
if(SOFTWARP_PROGRAM AND SOFTWARP_MPI)
  pkg_check_modules(mpi IMPORTED_TARGET GLOBAL mpi-c)
  set(SOFTWARP_WITH_MPI ${mpi_FOUND})
endif()
if(SOFTWARP_PROGRAM)
  message(STATUS "softwarp: training in several processes (MPI): ${SOFTWARP_WITH_MPI}")
endif()
if(SOFTWARP_PROGRAM OR SOFTWARP_FUZZERS)
  find_package(CLI11 REQUIRED)
  find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
  add_library(softwarp_toml INTERFACE)  # its headers alone
  target_include_directories(softwarp_toml SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE_DIR})
endif()

if(SOFTWARP_TESTS OR SOFTWARP_FUZZERS OR SOFTWARP_THREAD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SOFTWARP_BENCHES)
  find_package(benchmark REQUIRED)
endif()
