// The functions of model.h.

#include <softwarp/backend.h>
#include <softwarp/error.h>
#include <softwarp/model.h>
#include <softwarp/train.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "host/c/answer.h"
#include "host/c/training_options.h"
#include "host/model/mlp.h"
#include "host/model/mlp_workspace.h"
#include "host/model/model_file.h"
#include "host/model/names.h"

struct softwarp_model {
  softwarp::Model model;
};

namespace softwarp::c {
namespace {

constexpr std::int64_t kBatch = 1000;  // images of a prediction that are computed at a time

std::unique_ptr<Backend> make_backend(softwarp_device device, std::int32_t threads) {
  demand_device(device);
  demand_in("threads", threads, 0, 1024);
  if (device == SOFTWARP_CPU) return make_cpu_backend(threads);
  if (const std::string why = cuda_unavailable_reason(); !why.empty()) throw Unsupported(why);
  return make_cuda_backend();
}

const Model& model_of(const softwarp_model* model) {
  demand(model != nullptr, "model, found NULL");
  return model->model;
}

template <class T>
void demand_result(const char* name, T* result) {
  demand_memory(name, static_cast<const void*>(result), alignof(T));
}

class Observer final : public TrainingObserver {
 public:
  explicit Observer(const softwarp_training_options& options) : options_(options) {}

  void on_epoch(const EpochRecord& record) override {
    if (options_.on_epoch == nullptr) return;
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    const bool validates = record.validation.images > 0;
    const softwarp_epoch epoch{.epoch = record.epoch,
                               .steps = record.steps,
                               .learning_rate = record.learning_rate,
                               .loss = record.train.loss,
                               .accuracy = record.train.accuracy,
                               .validation_loss = validates ? record.validation.loss : kNone,
                               .validation_accuracy = validates ? record.validation.accuracy : kNone,
                               .seconds = record.seconds};
    stops_ = options_.on_epoch(&epoch, options_.context) != 0;
  }
  bool should_stop() override { return stops_ || (options_.stop != nullptr && *options_.stop != 0); }

 private:
  const softwarp_training_options& options_;
  bool stops_ = false;
};

Model trained(softwarp_device device, const softwarp_images* images, const std::int64_t* labels,
              const softwarp_training_options& options) {
  demand_images(images);
  const TrainingSettings settings = settings_of(options);
  DataPair data;
  data.train = dataset_of(*images, labels, options);
  TrainingControl control;
  if (options.weights != nullptr) {
    control.weights = &options.weights->model;
    const MlpShape& given = control.weights->shape;
    const MlpShape wanted{.inputs = data.train.pixels(),
                          .hidden = settings.hidden,
                          .classes = data.train.classes,
                          .activation = settings.activation};
    demand(given == wanted, fmt::format("weights of a network {} with {}, found {} with {}", wanted.text(),
                                        name_of(wanted.activation), given.text(), name_of(given.activation)));
  }
  data.test.name = data.train.name;
  data.test.height = data.train.height;
  data.test.width = data.train.width;
  data.test.classes = data.train.classes;
  const auto held_out =
      std::llround(settings.validation * static_cast<double>(data.train.count));  // as split() rounds
  demand(settings.validation == 0 || (held_out > 0 && held_out < data.train.count),
         fmt::format("validation that leaves both parts an image, found {} of {}", settings.validation,
                     data.train.count));
  const std::unique_ptr<Backend> backend = make_backend(device, options.threads);
  Observer observer(options);
  return train(*backend, settings, data, observer, control).model;
}

// A network of another program takes tables, and says nothing of an image.
Model with_input(Model model) {
  if (model.input.height == 0) model.input.height = 1, model.input.width = model.shape.inputs;
  return model;
}

// The inputs of `rows` images from the first on.
void copy_inputs(const softwarp_images& images, std::int64_t first, std::int64_t rows, int max_pixel,
                 std::vector<float>& inputs) {
  const std::int64_t size = images.height * images.width, begin = first * size, end = begin + rows * size;
  inputs.resize(static_cast<std::size_t>(rows * size));
  if (images.values != nullptr) {
    std::copy(images.values + begin, images.values + end, inputs.begin());
    return;
  }
  const float scale = 1.0f / static_cast<float>(max_pixel);
  std::transform(images.pixels + begin, images.pixels + end, inputs.begin(),
                 [scale](std::uint8_t pixel) { return static_cast<float>(pixel) * scale; });
}

softwarp_status write(const char* function, void (*writer)(const std::filesystem::path&, const Model&),
                      const softwarp_model* model, const char* path) {
  return answer(
      function,
      [&] {
        demand(path != nullptr, "path, found NULL");
        writer(path, model_of(model));
      },
      SOFTWARP_FILE_ERROR);
}

void predict(const Model& model, softwarp_device device, std::int32_t threads, const softwarp_images* images,
             bool softmax, float* outputs) {
  demand_images(images);
  demand(images->height * images->width == model.shape.inputs,
         fmt::format("images of {} inputs, found {}", model.shape.inputs, images->height * images->width));
  const std::unique_ptr<Backend> backend = make_backend(device, threads);
  if (images->count == 0) return;
  demand_result("outputs", outputs);
  Mlp mlp(*backend, model.shape);
  mlp.set_values(model.values);
  std::unique_ptr<MlpWorkspace> workspace;
  std::vector<float> inputs;
  for (std::int64_t done = 0; done < images->count; done += kBatch) {
    const std::int64_t rows = std::min(kBatch, images->count - done);
    if (!workspace || workspace->batch() != rows)
      workspace = std::make_unique<MlpWorkspace>(mlp, rows, /*trains=*/false);
    copy_inputs(*images, done, rows, model.input.max_pixel, inputs);
    backend->upload<float>(inputs, workspace->input().data);
    workspace->forward();
    const MatrixView<float> logits = workspace->logits();
    if (softmax) backend->softmax(logits, logits);
    backend->download<float>(logits.data,
                             {outputs + done * model.shape.classes, static_cast<std::size_t>(logits.size())});
  }
}

}  // namespace
}  // namespace softwarp::c

