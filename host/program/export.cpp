// `softwarp export`: a trained network as a file for another runtime.

#include <softwarp/error.h>
#include <softwarp/mlp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/trained_model.h"

namespace softwarp::program {
namespace {

struct ExportOptions {
  std::string model;
  std::string onnx;
  bool overwrite = false;
  ForeignOptions foreign;
};

void run(const ExportOptions& o) {
  const std::filesystem::path path = model_path(o.model);
  expect_new_file(o.onnx, o.overwrite);
  Model model = open_model(path, o.foreign);
  if (is_foreign(model)) model.input.height = 1, model.input.width = model.shape.inputs;
  write_onnx(o.onnx, model);
  say("wrote {}: input [batch, {}], pixels divided by {}, to logits and probabilities [batch, {}]\n", o.onnx,
      model.shape.inputs, model.input.max_pixel, model.shape.classes);
}

}  // namespace

void add_export(CLI::App& app) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand("export", "Write a trained network for other runtimes");
  command->fallthrough();
  command
      ->add_option("model,--model", options->model,
                   "A training's directory, or a model file; by default the newest run")
      ->type_name(kModelType);
  command->add_option("--onnx", options->onnx, "The ONNX file to write")->type_name(kFileType)->required();
  command->add_flag("--overwrite", options->overwrite, "Replace a file of that name");
  options->foreign.add_to(*command);
  tidy_help(*command);
  command->callback([options] { run(*options); });
}

}  // namespace softwarp::program
