// Handlers of XLA's custom calls on the CPU, which softwarp.jax registers. They call the functions of
// softwarp.h.

#include "host/c/xla.h"

#include <softwarp/softwarp.h>

#include <cstdint>
#include <new>
#include <vector>

namespace softwarp::xla {
namespace {

struct Shape {
  softwarp_dtype dtype;
  std::int64_t rows, cols;
};

// A type that softwarp has not becomes a dtype that softwarp.h has not, which the call refuses.
softwarp_dtype dtype_of(DataType type) {
  switch (type) {
    case DataType::f32: return SOFTWARP_FLOAT32;
    case DataType::f64: return SOFTWARP_FLOAT64;
    case DataType::f16: return SOFTWARP_FLOAT16;
    case DataType::bf16: return SOFTWARP_BFLOAT16;
    default: return -1;
  }
}

Shape shape_of(const Buffer& buffer) {
  Shape shape{dtype_of(buffer.dtype), 1, 0};
  for (std::int64_t d = 0; d + 1 < buffer.rank; ++d) shape.rows *= buffer.dims[d];
  if (buffer.rank > 0) shape.cols = buffer.dims[buffer.rank - 1];
  return shape;
}

ErrorCode code_of(softwarp_status status) {
  switch (status) {
    case SOFTWARP_INVALID_ARGUMENT: return ErrorCode::invalid_argument;
    case SOFTWARP_UNSUPPORTED: return ErrorCode::unimplemented;
    case SOFTWARP_OUT_OF_MEMORY: return ErrorCode::resource_exhausted;
    default: return ErrorCode::internal;
  }
}

// XLA asks a handler for its version when it is registered.
bool answers_version(const CallFrame& frame) {
  if (frame.extensions == nullptr || frame.extensions->type != Extension::kMetadata) return false;
  Metadata& metadata = *reinterpret_cast<MetadataExtension*>(frame.extensions)->metadata;
  metadata.version = {sizeof(Version), nullptr, kMajorVersion, kMinorVersion};
  metadata.traits = 0;
  return true;
}

// Null: success.
template <class Call>
Error* handle(const CallFrame& frame, Call call) {
  if (answers_version(frame)) return nullptr;
  ErrorArguments error{sizeof(ErrorArguments), nullptr, "", ErrorCode::internal};
  try {
    const softwarp_status status = call(frame.arguments.values, frame.results.values);
    if (status == SOFTWARP_SUCCESS) return nullptr;
    error.message = softwarp_last_error();
    error.code = code_of(status);
  } catch (const std::bad_alloc&) {  // of widened targets; the functions of softwarp.h throw nothing
    error.message = "out of memory";
    error.code = ErrorCode::resource_exhausted;
  }
  return frame.api->create_error(&error);
}

template <auto kOp>
Error* forward(const CallFrame& frame) {
  return handle(frame, [](Buffer** in, Buffer** out) {
    const Shape s = shape_of(*in[0]);
    return kOp(SOFTWARP_CPU, s.dtype, s.rows, s.cols, in[0]->data, s.cols, out[0]->data, s.cols, nullptr, 0,
               nullptr);
  });
}

template <auto kOp>
Error* backward(const CallFrame& frame) {
  return handle(frame, [](Buffer** in, Buffer** out) {
    const Shape s = shape_of(*in[0]);
    return kOp(SOFTWARP_CPU, s.dtype, s.rows, s.cols, in[0]->data, s.cols, in[1]->data, s.cols, out[0]->data,
               s.cols, nullptr, 0, nullptr);
  });
}

// JAX's labels are of 32 bits, softwarp's targets of 64.
std::vector<std::int64_t> widened(const Buffer& labels, std::int64_t rows) {
  const auto* const values = static_cast<const std::int32_t*>(labels.data);
  return {values, values + rows};
}

// The attributes are sorted by name: ignore_index, label_smoothing.
softwarp_loss_options options_of(const CallFrame& frame) {
  const Buffers& in = frame.arguments;
  Scalar** const attributes = frame.attributes.values;
  return {.class_weights = in.size > 2 ? in.values[2]->data : nullptr,
          .label_smoothing = *static_cast<const double*>(attributes[1]->value),
          .ignore_index = *static_cast<const std::int64_t*>(attributes[0]->value),
          .reduction = SOFTWARP_NONE,
          .dloss = nullptr};
}

}  // namespace

Error* softwarp_xla_softmax(CallFrame* frame) { return forward<softwarp_softmax>(*frame); }
Error* softwarp_xla_log_softmax(CallFrame* frame) { return forward<softwarp_log_softmax>(*frame); }
Error* softwarp_xla_softmax_backward(CallFrame* frame) { return backward<softwarp_softmax_backward>(*frame); }
Error* softwarp_xla_log_softmax_backward(CallFrame* frame) {
  return backward<softwarp_log_softmax_backward>(*frame);
}

Error* softwarp_xla_cross_entropy(CallFrame* frame) {
  return handle(*frame, [frame](Buffer** in, Buffer** out) {
    const Shape s = shape_of(*in[0]);
    const std::vector<std::int64_t> targets = widened(*in[1], s.rows);
    const softwarp_loss_options options = options_of(*frame);
    void* const gradient = frame->results.size > 1 ? out[1]->data : nullptr;
    return softwarp_cross_entropy(SOFTWARP_CPU, s.dtype, s.rows, s.cols, in[0]->data, s.cols, targets.data(),
                                  &options, out[0]->data, gradient, s.cols, nullptr);
  });
}

}  // namespace softwarp::xla
