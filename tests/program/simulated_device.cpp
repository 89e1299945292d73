// A program on the simulated device that broke a rule, or left something behind, ends with exit code 70.

#include <cstdio>
#include <cstdlib>

#include "tests/simulator/simulator.h"

namespace softwarp::simulator {
namespace {

void judge() {
  auto complaints = take_errors();
  for (const std::string& object : live_objects()) complaints.push_back("not released: " + object);
  if (complaints.empty()) return;
  for (const std::string& complaint : complaints) std::fprintf(stderr, "simulator: %s\n", complaint.c_str());
  std::fflush(nullptr);
  std::_Exit(70);
}

const int registered = std::atexit(judge);

}  // namespace
}  // namespace softwarp::simulator
