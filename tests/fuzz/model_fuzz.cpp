// safetensors files, as such and as models, of softwarp or another program: what is read as a model is
// written as the same model.

#include <tuple>

#include "host/model/model_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const softwarp::MemoryFile file(data, size);
  softwarp::expect_value_or_error([&] { std::ignore = softwarp::read_safetensors(file.path()); });
  softwarp::expect_value_or_error([&] {
    softwarp::Model model = softwarp::read_model_or_state_dict(file.path(), softwarp::Activation::tanh);
    if (model.input.height == 0) model.input.height = 1, model.input.width = model.shape.inputs;
    const softwarp::Model again = softwarp::from_safetensors("again", softwarp::to_safetensors(model));
    if (!(again.shape == model.shape) || again.values != model.values ||
        again.input.framing != model.input.framing || again.input.class_names != model.input.class_names)
      __builtin_trap();
  });
  return 0;
}
