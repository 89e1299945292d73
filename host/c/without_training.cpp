// The functions of model.h in a library without the trainer.

#include <softwarp/model.h>

#include "host/c/answer.h"

namespace {

softwarp_status refuse_training(const char* function) {
  return softwarp::c::refuse(SOFTWARP_UNSUPPORTED, function,
                             "this library has no trainer (SOFTWARP_HOST=ON makes one that has)");
}

}  // namespace

extern "C" {

softwarp_status softwarp_training_defaults(softwarp_training_options*) { return refuse_training(__func__); }
softwarp_status softwarp_model_train(softwarp_device, const softwarp_images*, const int64_t*,
                                     const softwarp_training_options*, softwarp_model**) {
  return refuse_training(__func__);
}
softwarp_status softwarp_model_read(const char*, const char*, softwarp_model**) {
  return refuse_training(__func__);
}
softwarp_status softwarp_model_write(const softwarp_model*, const char*) { return refuse_training(__func__); }
softwarp_status softwarp_model_write_onnx(const softwarp_model*, const char*) {
  return refuse_training(__func__);
}
void softwarp_model_free(softwarp_model*) {}
softwarp_status softwarp_model_describe(const softwarp_model*, softwarp_model_description*) {
  return refuse_training(__func__);
}
softwarp_status softwarp_model_logits(const softwarp_model*, softwarp_device, int32_t, const softwarp_images*,
                                      float*) {
  return refuse_training(__func__);
}
softwarp_status softwarp_model_probabilities(const softwarp_model*, softwarp_device, int32_t,
                                             const softwarp_images*, float*) {
  return refuse_training(__func__);
}

}  // extern "C"
