// The functions of softwarp.h along any axis, argmax, and cross-entropy with reductions.

#include "host/c/checks.h"

namespace softwarp::c {
namespace {

static_assert(SOFTWARP_NONE == static_cast<int>(Reduction::none));
static_assert(SOFTWARP_SUM == static_cast<int>(Reduction::sum));
static_assert(SOFTWARP_MEAN == static_cast<int>(Reduction::mean));

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

AxisShape axis_shape(softwarp_dtype dtype, std::int64_t outer, std::int64_t cols, std::int64_t inner) {
  const auto size = static_cast<std::int64_t>(size_of(dtype));
  demand_at_least("outer", outer, 0);
  demand_at_least("cols", cols, 1);
  demand_at_least("inner", inner, 0);
  demand(outer == 0 || inner == 0 || cols <= kMost / size / outer / inner, "tensors of less than 2^63 bytes");
  return {static_cast<DType>(dtype), outer, cols, inner};
}

// The result is one of the inputs or shares nothing with them.
void demand_tensors(const AxisShape& shape, std::initializer_list<const void*> inputs, const void* output) {
  const std::size_t size = size_of(static_cast<softwarp_dtype>(shape.dtype));
  const std::int64_t bytes = shape.size() * static_cast<std::int64_t>(size);
  demand_memory("result", output, size);
  for (const void* input : inputs) {
    demand_memory("input", input, size);
    if (input != output)
      demand_apart(Bytes(input, bytes), Bytes(output, bytes), "a result in the input's memory, or");
  }
}

softwarp_status forward_axis(const char* function, RowFunction op, softwarp_device device,
                             softwarp_dtype dtype, std::int64_t outer, std::int64_t cols, std::int64_t inner,
                             const void* x, void* y, void* stream) {
  return answer(function, [&] {
    const RowOps& ops = ops_of(device);
    const AxisShape shape = axis_shape(dtype, outer, cols, inner);
    if (shape.size() == 0) return;
    demand_tensors(shape, {x}, y);
    ops.forward_axis(op, shape, x, y, resources(nullptr, 0, stream));
  });
}

softwarp_status backward_axis(const char* function, RowFunction op, softwarp_device device,
                              softwarp_dtype dtype, std::int64_t outer, std::int64_t cols, std::int64_t inner,
                              const void* y, const void* dy, void* dx, void* stream) {
  return answer(function, [&] {
    const RowOps& ops = ops_of(device);
    const AxisShape shape = axis_shape(dtype, outer, cols, inner);
    if (shape.size() == 0) return;
    demand_tensors(shape, {y, dy}, dx);
    ops.backward_axis(op, shape, y, dy, dx, resources(nullptr, 0, stream));
  });
}

// Checks the options, and that the results lie apart from what is read.
void demand_loss(const Loss& loss) {
  const std::int64_t rows = loss.logits.rows;
  const auto dtype = static_cast<softwarp_dtype>(loss.logits.dtype);
  const auto size = static_cast<std::int64_t>(size_of(dtype));
  const std::int64_t of_weight = dtype == SOFTWARP_FLOAT64 ? 8 : 4;
  const std::int64_t losses = loss.reduction == Reduction::none ? rows : 1;
  demand(loss.label_smoothing >= 0 && loss.label_smoothing <= 1, "label_smoothing in [0, 1]");
  if (losses > 0) demand_memory("loss", loss.loss, size_of(dtype));
  if (rows > 0) demand_memory("targets", loss.targets, alignof(std::int64_t));
  if (loss.class_weights != nullptr)
    demand_memory("class_weights", loss.class_weights, static_cast<std::size_t>(of_weight));
  if (loss.dloss != nullptr) demand_memory("dloss", loss.dloss, size_of(dtype));
  const Bytes result(loss.loss, losses * size),
      logits(loss.logits.data == nullptr ? AnyMatrix()
                                         : AnyMatrix(loss.logits.dtype, const_cast<void*>(loss.logits.data),
                                                     rows, loss.logits.cols, loss.logits.stride));
  demand_apart(logits, result, "loss");
  for (const Bytes& input :
       {Bytes(loss.targets, rows * std::int64_t{sizeof(std::int64_t)}),
        Bytes(loss.class_weights, loss.logits.cols * of_weight), Bytes(loss.dloss, losses * size)}) {
    demand_apart(input, result, "loss");
    demand_apart(input, Bytes(loss.dlogits), "dlogits");
  }
  demand_apart(Bytes(loss.dlogits), result, "loss");
}

}  // namespace
}  // namespace softwarp::c

