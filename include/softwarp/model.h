/** @file
 * Training of multilayer perceptrons, and their predictions, for C and for languages that can call C.
 *
 * Memory: all arrays are the process's own, packed, whichever device computes; what a device needs is copied
 * to it. A call has ended its work when it returns. A model does not change once it is made, so that several
 * threads may use one model at a time.
 *
 * Devices: SOFTWARP_CPU, on `threads` threads (0: one for each core that the process may use), or
 * SOFTWARP_CUDA, the first CUDA device that can be used.
 *
 * Errors are as in softwarp.h. A library that was built without the trainer (SOFTWARP_HOST=OFF) answers
 * SOFTWARP_UNSUPPORTED. */
#ifndef SOFTWARP_MODEL_H
#define SOFTWARP_MODEL_H

#include <softwarp/softwarp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN(modernize-use-using): this is C */

/** A network with its parameters. */
typedef struct softwarp_model softwarp_model;

/** The network's inputs: images, or rows of a table, whose height is 1. One of `pixels` and `values` is NULL.
 */
typedef struct softwarp_images {
  int64_t count;         /**< images */
  int64_t height;        /**< rows of an image */
  int64_t width;         /**< pixels of a row */
  const uint8_t* pixels; /**< [count, height, width]: each divided by the model's max_pixel is an input */
  const float* values;   /**< [count, height, width]: inputs as they are */
} softwarp_images;

/** The record of an epoch. Without images that are held out, their numbers are NaN. */
typedef struct softwarp_epoch {
  int64_t epoch;              /**< from 1 */
  int64_t steps;              /**< since training began */
  double learning_rate;       /**< of the epoch's last step */
  double loss;                /**< mean cross-entropy of each batch before its step, with dropout */
  double accuracy;            /**< share of images whose likeliest class was the label, likewise */
  double validation_loss;     /**< of the images held out, after the epoch */
  double validation_accuracy; /**< the same */
  double seconds;             /**< since training began */
} softwarp_epoch;

/** Everything that determines a training run's result, given its data and its device. Names and meanings are
 * those of the flags of `softwarp train`. */
typedef struct softwarp_training_options {
  const int64_t* hidden;      /**< [hidden_layers]: widths of the hidden layers, each 1 to 2^20 */
  int64_t hidden_layers;      /**< 0: the network is linear */
  const char* activation;     /**< "identity", "relu", "gelu", "tanh" or "sigmoid" */
  const char* initialization; /**< "kaiming" or "uniform" */
  double input_dropout;       /**< chance that an input is dropped, in [0, 1) */
  double dropout;             /**< chance that a hidden value is dropped, in [0, 1) */
  double label_smoothing;     /**< in [0, 1] */
  const char* optimizer;      /**< "adamw" or "sgd" */
  double learning_rate;       /**< the highest; above 0 */
  double momentum;            /**< of sgd, in [0, 1) */
  int32_t nesterov;           /**< of sgd: not 0 for Nesterov's momentum */
  double weight_decay;        /**< on weights only: L2 with sgd, decoupled with adamw */
  const char* schedule;       /**< "constant", "cosine", "one-cycle" or "step" */
  double warmup_epochs;       /**< linear rise at the start; one-cycle has its own */
  int64_t step_epochs;        /**< schedule step: epochs between drops */
  double step_factor;         /**< schedule step: a drop multiplies by it */
  double max_norm;            /**< limit of the norm of a unit's incoming weights; 0: none */
  double ema_decay;           /**< decay of the moving average that becomes the model, in [0, 1); 0: none */
  int64_t epochs;             /**< passes over the images */
  int64_t batch_size;         /**< images a step; 0: all */
  uint64_t seed;              /**< of all random numbers */
  double validation;          /**< share of the images to hold out, in [0, 1) */
  int64_t patience;           /**< stop after so many epochs of no better validation loss; 0: never */
  int32_t classes;            /**< 2 to 256; 0: the largest label + 1, at least 2 */
  int32_t max_pixel;          /**< 1 to 255: `pixels` are divided by it */
  int32_t threads;            /**< on the CPU; 0: one for each core */
  /** A network of the same layers that gives the first parameters; NULL: random ones. */
  const softwarp_model* weights;
  /** Called after each epoch in the calling thread, with `context`. If it does not return 0, training ends.
   * NULL: nobody is called. It must not throw. */
  int (*on_epoch)(const softwarp_epoch* epoch, void* context);
  void* context; /**< for on_epoch */
  /** If this is not 0 after a step, training ends as if that step had been its last. A signal handler or
   * another thread may write it. NULL: nobody does. */
  const volatile int32_t* stop;
} softwarp_training_options;

