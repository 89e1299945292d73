// The functions of softwarp.h on matrices.

#include "host/c/checks.h"

namespace softwarp::c {
namespace {

static_assert(SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES == kSplitRowWorkspaceBytes);
static_assert(sizeof(softwarp_cross_entropy_sums) == sizeof(CrossEntropySums));
static_assert(offsetof(softwarp_cross_entropy_sums, correct) == offsetof(CrossEntropySums, correct));
static_assert(offsetof(softwarp_cross_entropy_sums, finite_rows) == offsetof(CrossEntropySums, finite_rows));

softwarp_status forward(const char* function, RowFunction op, softwarp_device device, softwarp_dtype dtype,
                        std::int64_t rows, std::int64_t cols, const void* x, std::int64_t x_stride, void* y,
                        std::int64_t y_stride, void* workspace, std::size_t workspace_bytes, void* stream) {
  return answer(function, [&] {
    const RowOps& ops = ops_of(device);
    const Shape shape(dtype, rows, cols);
    const AnyMatrix from = shape.matrix("x", x, x_stride), to = shape.matrix("y", y, y_stride);
    demand_one_layout(from, to);
    const Resources on = resources(workspace, workspace_bytes, stream);
    if (rows > 0) ops.forward(op, from, to, on);
  });
}

softwarp_status backward(const char* function, RowFunction op, softwarp_device device, softwarp_dtype dtype,
                         std::int64_t rows, std::int64_t cols, const void* y, std::int64_t y_stride,
                         const void* dy, std::int64_t dy_stride, void* dx, std::int64_t dx_stride,
                         void* workspace, std::size_t workspace_bytes, void* stream) {
  return answer(function, [&] {
    const RowOps& ops = ops_of(device);
    const Shape shape(dtype, rows, cols);
    const AnyMatrix output = shape.matrix("y", y, y_stride), above = shape.matrix("dy", dy, dy_stride),
                    below = shape.matrix("dx", dx, dx_stride);
    demand_one_layout(output, below);
    demand_one_layout(above, below);
    const Resources on = resources(workspace, workspace_bytes, stream);
    if (rows > 0) ops.backward(op, output, above, below, on);
  });
}

}  // namespace
}  // namespace softwarp::c

using namespace softwarp;
using namespace softwarp::c;

