#include "host/io/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <softwarp/error.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <tuple>
#include <utility>

#include "host/io/file.h"
#include "host/io/safetensors_header.h"

namespace softwarp {
namespace {

using namespace safetensors;

static_assert(std::endian::native == std::endian::little, "tensors are stored as they lie in memory");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kAlignment = 8;

struct Dtype {
  std::string_view name;
  std::uint64_t bits;
};

constexpr std::array kDtypes{
    Dtype{"BOOL", 8},    Dtype{"F4", 4},          Dtype{"F6_E2M3", 6},     Dtype{"F6_E3M2", 6},
    Dtype{"U8", 8},      Dtype{"I8", 8},          Dtype{"F8_E5M2", 8},     Dtype{"F8_E4M3", 8},
    Dtype{"F8_E8M0", 8}, Dtype{"F8_E4M3FNUZ", 8}, Dtype{"F8_E5M2FNUZ", 8}, Dtype{"I16", 16},
    Dtype{"U16", 16},    Dtype{"F16", 16},        Dtype{"BF16", 16},       Dtype{"I32", 32},
    Dtype{"U32", 32},    Dtype{"F32", 32},        Dtype{"C64", 64},        Dtype{"F64", 64},
    Dtype{"I64", 64},    Dtype{"U64", 64}};

// 0 if there is no such type.
std::uint64_t bits_of(std::string_view dtype) {
  const auto found =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const Dtype& d) { return d.name == dtype; });
  return found == kDtypes.end() ? 0 : found->bits;
}

// Nothing if that is no whole number of bytes, or one beyond 64 bits.
std::optional<std::uint64_t> bytes_of(const Tensor& tensor) {
  std::uint64_t bits = 1;
  for (const std::int64_t size : tensor.shape)
    if (size < 0 || __builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits))
      return std::nullopt;
  if (__builtin_mul_overflow(bits, bits_of(tensor.dtype), &bits) || bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

// A file opened for reading, with errors that name it.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path) : path_(path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) fail(path, "a file", "no such file");
    if (is_directory(status)) fail(path, "a file", "a directory");
    // A pipe could keep the program waiting for ever.
    if (exists(status) && !is_regular_file(status)) fail(path, "a regular file", "something else");
    file_.reset(std::fopen(path.c_str(), "rb"));
    if (!file_) fail_by(errno);
    size_ = std::filesystem::file_size(path, error);
    if (error) fail(path, "a readable file", error.message());
  }

  std::uint64_t size() const { return size_; }

  void read(void* to, std::size_t bytes) {
    const std::size_t found = std::fread(to, 1, bytes, file_.get());
    if (std::ferror(file_.get())) fail_by(errno);
    if (found != bytes) fail(path_, fmt::format("a file of {} bytes", size_), "one that ended earlier");
  }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  [[noreturn]] void fail_by(int error) const {
    fail(path_, "a readable file", std::generic_category().message(error));
  }

  const std::filesystem::path& path_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::uint64_t size_ = 0;
};

std::string read_header(InputFile& file, const std::filesystem::path& path) {
  std::uint64_t length = 0;
  if (file.size() < sizeof(length))
    fail(path, "a safetensors file of at least 8 bytes", fmt::format("{}", file.size()));
  file.read(&length, sizeof(length));
  const std::uint64_t most = std::min(kMaxHeaderBytes, file.size() - sizeof(length));
  if (length > most)
    fail(path, fmt::format("a safetensors header of at most {} bytes", most), fmt::format("{}", length));
  std::string header(length, ' ');
  file.read(header.data(), header.size());
  if (!header.starts_with('{')) fail(path, "a safetensors header that starts with {", "none");
  // The parser would take it for the end of the text.
  if (const auto zero = header.find('\0'); zero != std::string::npos)
    fail(path, "JSON in UTF-8", fmt::format("a zero at byte {} of the header", zero + 1));
  return header;
}

