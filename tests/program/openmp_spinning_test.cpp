// OpenMP's waiting threads: the program limits how long they spin unless whoever starts it chose. libgomp
// prints its settings at each start where OMP_DISPLAY_ENV asks for them; the last ones count.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "tests/data/temporary_files.h"
#include "tests/program/run_program.h"

namespace softwarp {
namespace {

class OpenmpSpinning : public testing::Test {
 protected:
  OpenmpSpinning() {
    for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_DISPLAY_ENV"})
      if (const char* value = std::getenv(name)) before_[name] = value;
    unsetenv("OMP_WAIT_POLICY");
    unsetenv("GOMP_SPINCOUNT");
    setenv("OMP_DISPLAY_ENV", "verbose", 1);
  }
  ~OpenmpSpinning() override {
    for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_DISPLAY_ENV"}) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

  // Of the program's last start; empty without one.
  static std::string rounds() {
    const TemporaryDirectory directory;
    const ProgramRun run = run_program({"--version"}, directory.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    const std::string name = "GOMP_SPINCOUNT = '";
    const auto at = run.err.rfind(name);
    if (at == std::string::npos) return "";
    return run.err.substr(at + name.size(), run.err.find('\'', at + name.size()) - at - name.size());
  }

 private:
  std::map<std::string, std::string> before_;
};

TEST_F(OpenmpSpinning, IsLimited) { EXPECT_EQ(rounds(), "5000"); }

TEST_F(OpenmpSpinning, IsLeftAsChosen) {
  setenv("GOMP_SPINCOUNT", "77", 1);
  EXPECT_EQ(rounds(), "77");
  unsetenv("GOMP_SPINCOUNT");
  setenv("OMP_WAIT_POLICY", "passive", 1);
  EXPECT_EQ(rounds(), "0");
}

}  // namespace
}  // namespace softwarp
