#include "host/communicator/launcher.h"

#include <gtest/gtest.h>
#include <softwarp/error.h>

#include <chrono>
#include <cstdlib>
#include <map>

#include "host/communicator/communicator.h"

namespace softwarp {
namespace {

using Variables = std::map<std::string, std::string>;

Ranks found(const Variables& variables) {
  return ranks_of([&](const char* name) {
    const auto at = variables.find(name);
    return at == variables.end() ? nullptr : at->second.c_str();
  });
}

void expect_ranks(const Variables& variables, int rank, int size, const std::string& launcher) {
  const Ranks ranks = found(variables);
  EXPECT_EQ(ranks.rank, rank) << launcher;
  EXPECT_EQ(ranks.size, size) << launcher;
  EXPECT_EQ(ranks.launcher, launcher);
}

const Variables kMpirun{{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "4"}};
const Variables kPmi{{"PMI_RANK", "2"}, {"PMI_SIZE", "3"}};
const Variables kSrun{{"SLURM_PROCID", "5"}, {"SLURM_STEP_NUM_TASKS", "6"}, {"SLURM_NTASKS", "7"}};
const Variables kTorchrun{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}};

TEST(Launcher, IsKnownByItsVariables) {
  expect_ranks({}, 0, 1, "");
  expect_ranks(kMpirun, 1, 4, "OMPI_COMM_WORLD_SIZE");
  expect_ranks(kPmi, 2, 3, "PMI_SIZE");
  expect_ranks(kSrun, 5, 6, "SLURM_STEP_NUM_TASKS");
  expect_ranks(kTorchrun, 0, 2, "WORLD_SIZE");
}

TEST(Launcher, SaysThePlaceOnTheMachine) {
  const auto place = [](const Variables& variables) {
    return local_rank([&](const char* name) {
      const auto at = variables.find(name);
      return at == variables.end() ? nullptr : at->second.c_str();
    });
  };
  EXPECT_EQ(place({}), -1);
  int expected = 0;
  Variables all;
  for (const char* name : {"LOCAL_RANK", "SLURM_LOCALID", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK"}) {
    all[name] = std::to_string(++expected);
    EXPECT_EQ(place({{name, std::to_string(expected)}}), expected) << name;
    EXPECT_EQ(place(all), expected) << name << " is the innermost";
  }
  EXPECT_THROW(place({{"LOCAL_RANK", "-1"}}), Error);
}

// Of a program that was built without MPI.
TEST(MakeCommunicator, WithoutMpiIsOfOneProcessAlone) {
  const char* const variables[] = {"RANK", "WORLD_SIZE"};
  setenv(variables[0], "0", 1);
  setenv(variables[1], "1", 1);
  EXPECT_EQ(make_communicator(std::chrono::seconds(1))->size(), 1);
  setenv(variables[1], "2", 1);
  try {
    (void)make_communicator(std::chrono::seconds(1));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "WORLD_SIZE: expected 1 process, as this build has no MPI, found 2 (install libopenmpi-dev "
                 "and build softwarp anew)");
  }
  for (const char* variable : variables) unsetenv(variable);
}

TEST(Launcher, IsTheInnermostOfSeveral) {
  Variables all = kMpirun;
  for (const Variables& more : {kPmi, kSrun, kTorchrun}) all.insert(more.begin(), more.end());
  expect_ranks(all, 1, 4, "OMPI_COMM_WORLD_SIZE");
}

TEST(Launcher, IsNoneInABatchScriptOrWithHalfOfItsVariables) {
  expect_ranks({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}, 0, 1, "");
  expect_ranks({{"RANK", "3"}}, 0, 1, "");
  expect_ranks({{"WORLD_SIZE", "3"}}, 0, 1, "");
}

TEST(Launcher, IsRefusedNumbersThatCannotBe) {
  for (const auto& [rank, size] : {std::pair<const char*, const char*>{"4", "4"},
                                   {"-1", "4"},
                                   {"0", "0"},
                                   {"0", "two"},
                                   {"1x", "4"},
                                   {"", "4"},
                                   {"0", "99999999999"}})
    EXPECT_THROW(found({{"RANK", rank}, {"WORLD_SIZE", size}}), Error) << rank << " of " << size;
}

}  // namespace
}  // namespace softwarp