extern "C" {

const char* softwarp_version(void) { return SOFTWARP_VERSION; }

const char* softwarp_status_name(softwarp_status status) {
  switch (status) {
    case SOFTWARP_SUCCESS: return "success";
    case SOFTWARP_INVALID_ARGUMENT: return "invalid argument";
    case SOFTWARP_UNSUPPORTED: return "unsupported";
    case SOFTWARP_DEVICE_ERROR: return "device error";
    case SOFTWARP_OUT_OF_MEMORY: return "out of memory";
    case SOFTWARP_INTERNAL_ERROR: return "internal error";
    case SOFTWARP_FILE_ERROR: return "file error";
    case SOFTWARP_DIVERGED: return "diverged";
    default: return "unknown status";
  }
}

const char* softwarp_last_error(void) { return last_error; }

softwarp_status softwarp_softmax(softwarp_device device, softwarp_dtype dtype, int64_t rows, int64_t cols,
                                 const void* x, int64_t x_stride, void* y, int64_t y_stride, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return forward(__func__, RowFunction::softmax, device, dtype, rows, cols, x, x_stride, y, y_stride,
                 workspace, workspace_bytes, stream);
}

softwarp_status softwarp_log_softmax(softwarp_device device, softwarp_dtype dtype, int64_t rows, int64_t cols,
                                     const void* x, int64_t x_stride, void* y, int64_t y_stride,
                                     void* workspace, size_t workspace_bytes, void* stream) {
  return forward(__func__, RowFunction::log_softmax, device, dtype, rows, cols, x, x_stride, y, y_stride,
                 workspace, workspace_bytes, stream);
}

softwarp_status softwarp_softmax_backward(softwarp_device device, softwarp_dtype dtype, int64_t rows,
                                          int64_t cols, const void* y, int64_t y_stride, const void* dy,
                                          int64_t dy_stride, void* dx, int64_t dx_stride, void* workspace,
                                          size_t workspace_bytes, void* stream) {
  return backward(__func__, RowFunction::softmax, device, dtype, rows, cols, y, y_stride, dy, dy_stride, dx,
                  dx_stride, workspace, workspace_bytes, stream);
}

softwarp_status softwarp_log_softmax_backward(softwarp_device device, softwarp_dtype dtype, int64_t rows,
                                              int64_t cols, const void* y, int64_t y_stride, const void* dy,
                                              int64_t dy_stride, void* dx, int64_t dx_stride, void* workspace,
                                              size_t workspace_bytes, void* stream) {
  return backward(__func__, RowFunction::log_softmax, device, dtype, rows, cols, y, y_stride, dy, dy_stride,
                  dx, dx_stride, workspace, workspace_bytes, stream);
}

softwarp_status softwarp_softmax_jacobian(softwarp_device device, softwarp_dtype dtype, int64_t rows,
                                          int64_t cols, const void* y, int64_t y_stride, void* jacobian,
                                          int64_t jacobian_stride, void* stream) {
  return answer(__func__, [&] {
    const RowOps& ops = ops_of(device);
    const Shape shape(dtype, rows, cols);
    const AnyMatrix from = shape.matrix("y", y, y_stride);
    demand(rows <= std::numeric_limits<int64_t>::max() / cols, "a Jacobian of less than 2^63 rows");
    const AnyMatrix to = Shape(dtype, rows * cols, cols).matrix("jacobian", jacobian, jacobian_stride);
    demand(!Bytes(from).overlaps(Bytes(to)), "a Jacobian in memory of its own");
    if (rows > 0) ops.jacobian(from, to, {{}, static_cast<cudaStream_t>(stream)});
  });
}

softwarp_status softwarp_cross_entropy_workspace_bytes(softwarp_device device, softwarp_dtype dtype,
                                                       int64_t rows, int64_t cols, size_t* bytes) {
  return answer(__func__, [&] {
    const RowOps& ops = ops_of(device);
    const Shape shape(dtype, rows, cols);
    demand(bytes != nullptr, "bytes, found NULL");
    *bytes = ops.cross_entropy_workspace_bytes({static_cast<DType>(dtype), nullptr, rows, cols, cols});
  });
}

softwarp_status softwarp_softmax_cross_entropy(softwarp_device device, softwarp_dtype dtype, int64_t rows,
                                               int64_t cols, const void* logits, int64_t logits_stride,
                                               const int32_t* targets,
                                               const softwarp_cross_entropy_options* options, float* losses,
                                               void* dlogits, int64_t dlogits_stride,
                                               softwarp_cross_entropy_sums* sums, void* workspace,
                                               size_t workspace_bytes, void* stream) {
  return answer(__func__, [&] {
    const RowOps& ops = ops_of(device);
    const auto [from, to] = Logits(Shape(dtype, rows, cols), logits, logits_stride, dlogits, dlogits_stride);
    CrossEntropyOptions chosen;
    if (options != nullptr)
      chosen = {.class_weights = options->class_weights,
                .label_smoothing = options->label_smoothing,
                .ignore_index = options->ignore_index};
    demand(chosen.label_smoothing >= 0 && chosen.label_smoothing <= 1, "label_smoothing in [0, 1]");
    if (chosen.class_weights != nullptr) demand_memory("class_weights", chosen.class_weights, alignof(float));
    if (losses != nullptr) demand_memory("losses", losses, alignof(float));
    demand_memory("sums", sums, alignof(softwarp_cross_entropy_sums));
    if (rows == 0) return;
    demand_memory("targets", targets, alignof(int32_t));
    const Bytes of_targets(targets, rows * std::int64_t{sizeof(int32_t)}),
        of_losses(losses, rows * std::int64_t{sizeof(float)}), of_sums(sums, sizeof *sums);
    for (const Bytes& input : {Bytes(from), of_targets}) {
      demand_apart(input, of_losses, "losses");
      demand_apart(input, of_sums, "sums");
    }
    demand_apart(of_targets, Bytes(to), "dlogits");
    const Resources on = resources(workspace, workspace_bytes, stream);
    const size_t needed = ops.cross_entropy_workspace_bytes(from);
    demand(on.workspace.bytes >= needed,
           std::to_string(needed) + " bytes of workspace, found " + std::to_string(on.workspace.bytes));
    ops.cross_entropy(from, targets, chosen, losses, to, reinterpret_cast<CrossEntropySums*>(sums), on);
  });
}

}  // extern "C"
