#pragma once

#include <softwarp/dataset.h>
#include <softwarp/mlp.h>

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace softwarp::program {

// --class-names.
CLI::Option* add_class_names(CLI::App& command, std::string& file);

// The names in this text file, one a line. Throws Error, with the line, unless there is one for each class.
std::vector<std::string> read_class_names(const std::string& file, std::int64_t classes);

// Those of the file, if one is given; else the model's, else the data's if it has as many classes. Empty:
// there are none.
std::vector<std::string> class_names_for(const Model& model, const std::string& file, const Dataset& data);

// "9 Ankle boot"; the number alone where there are no names.
std::string class_text(const std::vector<std::string>& names, std::int64_t label);

// The same for a column of a table, and the column's width in characters of the terminal.
std::string class_cell(const std::vector<std::string>& names, std::int64_t label);
std::size_t class_column(const std::vector<std::string>& names);

}  // namespace softwarp::program
