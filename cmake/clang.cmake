# A toolchain file: the newest Clang that there is of those that scripts/packages.txt names.
find_program(CMAKE_CXX_COMPILER NAMES clang++-19 clang++-18 clang++-17 clang++-16 REQUIRED)