using namespace softwarp;
using namespace softwarp::c;

extern "C" {

softwarp_status softwarp_softmax_axis(softwarp_device device, softwarp_dtype dtype, int64_t outer,
                                      int64_t cols, int64_t inner, const void* x, void* y, void* stream) {
  return forward_axis(__func__, RowFunction::softmax, device, dtype, outer, cols, inner, x, y, stream);
}

softwarp_status softwarp_log_softmax_axis(softwarp_device device, softwarp_dtype dtype, int64_t outer,
                                          int64_t cols, int64_t inner, const void* x, void* y, void* stream) {
  return forward_axis(__func__, RowFunction::log_softmax, device, dtype, outer, cols, inner, x, y, stream);
}

softwarp_status softwarp_softmax_backward_axis(softwarp_device device, softwarp_dtype dtype, int64_t outer,
                                               int64_t cols, int64_t inner, const void* y, const void* dy,
                                               void* dx, void* stream) {
  return backward_axis(__func__, RowFunction::softmax, device, dtype, outer, cols, inner, y, dy, dx, stream);
}

softwarp_status softwarp_log_softmax_backward_axis(softwarp_device device, softwarp_dtype dtype,
                                                   int64_t outer, int64_t cols, int64_t inner, const void* y,
                                                   const void* dy, void* dx, void* stream) {
  return backward_axis(__func__, RowFunction::log_softmax, device, dtype, outer, cols, inner, y, dy, dx,
                       stream);
}

softwarp_status softwarp_argmax(softwarp_device device, softwarp_dtype dtype, int64_t rows, int64_t cols,
                                const void* x, int64_t x_stride, int32_t* best, void* stream) {
  return answer(__func__, [&] {
    const RowOps& ops = ops_of(device);
    const Shape shape(dtype, rows, cols);
    demand(cols <= std::numeric_limits<int32_t>::max(), "cols of 31 bits");
    const AnyMatrix from = shape.matrix("x", x, x_stride);
    if (rows == 0) return;
    demand_memory("best", best, alignof(int32_t));
    demand_apart(Bytes(from), Bytes(best, rows * std::int64_t{sizeof(int32_t)}), "best");
    ops.argmax(from, best, resources(nullptr, 0, stream));
  });
}

softwarp_status softwarp_cross_entropy(softwarp_device device, softwarp_dtype dtype, int64_t rows,
                                       int64_t cols, const void* logits, int64_t logits_stride,
                                       const int64_t* targets, const softwarp_loss_options* options,
                                       void* loss, void* dlogits, int64_t dlogits_stride, void* stream) {
  return answer(__func__, [&] {
    const RowOps& ops = ops_of(device);
    const auto [from, to] = Logits(Shape(dtype, rows, cols), logits, logits_stride, dlogits, dlogits_stride);
    const softwarp_loss_options chosen =
        options != nullptr ? *options : softwarp_loss_options SOFTWARP_LOSS_DEFAULTS;
    demand(chosen.reduction >= SOFTWARP_NONE && chosen.reduction <= SOFTWARP_MEAN,
           "a reduction of softwarp.h, found " + std::to_string(chosen.reduction));
    const Loss all{.logits = from,
                   .targets = targets,
                   .class_weights = chosen.class_weights,
                   .label_smoothing = chosen.label_smoothing,
                   .ignore_index = chosen.ignore_index,
                   .reduction = static_cast<Reduction>(chosen.reduction),
                   .dloss = chosen.dloss,
                   .loss = loss,
                   .dlogits = to};
    demand_loss(all);
    ops.loss(all, resources(nullptr, 0, stream));
  });
}

}  // extern "C"
