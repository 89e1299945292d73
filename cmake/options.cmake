# What every target of this project is compiled with, and what can be switched off.

option(SOFTWARP_TESTS "Build the tests" ON)
option(SOFTWARP_BENCHES "Build the benchmarks" ON)
option(SOFTWARP_SANITIZE "Compile with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_library(softwarp_options INTERFACE)
target_include_directories(softwarp_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(softwarp_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
if(SOFTWARP_SANITIZE)
  target_compile_options(softwarp_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                                                    -fno-omit-frame-pointer)
  target_link_options(softwarp_options INTERFACE -fsanitize=address,undefined)
endif()
