#pragma once

// The part of XLA's foreign function interface that a handler on the CPU reads and writes. It is a stable C
// ABI, which XLA checks when a handler is registered, by the version that the handler answers. Layouts:
// xla/ffi/api/c_api.h, which comes with jaxlib; it is not there when this library is built.

#include <cstddef>
#include <cstdint>

namespace softwarp::xla {

// The oldest version whose layouts are those below.
inline constexpr int kMajorVersion = 0, kMinorVersion = 1;

enum class ErrorCode : int {
  invalid_argument = 3,
  resource_exhausted = 8,
  unimplemented = 12,
  internal = 13
};
enum class DataType : int { s32 = 4, s64 = 5, f16 = 10, f32 = 11, f64 = 12, bf16 = 16 };

struct Error;  // XLA's own

struct Extension {
  static constexpr int kMetadata = 1;
  std::size_t struct_size;
  int type;
  Extension* next;
};

struct Version {
  std::size_t struct_size;
  Extension* extensions;
  int major_version, minor_version;
};

struct Metadata {
  std::size_t struct_size;
  Version version;
  std::uint32_t traits;
};

struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct ErrorArguments {
  std::size_t struct_size;
  Extension* extensions;
  const char* message;
  ErrorCode code;
};

struct Api {
  std::size_t struct_size;
  Extension* extensions;
  Version version;
  const void* internal;
  Error* (*create_error)(ErrorArguments*);
};

struct Buffer {
  std::size_t struct_size;
  Extension* extensions;
  DataType dtype;
  void* data;
  std::int64_t rank;
  const std::int64_t* dims;
};

struct Buffers {
  std::size_t struct_size;
  Extension* extensions;
  std::int64_t size;
  const int* types;
  Buffer** values;
};

struct Scalar {
  DataType dtype;
  const void* value;
};

// Sorted by name.
struct Attributes {
  std::size_t struct_size;
  Extension* extensions;
  std::int64_t size;
  const int* types;
  const void* names;
  Scalar** values;
};

struct CallFrame {
  std::size_t struct_size;
  Extension* extensions;
  const Api* api;
  void* context;
  int stage;
  Buffers arguments, results;
  Attributes attributes;
};

// The handlers. A row is the last dimension of a packed buffer. They return null for success.
extern "C" {
Error* softwarp_xla_softmax(CallFrame* frame);               // (x) -> y
Error* softwarp_xla_log_softmax(CallFrame* frame);           // (x) -> y
Error* softwarp_xla_softmax_backward(CallFrame* frame);      // (y, dy) -> dx
Error* softwarp_xla_log_softmax_backward(CallFrame* frame);  // (y, dy) -> dx
// (logits, targets of 32 bits[, class weights]) -> losses of rows[, their gradients]; the attributes are
// ignore_index, of 64 bits, and label_smoothing, double
Error* softwarp_xla_cross_entropy(CallFrame* frame);
}

}  // namespace softwarp::xla
