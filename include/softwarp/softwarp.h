/** @file
 * softmax, log_softmax, their backwards, cross-entropy and argmax for C, and for languages that can call C,
 * such as Python, Rust and Julia.
 *
 * Matrices: a matrix is row-major memory of the device that the call names. The index of element (i, j) is
 * i * stride + j; stride >= cols >= 1 and rows >= 0. Addresses are aligned to an element; without rows they
 * may be NULL. The matrices of a call have one shape and one dtype. A result may be one of the inputs, that
 * is the same memory with the same stride; otherwise it shares no element with them, and rows of one may lie
 * between those of the other only where both have one stride. A call that breaks this is refused.
 *
 * Devices: softwarp_device says when a call has ended and how it can be captured in a CUDA graph. No call
 * allocates device memory.
 *
 * Values: accuracy, NaN and infinities are as in C++, which <softwarp/softmax.h> describes.
 *
 * Errors: no function throws, exits or prints. Each op returns a status, and softwarp_last_error() explains
 * it. Calls may come from several threads, each with memory of its own.
 *
 * Processes: after fork(), the child may call on SOFTWARP_CPU, where it computes on one thread if a call was
 * made before the fork. A child cannot use the CUDA devices that its parent has used. */
#ifndef SOFTWARP_H
#define SOFTWARP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define SOFTWARP_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define SOFTWARP_NODISCARD __attribute__((warn_unused_result))
#else
/** Makes the compiler warn of a status that nobody reads. */
#define SOFTWARP_NODISCARD
#endif

/* NOLINTBEGIN(modernize-use-using): this is C */

/** The outcome of a call: one of the statuses below. */
typedef int softwarp_status;
/** Values of softwarp_status. */
enum {
  SOFTWARP_SUCCESS = 0,          /**< the call succeeded; on a GPU its work is queued */
  SOFTWARP_INVALID_ARGUMENT = 1, /**< the call broke a rule of this header; nothing was computed */
  SOFTWARP_UNSUPPORTED = 2,      /**< this device, or this build, has no such op for this dtype */
  SOFTWARP_DEVICE_ERROR = 3,     /**< the device or its driver refused */
  SOFTWARP_OUT_OF_MEMORY = 4,    /**< the process has no memory left */
  SOFTWARP_INTERNAL_ERROR = 5    /**< an error that softwarp did not foresee */
};

/** The device that computes: one of the devices below. */
typedef int softwarp_device;
/** Values of softwarp_device. */
enum {
  /** The CPU. Memory is the process's own, and the work is done when the call returns. `stream`, `workspace`
   * and `workspace_bytes` are not used; `workspace` is NULL or aligned to 16 bytes. */
  SOFTWARP_CPU = 0,
  /** The current CUDA device. Memory is the device's. The call queues its work on `stream`, a cudaStream_t
   * (NULL: the default stream), and returns. A call can be captured in a graph after the same call was made
   * once outside a capture, which loads its kernels. A process uses one GPU, or several of one kind. */
  SOFTWARP_CUDA = 1
};

/** The type of a matrix's elements: one of the types below. */
typedef int softwarp_dtype;
/** Values of softwarp_dtype. */
enum {
  SOFTWARP_FLOAT32 = 0, /**< float */
  SOFTWARP_FLOAT64 = 1, /**< double */
  SOFTWARP_FLOAT16 = 2, /**< IEEE binary16; computed in float, results are rounded to nearest, ties to even */
  SOFTWARP_BFLOAT16 = 3 /**< bfloat16; computed as FLOAT16 is */
};

/** The version, such as "0.2.0". */
const char* softwarp_version(void);
/** The name of a status, such as "invalid argument". Never NULL. */
const char* softwarp_status_name(softwarp_status status);
/** One line that says why this thread's last op failed; "" if it succeeded. Valid until the thread's next op.
 */
const char* softwarp_last_error(void);

/** Bytes of the workspace that softmax, log_softmax and their backwards may be given on a GPU. The workspace
 * is device memory aligned to 16 bytes, with any content, for one call at a time; NULL gives none. With it,
 * rows that are few and long are split over the GPU, and the last bits of such a row may depend on the number
 * of rows. Without it, and on the CPU, a row's bits do not depend on the number of rows:
 * <softwarp/softmax.h>. */
#define SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES 65536

/** Computes y_i = exp(x_i - m) / sum_k exp(x_k - m) of each row; m is the row's maximum. x and y are [rows,
 * cols]. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax(softwarp_device device, softwarp_dtype dtype,
                                                    int64_t rows, int64_t cols, const void* x,
                                                    int64_t x_stride, void* y, int64_t y_stride,
                                                    void* workspace, size_t workspace_bytes, void* stream);

/** Computes y_i = x_i - m - log sum_k exp(x_k - m) of each row; m is the row's maximum. x and y are [rows,
 * cols]. */
