#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/data/temporary_files.h"

namespace softwarp {

// A safetensors file of this header and so many bytes of data 0, 1, 2, ..., whether or not they fit.
inline Bytes safetensors_bytes(std::string_view header, std::size_t data = 0) {
  Bytes file;
  for (int shift = 0; shift < 64; shift += 8)
    file.push_back(static_cast<std::uint8_t>(header.size() >> shift));
  file.insert(file.end(), header.begin(), header.end());
  for (std::size_t i = 0; i < data; ++i) file.push_back(static_cast<std::uint8_t>(i));
  return file;
}

// {"NAME":{"dtype":...,"shape":[...],"data_offsets":[...]}} without the outer braces.
inline std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                         std::string_view offsets) {
  return "\"" + std::string(name) + R"(":{"dtype":")" + std::string(dtype) + R"(","shape":[)" +
         std::string(shape) + R"(],"data_offsets":[)" + std::string(offsets) + "]}";
}

}  // namespace softwarp
