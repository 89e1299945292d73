#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <memory>

#include "host/io/number_table.h"
#include "host/program/commands.h"
#include "host/program/config_file.h"
#include "host/program/openmp_spinning.h"
#include "host/program/options.h"
#include "host/program/output.h"
#include "host/program/suggest.h"
#include "host/program/trained_model.h"

namespace {

using namespace softwarp::program;

std::string help_of(const CLI::App& app) {
  return app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal);
}

// Of all commands that there are by now.
void add_help(CLI::App& app) {
  const auto of = std::make_shared<std::string>();
  std::vector<std::string> names;
  for (const CLI::App* each : app.get_subcommands(nullptr)) names.push_back(each->get_name());
  CLI::App* command = app.add_subcommand("help", "Show the flags of a command");
  command->add_option("command", *of)->check(one_of(names));
  tidy_help(*command);
  command->callback(
      [&app, of] { say("{}", of->empty() ? help_of(app) : app.get_subcommand(*of)->help(app.get_name())); });
}

// An error in one line, whatever a name in it holds.
void print_error(std::string what) {
  for (char& c : what)
    if (static_cast<unsigned char>(c) < ' ') c = '?';
  say_error("softwarp: {}\n", what);
}

// CLI11's errors in the words of our own checks.
std::string text_of(const CLI::ParseError& error, const CLI::App& app) {
  std::string what = error.what();
  // It lists what it did not expect from the last to the first.
  const std::vector<std::string> unexpected = app.remaining(true);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !unexpected.empty())
    return fmt::format("unexpected {}", fmt::join(unexpected, " "));
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && app.get_subcommands().empty())
    return fmt::format("expected a command, found {}", unexpected.empty() ? "none" : unexpected.front());
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)
    return fmt::format("{}: expected a value, found nothing", what.substr(0, what.find(' ')));
  if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr)
    return fmt::format("{}: expected no {} beside it", what.substr(0, what.find(' ')),
                       what.substr(what.rfind(' ') + 1));
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)
    return fmt::format("{}: expected a value, found nothing", what.substr(0, what.find(':')));
  return what;
}

int run(int argc, char** argv) {
  CLI::App app("Softmax and multilayer-perceptron training on NVIDIA GPUs and CPUs.", "softwarp");
  app.set_version_flag("--version", "softwarp " SOFTWARP_VERSION);
  app.set_config("--config", "",
                 "Read flags from this TOML file: a section for each subcommand, as in [train]")
      ->type_name(kFileType);
  app.config_formatter(std::make_shared<ConfigFile>(app));
  tidy_help(app);
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  add_train(app);
  add_evaluate(app);
  add_predict(app);
  add_compare(app);
  add_export(app);
  add_softmax(app);
  add_gradcheck(app);
  add_deform(app);
  add_devices(app);
  add_completion(app);
  add_help(app);
  if (argc == 1) {
    say("{}", help_of(app));
    return 2;
  }
  try {
    app.parse(argc, argv);
    say_newest_run();
    return 0;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::FileError&) {
    const std::string path = app.get_config_ptr()->results().back();
    softwarp::read_all(path);  // throws: CLI11 could not read it
    print_error(fmt::format("{}: expected a file that can be read", path));
    return 1;
  } catch (const CLI::ConfigError& error) {
    print_error(error.what());
    return 2;
  } catch (const CLI::ParseError& error) {
    print_error(
        fmt::format("{}{} (--help lists what there is)", text_of(error, app), suggestion(app, argc, argv)));
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
    print_error(error.what());
  }
  return finish_output(exit_code);
}
