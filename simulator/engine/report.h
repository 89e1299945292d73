#pragma once

#include <string>

namespace softwarp::simulator {

// Notes a broken rule for take_errors().
void report(const std::string& what);

}  // namespace softwarp::simulator