using namespace softwarp;
using namespace softwarp::c;

extern "C" {

softwarp_status softwarp_training_defaults(softwarp_training_options* options) {
  return answer(__func__, [&] {
    demand_result("options", options);
    *options = default_options();
  });
}

softwarp_status softwarp_model_train(softwarp_device device, const softwarp_images* images,
                                     const int64_t* labels, const softwarp_training_options* options,
                                     softwarp_model** model) {
  return answer(__func__, [&] {
    demand_result("model", model);
    *model = new softwarp_model{
        trained(device, images, labels, options != nullptr ? *options : default_options())};
  });
}

softwarp_status softwarp_model_read(const char* path, const char* activation, softwarp_model** model) {
  return answer(
      __func__,
      [&] {
        demand(path != nullptr, "path, found NULL");
        demand_result("model", model);
        const Activation foreign = activation != nullptr ? activation_of(activation) : Activation::relu;
        *model = new softwarp_model{with_input(read_model_or_state_dict(path, foreign))};
      },
      SOFTWARP_FILE_ERROR);
}

softwarp_status softwarp_model_write(const softwarp_model* model, const char* path) {
  return write(__func__, write_model, model, path);
}

softwarp_status softwarp_model_write_onnx(const softwarp_model* model, const char* path) {
  return write(__func__, write_onnx, model, path);
}

void softwarp_model_free(softwarp_model* model) { delete model; }

softwarp_status softwarp_model_describe(const softwarp_model* model,
                                        softwarp_model_description* description) {
  return answer(__func__, [&] {
    demand_result("description", description);
    const auto& [shape, input, values] = model_of(model);
    *description = {.inputs = shape.inputs,
                    .height = input.height,
                    .width = input.width,
                    .classes = shape.classes,
                    .hidden_layers = std::ssize(shape.hidden),
                    .hidden = shape.hidden.data(),
                    .activation = name_of(shape.activation).data(),
                    .max_pixel = input.max_pixel};
  });
}

softwarp_status softwarp_model_logits(const softwarp_model* model, softwarp_device device, int32_t threads,
                                      const softwarp_images* images, float* logits) {
  return answer(__func__,
                [&] { predict(model_of(model), device, threads, images, /*softmax=*/false, logits); });
}

softwarp_status softwarp_model_probabilities(const softwarp_model* model, softwarp_device device,
                                             int32_t threads, const softwarp_images* images,
                                             float* probabilities) {
  return answer(__func__,
                [&] { predict(model_of(model), device, threads, images, /*softmax=*/true, probabilities); });
}

}  // extern "C"