/** Writes the defaults, those of `softwarp train`. */
SOFTWARP_NODISCARD softwarp_status softwarp_training_defaults(softwarp_training_options* options);

/** Trains a network and makes `*model`, for softwarp_model_free. `labels` are [images.count], each from 0 to
 * classes - 1. `options` may be NULL: the defaults. The same data, options and device give the same bits. A
 * run that diverges is SOFTWARP_DIVERGED and makes no model. */
SOFTWARP_NODISCARD softwarp_status softwarp_model_train(softwarp_device device, const softwarp_images* images,
                                                        const int64_t* labels,
                                                        const softwarp_training_options* options,
                                                        softwarp_model** model);

/** Makes `*model` of a safetensors file: softwarp's own, or linear layers of another program, such as
 * PyTorch's state dict of an nn.Sequential: tensors NAME.weight [outputs, inputs] and NAME.bias [outputs] of
 * F32, F16, BF16 or F64. `activation` is that of another program's network, which its file does not say;
 * NULL: "relu". A file that is missing or holds something else is SOFTWARP_FILE_ERROR. */
SOFTWARP_NODISCARD softwarp_status softwarp_model_read(const char* path, const char* activation,
                                                       softwarp_model** model);
/** Writes a safetensors file of F32 tensors fc1.weight [outputs, inputs], fc1.bias [outputs], fc2.weight, ...
 * with what the network is as metadata. No half-written file stays behind. */
SOFTWARP_NODISCARD softwarp_status softwarp_model_write(const softwarp_model* model, const char* path);
/** Writes an ONNX model (opset 13): `input` [batch, inputs] of floats, which are pixels divided by max_pixel,
 * to `logits` and `probabilities` [batch, classes]. No half-written file stays behind. */
SOFTWARP_NODISCARD softwarp_status softwarp_model_write_onnx(const softwarp_model* model, const char* path);
/** Frees a model. NULL is nothing to free. */
void softwarp_model_free(softwarp_model* model);

/** The properties of a network. */
typedef struct softwarp_model_description {
  int64_t inputs;         /**< height * width */
  int64_t height;         /**< rows of an image; 1 for tables and networks of other programs */
  int64_t width;          /**< pixels of a row */
  int64_t classes;        /**< outputs */
  int64_t hidden_layers;  /**< between inputs and classes */
  const int64_t* hidden;  /**< [hidden_layers]: their widths; the model's memory */
  const char* activation; /**< after each of them */
  int32_t max_pixel;      /**< a byte of `pixels` divided by this is an input */
} softwarp_model_description;

/** Writes what a model is. */
SOFTWARP_NODISCARD softwarp_status softwarp_model_describe(const softwarp_model* model,
                                                           softwarp_model_description* description);

/** Computes the network's outputs, before softmax. `logits` is [images.count, classes]. Images have any
 * height and width whose product is `inputs`. */
SOFTWARP_NODISCARD softwarp_status softwarp_model_logits(const softwarp_model* model, softwarp_device device,
                                                         int32_t threads, const softwarp_images* images,
                                                         float* logits);
/** Computes the softmax of the logits, [images.count, classes]. */
SOFTWARP_NODISCARD softwarp_status softwarp_model_probabilities(const softwarp_model* model,
                                                                softwarp_device device, int32_t threads,
                                                                const softwarp_images* images,
                                                                float* probabilities);

/* NOLINTEND(modernize-use-using) */

#ifdef __cplusplus
}
#endif

#endif
