// The file behind --config.

#include <memory>
#include <sstream>

#include "host/program/commands.h"
#include "host/program/config_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  CLI::App app;
  app.config_formatter(std::make_shared<softwarp::program::ConfigFile>(app));
  softwarp::program::add_train(app);
  // Once all is read, and before anything is trained.
  app.get_subcommand("train")->parse_complete_callback([] { throw CLI::Success(); });
  std::istringstream file(std::string(reinterpret_cast<const char*>(data), size));
  try {
    app.parse_from_stream(file);
  } catch (const CLI::Error&) {
  }
  return 0;
}