void check_names(const std::vector<Entry>& entries, const std::filesystem::path& path) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.push_back(entry.tensor.name);
  std::sort(names.begin(), names.end());
  if (const auto twin = std::adjacent_find(names.begin(), names.end()); twin != names.end())
    fail(path, "each key once", "two of " + shown(*twin));
}

// The tensors, in the order of their data, fill all of it without gaps.
void check_layout(const std::vector<Entry>& entries, std::uint64_t data_bytes,
                  const std::filesystem::path& path) {
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    const std::string name = shown(entry.tensor.name);
    if (bits_of(entry.tensor.dtype) == 0)
      fail(path, fmt::format("a known dtype of {}", name), shown(entry.tensor.dtype));
    const auto bytes = bytes_of(entry.tensor);
    if (!bytes) fail(path, fmt::format("a size of {} in whole bytes, within 64 bits", name), "another");
    if (entry.begin != position || entry.end < entry.begin || entry.end - entry.begin != *bytes)
      fail(path, fmt::format("{} at bytes {} to {} of the data", name, position, position + *bytes),
           fmt::format("{} to {}", entry.begin, entry.end));
    position = entry.end;
  }
  if (position != data_bytes)
    fail(path, fmt::format("{} bytes of data", position), fmt::format("{}", data_bytes));
}

std::string header_of(const SafetensorsFile& file, const std::vector<const Tensor*>& tensors) {
  std::string header = "{";
  if (!file.metadata.empty()) {
    header += fmt::format("\"{}\":{{", kMetadata);
    for (bool first = true; const auto& [key, text] : file.metadata)
      header +=
          fmt::format("{}{}:{}", std::exchange(first, false) ? "" : ",", json_string(key), json_string(text));
    header += "}";
  }
  std::uint64_t position = 0;
  for (const Tensor* tensor : tensors) {
    if (header.size() > 1) header += ",";
    header +=
        fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", json_string(tensor->name),
                    tensor->dtype, fmt::join(tensor->shape, ","), position, position + tensor->data.size());
    position += tensor->data.size();
  }
  header += "}";
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return header;
}

}  // namespace

std::string shown_name(std::string_view name) { return shown(name); }

const Tensor* SafetensorsFile::find(std::string_view name) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  InputFile input(path);
  SafetensorsHeader reader(path);
  std::uint64_t data_bytes = input.size() - sizeof(std::uint64_t);
  {
    const std::string header = read_header(input, path);
    data_bytes -= header.size();
    nlohmann::json::sax_parse(header, &reader);
  }
  std::stable_sort(reader.entries.begin(), reader.entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  check_names(reader.entries, path);
  check_layout(reader.entries, data_bytes, path);

  SafetensorsFile file{.metadata = std::move(reader.metadata), .tensors = {}};
  file.tensors.reserve(reader.entries.size());
  for (Entry& entry : reader.entries) {
    entry.tensor.data.resize(entry.end - entry.begin);
    input.read(entry.tensor.data.data(), entry.tensor.data.size());
    file.tensors.push_back(std::move(entry.tensor));
  }
  return file;
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file) {
  std::vector<const Tensor*> tensors;
  std::vector<std::string_view> names{kMetadata};
  for (const Tensor& tensor : file.tensors) {
    expects(bits_of(tensor.dtype) > 0, "tensors of a known type");
    expects(bytes_of(tensor) == tensor.data.size(), "data of the size that type and shape ask for");
    tensors.push_back(&tensor);
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  expects(std::adjacent_find(names.begin(), names.end()) == names.end(), "tensors of different names");
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const Tensor* a, const Tensor* b) { return bits_of(a->dtype) > bits_of(b->dtype); });

  const std::string header = header_of(file, tensors);
  expects(header.size() <= kMaxHeaderBytes, "a header of at most 100,000,000 bytes");
  const std::uint64_t length = header.size();
  std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span(&length, 1)),
                                                std::as_bytes(std::span(header))};
  for (const Tensor* tensor : tensors) parts.push_back(tensor->data);
  write_file_atomically(path, parts);
}

}  // namespace softwarp