SOFTWARP_NODISCARD softwarp_status softwarp_log_softmax(softwarp_device device, softwarp_dtype dtype,
                                                        int64_t rows, int64_t cols, const void* x,
                                                        int64_t x_stride, void* y, int64_t y_stride,
                                                        void* workspace, size_t workspace_bytes,
                                                        void* stream);

/** Computes dx_j = y_j (dy_j - sum_i dy_i y_i) of each row, y = softmax(x): the Jacobian times dy, without
 * the matrix. y, dy and dx are [rows, cols]. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax_backward(softwarp_device device, softwarp_dtype dtype,
                                                             int64_t rows, int64_t cols, const void* y,
                                                             int64_t y_stride, const void* dy,
                                                             int64_t dy_stride, void* dx, int64_t dx_stride,
                                                             void* workspace, size_t workspace_bytes,
                                                             void* stream);

/** Computes dx_j = dy_j - exp(y_j) sum_i dy_i of each row, y = log_softmax(x). y, dy and dx are [rows, cols].
 */
SOFTWARP_NODISCARD softwarp_status softwarp_log_softmax_backward(softwarp_device device, softwarp_dtype dtype,
                                                                 int64_t rows, int64_t cols, const void* y,
                                                                 int64_t y_stride, const void* dy,
                                                                 int64_t dy_stride, void* dx,
                                                                 int64_t dx_stride, void* workspace,
                                                                 size_t workspace_bytes, void* stream);

/** Computes the Jacobian J_ij = y_i (delta_ij - y_j) of each row, y = softmax(x). y is [rows, cols], jacobian
 * is [rows * cols, cols]: row r's block begins at row r * cols. The Jacobian does not overlap y. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax_jacobian(softwarp_device device, softwarp_dtype dtype,
                                                             int64_t rows, int64_t cols, const void* y,
                                                             int64_t y_stride, void* jacobian,
                                                             int64_t jacobian_stride, void* stream);

/** Computes softmax over the middle axis of a packed tensor: element (o, j, i) of x and y [outer, cols,
 * inner] is at (o * cols + j) * inner + i. A tensor of more axes has this form for each of them. y is x or
 * shares no memory with it; without elements both may be NULL. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax_axis(softwarp_device device, softwarp_dtype dtype,
                                                         int64_t outer, int64_t cols, int64_t inner,
                                                         const void* x, void* y, void* stream);
/** Computes log_softmax over the middle axis, as softwarp_softmax_axis does. */
SOFTWARP_NODISCARD softwarp_status softwarp_log_softmax_axis(softwarp_device device, softwarp_dtype dtype,
                                                             int64_t outer, int64_t cols, int64_t inner,
                                                             const void* x, void* y, void* stream);
/** Computes softmax_backward over the middle axis; dx may be y or dy. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax_backward_axis(softwarp_device device,
                                                                  softwarp_dtype dtype, int64_t outer,
                                                                  int64_t cols, int64_t inner, const void* y,
                                                                  const void* dy, void* dx, void* stream);
/** Computes log_softmax_backward over the middle axis; dx may be y or dy. */
SOFTWARP_NODISCARD softwarp_status softwarp_log_softmax_backward_axis(softwarp_device device,
                                                                      softwarp_dtype dtype, int64_t outer,
                                                                      int64_t cols, int64_t inner,
                                                                      const void* y, const void* dy, void* dx,
                                                                      void* stream);

/** Computes best[r], the column of the largest element of row r. The first of equal elements counts; NaN
 * counts as largest. x is [rows, cols] with cols below 2^31, best is [rows] and lies apart from x. */
SOFTWARP_NODISCARD softwarp_status softwarp_argmax(softwarp_device device, softwarp_dtype dtype, int64_t rows,
                                                   int64_t cols, const void* x, int64_t x_stride,
                                                   int32_t* best, void* stream);

/** How the losses of rows are reduced, as in PyTorch: one of the reductions below. */
typedef int softwarp_reduction;
/** Values of softwarp_reduction. */
enum {
  SOFTWARP_NONE = 0, /**< each row's loss */
  SOFTWARP_SUM = 1,  /**< their sum */
  SOFTWARP_MEAN = 2  /**< their sum over the sum of w[t] of the rows not ignored: NaN if there is none */
};

/** Options of softwarp_cross_entropy, as in PyTorch's CrossEntropyLoss; the formula is that of
 * softwarp_cross_entropy_options. */
