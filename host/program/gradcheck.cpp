// softwarp gradcheck: is the gradient of a whole network right?

#include <fmt/format.h>
#include <softwarp/dataset.h>
#include <softwarp/error.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/program/announce.h"
#include "host/program/commands.h"
#include "host/program/gradient_answers.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/trained_model.h"
#include "host/training/gradient_check.h"
#include "host/training/json_text.h"

namespace softwarp::program {
namespace {

struct GradcheckOptions {
  std::int64_t inputs = 8;
  std::vector<std::int64_t> hidden = {7, 6};
  std::int64_t classes = 5;
  Activation activation = Activation::tanh;
  Initialization initialization = Initialization::kaiming;
  std::string data;
  std::int64_t batch_size = 4;
  double label_smoothing = 0;
  std::uint64_t seed = 1;
  std::int64_t samples = 100;
  std::string write;
  std::string compare;
  bool json = false;
  DeviceOptions device;
};

// Of a tensor's largest derivative: a hundred times what float's rounding leaves. Tensor cores round the
// products' operands.
double tolerance(CudaPrecision precision) {
  switch (precision) {
    case CudaPrecision::fp32: return 1e-4;
    case CudaPrecision::tf32: return 1e-2;
    case CudaPrecision::bf16: return 1e-1;
  }
  return 0;
}

GradientProblem make_problem(const GradcheckOptions& o) {
  MlpShape shape{o.inputs, o.hidden, o.classes, o.activation};
  if (o.data.empty()) return draw_problem(shape, o.initialization, o.batch_size, o.seed);
  const Dataset data = load_data(o.data).train;
  say_shadowed(o.data);
  if (o.batch_size > data.count)
    throw Error(fmt::format("--batch-size: expected at most the {} training images of {}, found {}",
                            data.count, o.data, o.batch_size));
  shape.inputs = data.pixels();
  shape.classes = data.classes;
  GradientProblem problem = draw_problem(shape, o.initialization, o.batch_size, o.seed);
  for (std::size_t i = 0; i < problem.inputs.size(); ++i)
    problem.inputs[i] = static_cast<float>(data.images[i]) / static_cast<float>(data.max_pixel);
  std::copy_n(data.labels.begin(), o.batch_size, problem.labels.begin());
  return problem;
}

std::string shape_text(const ParameterTensor& tensor) {
  return tensor.is_bias() ? fmt::format("{}", tensor.rows) : fmt::format("{}x{}", tensor.rows, tensor.cols);
}

void print_head() {
  say("\n{:<11} {:>9} {:>9} {:>9} {:>11} {:>11}  {}\n", "tensor", "shape", "compared", "at kinks", "largest",
      "difference", "at");
}

void print_row(const TensorCheck& c) {
  say("{:<11} {:>9} {:>9} {:>9} {:>11.4g} {:>11.2g}  {}\n", c.tensor.name, shape_text(c.tensor), c.compared,
      c.at_kinks, c.largest, c.difference(), c.compared > 0 ? c.worst_name() : "none");
  std::fflush(stdout);
}

void print_json(const std::string& network, const std::string& device, const std::vector<TensorCheck>& checks,
                const TensorCheck& worst, const std::optional<GradientComparison>& compared) {
  const auto to_json = [](const TensorCheck& c) {
    return nlohmann::ordered_json{
        {"tensor", c.tensor.name},         {"compared", c.compared},
        {"at_kinks", c.at_kinks},          {"largest_derivative", c.largest},
        {"worst", c.worst_name()},         {"backward", c.backward},
        {"finite_differences", c.numeric}, {"relative_difference", c.relative_difference()}};
  };
  nlohmann::ordered_json json = {{"network", network}, {"device", device}, {"worst", to_json(worst)}};
  for (const TensorCheck& c : checks) json["tensors"].push_back(to_json(c));
  if (compared) {
    json["compare"] = {{"agrees", compared->agrees},
                       {"differing_tensors", compared->differing},
                       {"relative_difference", compared->largest},
                       {"where", compared->where}};
    if (compared->wrong_gradient != nullptr) {
      json["compare"]["wrong_gradient"] = compared->wrong_gradient->name;
      json["compare"]["meaning"] = compared->wrong_gradient->sentence;
    }
  }
  say("{}\n", json_text(json));
}

void run(GradcheckOptions& o) {
  settle_hidden(o.hidden);
  Announce announce(o.data.empty() ? "drawing the network" : "reading " + o.data);
  GradientProblem problem = make_problem(o);
  problem.label_smoothing = static_cast<float>(o.label_smoothing);
  std::optional<Gradients> theirs;
  if (!o.compare.empty()) theirs = read_gradients(o.compare, ParameterLayout(problem.shape));
  announce.now("preparing the device");
  const auto backend = o.device.make_backend();
  const std::string network = fmt::format("{}, {}", problem.shape.text(), name_of(problem.shape.activation));
  announce.done();
  if (!o.json)
    say("network  {}, {} parameters\ndevice   {}\nbatch    {} {}\n", network,
        ParameterLayout(problem.shape).parameters, backend->name(), problem.batch(),
        o.data.empty() ? "drawn inputs" : "images of " + o.data);
  announce.now("computing the gradient");
  const std::vector<float> gradient = backward_gradient(*backend, problem);
  announce.done();
  if (!o.json) print_head();
  std::vector<TensorCheck> checks;
  for (const ParameterTensor& tensor : ParameterLayout(problem.shape).tensors) {
    announce.now("comparing " + tensor.name);
    checks.push_back(check_gradient(problem, gradient, tensor, o.samples));
    announce.done();
    if (!o.json) print_row(checks.back());
  }
  const auto badness = [](const TensorCheck& c) {
    const double off = c.relative_difference();
    return std::isnan(off) ? std::numeric_limits<double>::infinity() : off;
  };
  for (const TensorCheck& c : checks)  // what compares nothing cannot be called right
    if (c.compared == 0)
      throw Error(
          fmt::format("{}: expected elements to compare, found {}, all at kinks of relu; another --seed "
                      "or more --samples may help",
                      c.tensor.name, c.at_kinks));
  const TensorCheck& worst = *std::ranges::max_element(checks, {}, badness);
  const double allowed = tolerance(o.device.precision_of(*backend));
  std::optional<GradientComparison> compared;
  if (theirs) compared = compare(problem, gradient, *theirs, allowed, o.compare);
  if (o.json) print_json(network, backend->name(), checks, worst, compared);

  const std::string found = fmt::format(
      "{:.2g} of its tensor's largest derivative at {} (backward {:.9g}, finite differences {:.9g})",
      worst.relative_difference(), worst.worst_name(), worst.backward, worst.numeric);
  if (!(worst.relative_difference() <= allowed))
    throw Error(fmt::format("gradcheck: expected differences of at most {:g}, found {}", allowed, found));
  if (!o.json) say("\nthe gradient is right; the worst parameter is off by {}\n", found);
  if (!o.write.empty()) {
    write_problem(o.write, problem, gradient);
    if (!o.json) say("wrote {}\n", o.write);
  }
  if (compared && !compared->agrees) throw Error(compared->line);
  if (compared && !o.json) say("{}\n", compared->line);
}

}  // namespace

void add_gradcheck(CLI::App& app) {
  const auto o = std::make_shared<GradcheckOptions>();
  CLI::App* command =
      app.add_subcommand("gradcheck", "Compare a network's backward with finite differences of its loss");
  command->fallthrough();
  command->footer(
      "The loss is computed in double, from its definition. Exit code 1 if the gradient is wrong.");
  const auto in = [](CLI::Option* option) { return option->capture_default_str(); };
  CLI::Option* inputs = in(command->add_option("--inputs", o->inputs, "Width of the input"));
  inputs->check(count_in(1, 1 << 20));
  in(add_list(*command, "--hidden", o->hidden, count_in(0, 1 << 20), "Widths of the hidden layers; 0: none"))
      ->default_str("7,6");
  CLI::Option* classes = in(command->add_option("--classes", o->classes, "Width of the output"));
  classes->check(count_in(2, 1 << 20));
  in(add_choice(*command, "--activation", o->activation, "After each hidden layer"))->default_str("tanh");
  in(add_choice(*command, "--init", o->initialization, "Initial weights"))->default_str("kaiming");
  command
      ->add_option("--data", o->data,
                   "The first training images of this, as for train, in place of drawn inputs")
      ->type_name(kDataType)
      ->excludes(inputs)
      ->excludes(classes);
  in(command->add_option("--batch-size", o->batch_size, "Inputs, whose mean loss is differentiated"))
      ->check(count_in(1, 1 << 20));
  in(command->add_option("--label-smoothing", o->label_smoothing,
                         "Share of the target spread over all classes"))
      ->check(number_in(0, 1));
  in(command->add_option("--seed", o->seed, "Of weights, inputs and labels"));
  in(command->add_option("--samples", o->samples, "Elements of each tensor to compare; 0: all"))
      ->check(count_in(0));
  command
      ->add_option("--write", o->write,
                   "Keep parameters, inputs, labels and gradients in this file, as safetensors")
      ->type_name(kFileType);
  command
      ->add_option(
          "--compare", o->compare,
          "Your own gradients of the same network: safetensors with fc1.weight.grad, ...; exit code 1 "
          "if they differ")
      ->type_name(kFileType);
  command->add_flag("--json", o->json, "Print JSON");
  o->device.add_to(*command);
  tidy_help(*command);
  command->callback([o] { run(*o); });
}

}  // namespace softwarp::program
