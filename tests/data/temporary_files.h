#pragma once

#include <gtest/gtest.h>
#include <softwarp/error.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace softwarp {

using Bytes = std::vector<std::uint8_t>;

// A directory of its own, gone with its contents at the end of the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const Bytes& bytes) const;

 private:
  std::filesystem::path path_;
};

// Root may read and write everything: while one of these exists, a test that root runs is nobody.
class AsNobody {
 public:
  AsNobody();
  ~AsNobody();
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool was_root_;
};

// An IDX file of unsigned bytes with these dimensions, whether or not the elements fit them.
Bytes idx_file(std::initializer_list<std::uint32_t> dimensions, const Bytes& elements);

Bytes gzip(const Bytes& bytes);
Bytes operator+(Bytes left, const Bytes& right);

// Expects an Error of one line that contains all of the parts.
template <class Function>
void expect_error(Function&& function, std::initializer_list<std::string_view> parts) {
  try {
    function();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const auto part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << message << " lacks " << part;
  }
}

}  // namespace softwarp