typedef struct softwarp_loss_options {
  const void* class_weights;    /**< w [cols], double if dtype is SOFTWARP_FLOAT64, else float; NULL: all 1 */
  double label_smoothing;       /**< e, in [0, 1] */
  int64_t ignore_index;         /**< rows with this target are not counted; loss and gradient are 0 */
  softwarp_reduction reduction; /**< how the losses are reduced */
  const void* dloss; /**< the gradient of what follows by the loss, of dtype and of the shape of the
                        loss; NULL: all 1 */
} softwarp_loss_options;
/** An initializer of softwarp_loss_options: PyTorch's defaults. */
#define SOFTWARP_LOSS_DEFAULTS {NULL, 0.0, -100, SOFTWARP_MEAN, NULL}

/** Computes the cross-entropy of softmax(logits) against targets of 64 bits, reduced, and the gradient of the
 * result, in one pass over the logits.
 *
 * logits and dlogits are [rows, cols] with cols below 2^31, targets is [rows]. loss is [rows] with
 * SOFTWARP_NONE and otherwise one element; logits, dlogits and loss are of dtype. `options` may be NULL: the
 * defaults. `dlogits` may be the logits' own memory, or NULL for the loss alone; loss shares no memory with
 * anything. A target that is neither a class nor ignored is refused, and nothing is computed. CPU only. */
SOFTWARP_NODISCARD softwarp_status softwarp_cross_entropy(softwarp_device device, softwarp_dtype dtype,
                                                          int64_t rows, int64_t cols, const void* logits,
                                                          int64_t logits_stride, const int64_t* targets,
                                                          const softwarp_loss_options* options, void* loss,
                                                          void* dlogits, int64_t dlogits_stride,
                                                          void* stream);

/** Options of the loss, as in PyTorch's CrossEntropyLoss: loss = (1 - e) w[t] nll(t) + e / cols sum_j w[j]
 * nll(j), with nll(j) = log sum_k exp(x_k) - x_j and t the row's target. */
typedef struct softwarp_cross_entropy_options {
  const float* class_weights; /**< w [cols], in the device's memory; NULL: all 1 */
  float label_smoothing;      /**< e, in [0, 1] */
  int32_t ignore_index;       /**< rows with this target are not counted, and their gradient is 0 */
} softwarp_cross_entropy_options;
/** An initializer of softwarp_cross_entropy_options: no weights, no smoothing, targets of -100 are ignored.
 */
#define SOFTWARP_CROSS_ENTROPY_DEFAULTS {NULL, 0.0f, -100}

/** Sums over rows, in the device's memory. The caller sets them to zero, and each call adds to them. */
typedef struct softwarp_cross_entropy_sums {
  double loss;             /**< sum of the rows' losses, natural logarithm, each weighted by its class */
  double weight;           /**< sum of those weights: loss / weight is the mean */
  int64_t correct;         /**< rows whose largest logit is the target's */
  int64_t rows;            /**< rows not ignored */
  int64_t invalid_targets; /**< rows whose target is no class; their loss and gradient are NaN */
  int64_t finite_rows;     /**< `rows` after the last call that left `loss` finite */
} softwarp_cross_entropy_sums;

/** Writes to `*bytes` the size of the workspace that softwarp_softmax_cross_entropy needs for this shape on
 * the current device; 0 on the CPU. `bytes` points to the process's own memory. */
SOFTWARP_NODISCARD softwarp_status softwarp_cross_entropy_workspace_bytes(softwarp_device device,
                                                                          softwarp_dtype dtype, int64_t rows,
                                                                          int64_t cols, size_t* bytes);

/** Computes the cross-entropy of softmax(logits) against targets, and the gradient of the mean loss, in one
 * pass over the logits.
 *
 * logits and dlogits are [rows, cols] with cols below 2^31, targets and losses are [rows]. `options` may be
 * NULL: the defaults. `losses` may be NULL. `dlogits` may be the logits' own memory, or NULL for the loss
 * alone. The mean divides by the sum of w[t] over the rows that are not ignored. On the CPU dtype is
 * SOFTWARP_FLOAT32.
 *
 * On a GPU `workspace` is needed: device memory of softwarp_cross_entropy_workspace_bytes, aligned to 16
 * bytes, zeroed before its first use, for one call at a time. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax_cross_entropy(
    softwarp_device device, softwarp_dtype dtype, int64_t rows, int64_t cols, const void* logits,
    int64_t logits_stride, const int32_t* targets, const softwarp_cross_entropy_options* options,
    float* losses, void* dlogits, int64_t dlogits_stride, softwarp_cross_entropy_sums* sums, void* workspace,
    size_t workspace_bytes, void* stream);

/* NOLINTEND(modernize-use-using) */

#ifdef __cplusplus
}
#endif

#endif
