#pragma once

#include <CLI/App.hpp>

// One file a subcommand. Each adds its flags to the program and its work as the subcommand's callback, which
// throws softwarp::Error for what main then prints as one line.
namespace softwarp::program {

// Thrown by a subcommand that has done and said everything, but does not end with 0.
struct ExitCode {
  int code;
};

void add_train(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_predict(CLI::App& app);
void add_deform(CLI::App& app);
void add_export(CLI::App& app);
void add_devices(CLI::App& app);
void add_compare(CLI::App& app);
void add_softmax(CLI::App& app);
void add_gradcheck(CLI::App& app);
void add_completion(CLI::App& app);

}  // namespace softwarp::program
