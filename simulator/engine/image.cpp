#include "simulator/engine/image.h"

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace softwarp::simulator {

namespace {

bool is_code(const Elf64_Shdr& section) { return (section.sh_flags & SHF_EXECINSTR) != 0; }

struct Function {
  std::string_view name;
  std::set<std::uintptr_t> callees;
  std::set<std::uintptr_t> variables;  // by their place in thread-local storage
};

class Image {
 public:
  Image() : bytes_(read("/proc/self/exe")) {
    const auto* header = at<Elf64_Ehdr>(0);
    sections_ = {at<Elf64_Shdr>(header->e_shoff), header->e_shnum};
    for (const Elf64_Shdr& section : sections_)
      if (section.sh_type == SHT_SYMTAB) read_symbols(section);
    for (const Elf64_Shdr& section : sections_)
      if (section.sh_type == SHT_RELA && is_code(sections_[section.sh_info])) read_references(section);
  }

  // Null: there is none. Some programs lie where their file says, others elsewhere.
  const Function* function(const void* pointer) const {
    Dl_info info;
    if (dladdr(pointer, &info) == 0) return nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(pointer);
    for (const auto offset : {address - reinterpret_cast<std::uintptr_t>(info.dli_fbase), address})
      if (const auto found = functions_.find(offset); found != functions_.end()) return &found->second;
    return nullptr;
  }

  bool has_references() const { return has_references_; }

  std::size_t shared_bytes(const Function& kernel) const {
    std::set<const Function*> reached{&kernel};
    std::vector<const Function*> next{&kernel};
    std::set<std::uintptr_t> variables;
    while (!next.empty()) {
      const Function& f = *next.back();
      next.pop_back();
      variables.insert(f.variables.begin(), f.variables.end());
      for (const auto callee : f.callees)
        if (const auto found = functions_.find(callee); found != functions_.end())
          if (reached.insert(&found->second).second) next.push_back(&found->second);
    }
    constexpr std::size_t kAlignment = 16;  // of the dynamic part, which nvcc puts behind them
    std::size_t bytes = 0;
    for (const auto variable : variables) bytes += variables_.at(variable);
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

 private:
  static std::string read(const char* path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::string bytes(static_cast<std::size_t>(file.tellg()), '\0');
    file.seekg(0).read(bytes.data(), std::ssize(bytes));
    return bytes;
  }
  template <class T>
  const T* at(std::uintptr_t offset) const {
    return reinterpret_cast<const T*>(bytes_.data() + offset);
  }
  template <class T>
  std::span<const T> entries(const Elf64_Shdr& section) const {
    return {at<T>(section.sh_offset), section.sh_size / sizeof(T)};
  }

  void read_symbols(const Elf64_Shdr& section) {
    const char* const names = at<char>(sections_[section.sh_link].sh_offset);
    for (const Elf64_Sym& symbol : entries<Elf64_Sym>(section)) {
      const std::string_view name = names + symbol.st_name;
      if (symbol.st_shndx == SHN_UNDEF) continue;
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) functions_[symbol.st_value].name = name;
      if (ELF64_ST_TYPE(symbol.st_info) == STT_TLS && name != "_ZN8softwarp14dynamic_sharedE")
        variables_[symbol.st_value] = symbol.st_size;
    }
  }

  // Each place in code where the linker put an address, and what lies there.
  void read_references(const Elf64_Shdr& section) {
    constexpr int kBehindTheField = 4;  // a jump counts from there
    has_references_ = true;
    const auto symbols = entries<Elf64_Sym>(sections_[section.sh_link]);
    for (const Elf64_Rela& reference : entries<Elf64_Rela>(section)) {
      Function* const function = around(reference.r_offset);
      const Elf64_Sym& symbol = symbols[ELF64_R_SYM(reference.r_info)];
      if (function == nullptr || symbol.st_shndx == SHN_UNDEF) continue;
      if (ELF64_ST_TYPE(symbol.st_info) == STT_TLS) {
        if (variables_.contains(symbol.st_value)) function->variables.insert(symbol.st_value);
        continue;
      }
      if (symbol.st_shndx >= sections_.size() || !is_code(sections_[symbol.st_shndx])) continue;
      std::uintptr_t target = symbol.st_value;
      if (ELF64_ST_TYPE(symbol.st_info) == STT_SECTION)
        target += static_cast<std::uintptr_t>(reference.r_addend + kBehindTheField);
      if (const auto callee = functions_.upper_bound(target); callee != functions_.begin())
        function->callees.insert(std::prev(callee)->first);
    }
  }

  Function* around(std::uintptr_t address) {
    const auto behind = functions_.upper_bound(address);
    return behind == functions_.begin() ? nullptr : &std::prev(behind)->second;
  }

  std::string bytes_;
  std::span<const Elf64_Shdr> sections_;
  std::map<std::uintptr_t, Function> functions_;     // by address
  std::map<std::uintptr_t, std::size_t> variables_;  // the shared ones' sizes
  bool has_references_ = false;
};

const Image& image() {
  static const auto& read = *new Image;
  return read;
}

}  // namespace

std::string function_name(const void* function) {
  const Function* found = image().function(function);
  return found == nullptr ? std::string() : std::string(found->name);
}

std::size_t static_shared_bytes(const void* kernel) {
  static auto& known = *new std::map<const void*, std::size_t>;
  if (const auto found = known.find(kernel); found != known.end()) return found->second;
  const Function* const function = image().function(kernel);
  if (function == nullptr || !image().has_references())
    throw std::logic_error("a program of the simulator is linked with --emit-relocs, and keeps its symbols");
  return known[kernel] = image().shared_bytes(*function);
}

}  // namespace softwarp::simulator
