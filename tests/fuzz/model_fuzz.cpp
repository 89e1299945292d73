// safetensors files, as such and as models: what is read as a model is written as the same model.

#include <tuple>

#include "host/model/model_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const softwarp::MemoryFile file(data, size);
  softwarp::expect_value_or_error([&] { std::ignore = softwarp::read_safetensors(file.path()); });
  softwarp::expect_value_or_error([&] {
    const softwarp::Model model = softwarp::read_model(file.path());
    const softwarp::Model again = softwarp::from_safetensors("again", softwarp::to_safetensors(model));
    if (!(again.shape == model.shape) || again.values.size() != model.values.size()) __builtin_trap();
  });
  return 0;
}
