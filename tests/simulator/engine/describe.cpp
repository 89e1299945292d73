// The words of an error: which kernel, which block, which thread, which line.

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <span>

#include "tests/simulator/engine/kernel.h"

namespace softwarp::simulator {

namespace {

std::string triple(const uint3& v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

// Kernels have internal linkage, so the dynamic linker does not know them; the file's symbol table does.
// Maps the functions' offsets to their names.
std::map<std::uintptr_t, std::string> read_symbols(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string image{std::istreambuf_iterator<char>(file), {}};
  std::map<std::uintptr_t, std::string> found;
  if (image.size() < sizeof(Elf64_Ehdr)) return found;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image.data());
  const std::span sections(reinterpret_cast<const Elf64_Shdr*>(image.data() + header->e_shoff),
                           header->e_shnum);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB) continue;
    const char* names = image.data() + sections[section.sh_link].sh_offset;
    const std::span symbols(reinterpret_cast<const Elf64_Sym*>(image.data() + section.sh_offset),
                            section.sh_size / sizeof(Elf64_Sym));
    for (const Elf64_Sym& symbol : symbols)
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) found.emplace(symbol.st_value, names + symbol.st_name);
  }
  return found;
}

std::string mangled_name(const void* function) {
  static const auto symbols = read_symbols("/proc/self/exe");
  Dl_info info;
  if (dladdr(function, &info) == 0) return {};
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  for (const auto offset : {address - reinterpret_cast<std::uintptr_t>(info.dli_fbase), address})
    if (const auto symbol = symbols.find(offset); symbol != symbols.end()) return symbol->second;
  return {};
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
  name = mangled_name(function);
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
