#pragma once

// The program's own file: its functions, what their code calls, and the variables it refers to. The linker
// keeps that where it is told to (--emit-relocs).

#include <cstddef>
#include <string>

namespace softwarp::simulator {

// Mangled; empty where the program has no such function.
std::string function_name(const void* function);

// The `__shared__` variables that a kernel's code reaches, whether or not a launch comes past them: nvcc
// counts the same ones. Dynamic shared memory is not among them.
std::size_t static_shared_bytes(const void* kernel);

}  // namespace softwarp::simulator
