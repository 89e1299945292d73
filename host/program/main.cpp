#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "host/program/commands.h"
#include "host/program/config_errors.h"
#include "host/program/openmp_spinning.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/runs.h"
#include "host/program/suggest.h"
#include "host/program/trained_model.h"

namespace {

using namespace softwarp::program;

int run(int argc, char** argv) {
  CLI::App app("Softmax and multilayer-perceptron training on NVIDIA GPUs and CPUs.", "softwarp");
  app.set_version_flag("--version", "softwarp " SOFTWARP_VERSION);
  app.set_config("--config", "",
                 "Read flags from this TOML file: a section for each subcommand, as in [train]")
      ->type_name(kFileType);
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  add_train(app);
  add_evaluate(app);
  add_predict(app);
  default_to_newest_run(*app.get_subcommand("predict")->get_option("--model"));
  add_compare(app);
  add_softmax(app);
  add_gradcheck(app);
  add_deform(app);
  add_devices(app);
  add_completion(app);
  try {
    app.parse(argc, argv);
    say_newest_run();
    return 0;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::FileError& error) {
    say_error("softwarp: {}\n", error.what());
    return 1;
  } catch (const CLI::ParseError& error) {
    if (const std::string what = config_error(app);
        !what.empty() && dynamic_cast<const CLI::ConfigError*>(&error) != nullptr) {
      say_error("softwarp: {}\n", what);
      return 2;
    }
    // CLI11 lists what it did not expect from the last to the first.
    const std::vector<std::string> unexpected = app.remaining(true);
    const std::string what = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !unexpected.empty()
                                 ? fmt::format("unexpected {}", fmt::join(unexpected, " "))
                                 : error.what();
    say_error("softwarp: {}{} (--help lists what there is)\n", what, suggestion(app, argc, argv));
    return 2;
  }
}

}  // namespace

// Exit codes: 0 success; 1 what was asked for could not be done; 2 what was asked for could not be
// understood; 128 and a signal's number: a training that the signal ended, in good order.
int main(int argc, char** argv) {
  prepare_output();
  int exit_code = 1;
  try {
    limit_openmp_spinning(argv);
    exit_code = run(argc, argv);
  } catch (const ExitCode& exit) {
    exit_code = exit.code;
  } catch (const std::bad_alloc&) {
    std::fputs("softwarp: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "softwarp: %s\n", error.what());
  }
  return finish_output(exit_code);
}
