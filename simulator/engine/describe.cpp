// The words of an error: which kernel, which block, which thread, which line.

#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <memory>

#include "simulator/engine/image.h"
#include "simulator/engine/kernel.h"

namespace softwarp::simulator {

namespace {

std::string triple(const uint3& v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

// "void ns::(anonymous namespace)::f<ns::T>(int)" becomes "f<ns::T>".
std::string short_name(std::string name) {
  const std::string unnamed = "(anonymous namespace)::";
  for (auto at = name.find(unnamed); at != std::string::npos; at = name.find(unnamed))
    name.erase(at, unnamed.size());
  std::size_t begin = 0, end = name.size();
  int depth = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (depth > 0) continue;
    if (name[i] == '(') {
      end = i;
      break;
    }
    if (name[i] == ' ' || name[i] == ':') begin = i + 1;
  }
  return name.substr(begin, end - begin);
}

}  // namespace

const std::string& symbol_name(const void* function) {
  static auto& known = *new std::map<const void*, std::string>;
  std::string& name = known[function];
  if (!name.empty()) return name;
  name = function_name(function);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  if (status == 0) name = short_name(demangled.get());
  if (name.empty()) name = "kernel without a name";
  return name;
}

std::string describe(const Thread& thread) {
  const Block& block = *thread.warp->block;
  return "kernel " + symbol_name(block.cluster->launch->kernel) + ", block " + triple(block.index) +
         ", thread " + triple(thread.index);
}

std::string describe(const std::source_location& where) {
  const std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

}  // namespace softwarp::simulator
