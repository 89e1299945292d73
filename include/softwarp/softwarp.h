/* softwarp's softmax family for C and whatever can call C: Python, Rust, Julia.
 *
 * A matrix is row-major memory of the device that the call names: element (i, j) lies at i * stride + j,
 * counted in elements; stride >= cols >= 1, rows >= 0, addresses aligned to an element. The matrices of a
 * call have one shape and one dtype; the result may be one of the inputs, the same memory with the same
 * stride. Accuracy, and what NaN and infinities do, are the same as in C++: kernels/softmax.h.
 *
 * No function throws, exits or prints. Each returns a status, and softwarp_last_error() says more. Calls may
 * come from several threads, each with memory of its own. */
#ifndef SOFTWARP_H
#define SOFTWARP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A status that nobody reads is a warning. */
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define SOFTWARP_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define SOFTWARP_NODISCARD __attribute__((warn_unused_result))
#else
#define SOFTWARP_NODISCARD
#endif

/* NOLINTBEGIN(modernize-use-using): this is C */

typedef int softwarp_status;
enum {
  SOFTWARP_SUCCESS = 0,
  SOFTWARP_INVALID_ARGUMENT = 1, /* the call broke one of the rules written here; nothing was computed */
  SOFTWARP_UNSUPPORTED = 2,      /* not on this device, or not in this build */
  SOFTWARP_DEVICE_ERROR = 3,     /* the device or its driver said no */
  SOFTWARP_OUT_OF_MEMORY = 4,
  SOFTWARP_INTERNAL_ERROR = 5
};

typedef int softwarp_device;
enum {
  SOFTWARP_CPU =
      0, /* the process's own memory; done when the call returns; `stream` and `workspace` are ignored */
  SOFTWARP_CUDA = 1 /* the current CUDA device; asynchronous on `stream`, a cudaStream_t, NULL the default
                       one. A process uses one GPU, or several that are alike. A call can be captured in a
                       graph once the same call was made outside a capture, which loads its kernels. */
};

typedef int softwarp_dtype;
enum {
  SOFTWARP_FLOAT32 = 0,
  SOFTWARP_FLOAT64 = 1,
  SOFTWARP_FLOAT16 = 2, /* IEEE binary16; CUDA only */
  SOFTWARP_BFLOAT16 = 3 /* CUDA only */
};

/* "0.2.0" */
const char* softwarp_version(void);
/* "invalid argument" and the like; never NULL. */
const char* softwarp_status_name(softwarp_status status);
/* Why this thread's last call did not succeed, in one line; "" if it did. Valid until the thread's next call.
 */
const char* softwarp_last_error(void);

/* `workspace`: NULL, or this many bytes of the device's memory, aligned to 16, whatever their content, for
 * one call at a time. With it, few and long rows are split over the GPU, and the last bits of a row may
 * depend on how many rows there are. Without it, and on the CPU, they do not: kernels/softmax.h. */
#define SOFTWARP_SPLIT_ROW_WORKSPACE_BYTES 65536

/* y_i = exp(x_i - m) / sum_k exp(x_k - m), m the row's largest. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax(softwarp_device device, softwarp_dtype dtype,
                                                    int64_t rows, int64_t cols, const void* x,
                                                    int64_t x_stride, void* y, int64_t y_stride,
                                                    void* workspace, size_t workspace_bytes, void* stream);

/* y_i = x_i - m - log sum_k exp(x_k - m) */
SOFTWARP_NODISCARD softwarp_status softwarp_log_softmax(softwarp_device device, softwarp_dtype dtype,
                                                        int64_t rows, int64_t cols, const void* x,
                                                        int64_t x_stride, void* y, int64_t y_stride,
                                                        void* workspace, size_t workspace_bytes,
                                                        void* stream);

/* dx_j = y_j (dy_j - sum_i dy_i y_i), y = softmax(x): the Jacobian times dy, without the matrix. */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax_backward(softwarp_device device, softwarp_dtype dtype,
                                                             int64_t rows, int64_t cols, const void* y,
                                                             int64_t y_stride, const void* dy,
                                                             int64_t dy_stride, void* dx, int64_t dx_stride,
                                                             void* workspace, size_t workspace_bytes,
                                                             void* stream);

/* dx_j = dy_j - exp(y_j) sum_i dy_i, y = log_softmax(x). */
SOFTWARP_NODISCARD softwarp_status softwarp_log_softmax_backward(softwarp_device device, softwarp_dtype dtype,
                                                                 int64_t rows, int64_t cols, const void* y,
                                                                 int64_t y_stride, const void* dy,
                                                                 int64_t dy_stride, void* dx,
                                                                 int64_t dx_stride, void* workspace,
                                                                 size_t workspace_bytes, void* stream);

/* jacobian [rows * cols, cols]: row r's block is J_ij = y_i (delta_ij - y_j), y = softmax(x). Not in place.
 */
SOFTWARP_NODISCARD softwarp_status softwarp_softmax_jacobian(softwarp_device device, softwarp_dtype dtype,
                                                             int64_t rows, int64_t cols, const void* y,
                                                             int64_t y_stride, void* jacobian,
                                                             int64_t jacobian_stride, void* stream);

/* As PyTorch's CrossEntropyLoss: loss = (1 - e) w[t] nll(t) + e / cols sum_j w[j] nll(j). */
typedef struct softwarp_cross_entropy_options {
  const float* class_weights; /* w [cols], in the device's memory; NULL: all 1 */
  float label_smoothing;      /* e, in [0, 1] */
  int32_t ignore_index;       /* rows with this target count for nothing */
} softwarp_cross_entropy_options;
#define SOFTWARP_CROSS_ENTROPY_DEFAULTS {NULL, 0.0f, -100}

/* In the device's memory; each call adds to it. */
typedef struct softwarp_cross_entropy_sums {
  double loss;             /* sum of the rows' losses, each weighted by its class */
  double weight;           /* sum of those weights: loss / weight is the mean */
  int64_t correct;         /* rows whose largest logit is the target's */
  int64_t rows;            /* rows not ignored */
  int64_t invalid_targets; /* rows whose target is no class; their loss and gradient are NaN */
  int64_t finite_rows;     /* `rows` after the last call that left `loss` finite */
} softwarp_cross_entropy_sums;

/* *bytes = the size of the workspace that softwarp_softmax_cross_entropy needs for this shape; 0 on the CPU.
 */
SOFTWARP_NODISCARD softwarp_status softwarp_cross_entropy_workspace_bytes(softwarp_device device,
                                                                          softwarp_dtype dtype, int64_t rows,
                                                                          int64_t cols, size_t* bytes);

/* Softmax, cross-entropy against targets [rows], and the gradient of the mean loss, in one pass. options may
 * be NULL: the defaults. losses [rows] may be NULL; dlogits may be the logits, or NULL for the loss alone.
 * `workspace` is not optional on a GPU: aligned to 16, zeroed before its first use, for one call at a time.
 * On the CPU, SOFTWARP_FLOAT32 only. */
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
