// NCCL among processes: what a sum and a message do, what is refused, and what becomes of the others when a
// rank ends.

#include <gtest/gtest.h>
#include <nccl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>
#include <thread>

#include "simulator/testing.h"

namespace softwarp::simulator {
namespace {

// Of one rank, in its process.
struct Rank {
  int rank;
  int size;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  float* shared;  // memory of all ranks

  ncclResult_t settle() const {
    ncclResult_t state = ncclInProgress;
    while (state == ncclInProgress)
      if (ncclCommGetAsyncError(comm, &state) != ncclSuccess) return ncclSystemError;
    return state;
  }
  void sum(float* values, std::size_t count) const {
    EXPECT_EQ(ncclAllReduce(values, values, count, ncclFloat, ncclSum, comm, stream), ncclInProgress);
    EXPECT_EQ(settle(), ncclSuccess);
  }
  void exchange(const float* mine, float* theirs, std::size_t count, int partner) const {
    EXPECT_EQ(ncclGroupStart(), ncclSuccess);
    EXPECT_EQ(ncclSend(mine, count, ncclFloat, partner, comm, stream), ncclSuccess);
    EXPECT_EQ(ncclRecv(theirs, count, ncclFloat, partner, comm, stream), ncclSuccess);
    EXPECT_EQ(ncclGroupEnd(), ncclInProgress);
    EXPECT_EQ(settle(), ncclSuccess);
  }
  void wait() const { EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess); }
};

ncclResult_t join(Rank& rank, const ncclUniqueId& id, int device) {
  EXPECT_EQ(cudaSetDevice(device), cudaSuccess);
  EXPECT_EQ(cudaStreamCreateWithFlags(&rank.stream, cudaStreamNonBlocking), cudaSuccess);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  EXPECT_EQ(ncclCommInitRankConfig(&rank.comm, rank.size, id, rank.rank, &config), ncclInProgress);
  return rank.settle();
}

using Work = std::function<void(Rank&)>;

// Runs `work` on each rank, in processes that come in any order, and ends with no error and nothing left.
class Nccl : public SimulatorTest {
 protected:
  static constexpr std::size_t kShared = 1024;

  void run(int size, const Work& work, std::uint64_t seed = 1, int devices = 4) {
    ncclUniqueId id;
    ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
    std::vector<pid_t> children;
    for (int r = 0; r < size; ++r) {
      children.push_back(fork());
      if (children.back() == 0)
        run_rank({.rank = r, .size = size, .shared = shared_}, id, work, seed, devices);
    }
    for (const pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see above";
    }
  }

  float* const shared_ = static_cast<float*>(
      mmap(nullptr, kShared * sizeof(float), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

 private:
  [[noreturn]] static void run_rank(Rank rank, const ncclUniqueId& id, const Work& work, std::uint64_t seed,
                                    int devices) {
    alarm(60);
    reset(seed, {.count = devices});
    usleep(static_cast<unsigned>((seed * 7 + static_cast<unsigned>(rank.rank) * 5) % 9) * 1000);
    EXPECT_EQ(join(rank, id, rank.rank % devices), devices >= rank.size ? ncclSuccess : ncclInvalidUsage);
    work(rank);
    if (rank.comm != nullptr) {
      EXPECT_EQ(ncclCommAbort(rank.comm), ncclSuccess);
    }
    cudaStreamDestroy(rank.stream);
    EXPECT_EQ(take_errors(), std::vector<std::string>{}) << "rank " << rank.rank;
    EXPECT_EQ(live_objects(), std::vector<std::string>{}) << "rank " << rank.rank;
    std::fflush(nullptr);
    _exit(HasFailure() ? 1 : 0);
  }
};

float value_of(int rank, std::size_t i) {
  return static_cast<float>(i % 1000) + 1000.0f * static_cast<float>(rank);
}

std::vector<float> values_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = value_of(rank, i);
  return values;
}

// More than a part of a message.
constexpr std::size_t kMany = 100'003;

TEST_F(Nccl, SumsOverAllRanks) {
  for (const int size : {1, 2, 3, 4})
    run(size, [](Rank& rank) {
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, kMany}) {
        const DeviceArray<float> values(values_of(rank.rank, count + 1));
        rank.sum(values.data(), count);
        rank.wait();
        std::vector<float> expected = values_of(rank.rank, count + 1);
        for (std::size_t i = 0; i < count; ++i) {
          expected[i] = 0;
          for (int r = 0; r < rank.size; ++r) expected[i] += value_of(r, i);
        }
        EXPECT_EQ(values.download(), expected) << count;
      }
    });
}

// Each rank sends to the next and receives from the one before.
TEST_F(Nccl, MovesMessagesOfAGroupAtOnce) {
  run(3, [](Rank& rank) {
    const int next = (rank.rank + 1) % 3, before = (rank.rank + 2) % 3;
    const DeviceArray<float> mine(values_of(rank.rank, kMany)), theirs(kMany);
    ncclGroupStart();
    ncclSend(mine.data(), kMany, ncclFloat, next, rank.comm, rank.stream);
    ncclRecv(theirs.data(), kMany, ncclFloat, before, rank.comm, rank.stream);
    EXPECT_EQ(ncclGroupEnd(), ncclInProgress);
    EXPECT_EQ(rank.settle(), ncclSuccess);
    rank.wait();
    EXPECT_EQ(theirs.download(), values_of(before, kMany));
  });
}

// (1e8 + 1) - 1e8 is 0 in float, and (1e8 - 1e8) + 1 is 1.
TEST_F(Nccl, SumsInAnOrderOfItsOwnThatIsTheSameOnAllRanks) {
  std::set<float> found;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    run(
        3,
        [](Rank& rank) {
          const float values[] = {1e8f, 1, -1e8f};
          const DeviceArray<float> value(std::vector{values[rank.rank]});
          rank.sum(value.data(), 1);
          rank.wait();
          rank.shared[rank.rank] = value.download()[0];
        },
        seed);
    EXPECT_EQ(shared_[1], shared_[0]);
    EXPECT_EQ(shared_[2], shared_[0]);
    found.insert(shared_[0]);
  }
  EXPECT_EQ(found, (std::set<float>{0, 1}));
}

TEST_F(Nccl, IsReplayedInAGraph) {
  run(2, [](Rank& rank) {
    const DeviceArray<float> values(std::vector<float>(10, 1)), theirs(10);
    rank.sum(values.data(), 10);  // loads its code
    rank.exchange(values.data(), theirs.data(), 10, 1 - rank.rank);
    rank.wait();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    EXPECT_EQ(cudaStreamBeginCapture(rank.stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    rank.sum(values.data(), 10);
    rank.exchange(values.data(), theirs.data(), 10, 1 - rank.rank);
    EXPECT_EQ(cudaStreamEndCapture(rank.stream, &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphInstantiate(&exec, graph), cudaSuccess);
    const std::int64_t waits = host_counters().synchronizations;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(cudaGraphLaunch(exec, rank.stream), cudaSuccess);
    EXPECT_EQ(host_counters().synchronizations, waits) << "none by queueing";
    rank.wait();
    EXPECT_EQ(values.download(), std::vector<float>(10, 16)) << "doubled once, and three times by the graph";
    EXPECT_EQ(theirs.download(), std::vector<float>(10, 16));
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
  });
}

TEST_F(Nccl, RefusesItsFirstUseInACapture) {
  run(1, [](Rank& rank) {
    const DeviceArray<float> values(std::vector<float>(1));
    cudaGraph_t graph = nullptr;
    cudaStreamBeginCapture(rank.stream, cudaStreamCaptureModeThreadLocal);
    EXPECT_EQ(ncclAllReduce(values.data(), values.data(), 1, ncclFloat, ncclSum, rank.comm, rank.stream),
              ncclInProgress);
    EXPECT_EQ(rank.settle(), ncclUnhandledCudaError);
    cudaStreamEndCapture(rank.stream, &graph);
    cudaGraphDestroy(graph);
    EXPECT_EQ(take_errors().size(), 1u);
  });
}

TEST_F(Nccl, RefusesACallBeforeTheLastOneIsQueued) {
  run(1, [](Rank& rank) {
    const DeviceArray<float> values(std::vector<float>(1));
    const auto sum = [&] {
      return ncclAllReduce(values.data(), values.data(), 1, ncclFloat, ncclSum, rank.comm, rank.stream);
    };
    EXPECT_EQ(sum(), ncclInProgress);
    EXPECT_EQ(sum(), ncclInvalidUsage);
    EXPECT_EQ(rank.settle(), ncclSuccess);
    rank.wait();
    ASSERT_EQ(take_errors().size(), 1u);
  });
}

TEST_F(Nccl, ReportsCallsThatDiffer) {
  run(2, [](Rank& rank) {
    const DeviceArray<float> values(std::vector<float>(10));
    rank.sum(values.data(), rank.rank == 0 ? 10 : 9);
    EXPECT_EQ(cudaStreamSynchronize(rank.stream), cudaErrorLaunchFailure);
    for (const std::string& error : take_errors())
      EXPECT_NE(error.find("has called for the sum of"), std::string::npos) << error;
  });
}

TEST_F(Nccl, ReportsMemoryThatIsNotTheDevices) {
  run(1, [](Rank& rank) {
    std::vector<float> host(10);
    rank.sum(host.data(), 10);
    EXPECT_EQ(cudaStreamSynchronize(rank.stream), cudaErrorIllegalAddress);
    EXPECT_EQ(take_errors().size(), 1u);
  });
}

TEST_F(Nccl, RefusesTwoRanksOnOneDevice) {
  run(2, [](Rank&) {}, 1, /*devices=*/1);
}

// The host sees the rank's end while it polls, and what is queued ends by an abort.
TEST_F(Nccl, OfARankThatHasEndedWaitsUntilItIsAborted) {
  run(2, [](Rank& rank) {
    if (rank.rank == 1) _exit(0);
    const DeviceArray<float> values(std::vector<float>(10, 1));
    rank.sum(values.data(), 10);
    ncclResult_t error = ncclSuccess;
    while (error == ncclSuccess) {
      EXPECT_EQ(cudaStreamQuery(rank.stream), cudaErrorNotReady);
      EXPECT_EQ(ncclCommGetAsyncError(rank.comm, &error), ncclSuccess);
    }
    EXPECT_EQ(error, ncclRemoteError);
    EXPECT_EQ(ncclCommAbort(std::exchange(rank.comm, nullptr)), ncclSuccess);
    rank.wait();
  });
}

TEST_F(Nccl, ReportsAWaitForARankThatHasEnded) {
  run(2, [](Rank& rank) {
    if (rank.rank == 1) _exit(0);
    const DeviceArray<float> values(std::vector<float>(10, 1));
    rank.sum(values.data(), 10);
    EXPECT_EQ(cudaStreamSynchronize(rank.stream), cudaErrorLaunchFailure);
    const std::vector<std::string> errors = take_errors();
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_NE(errors[0].find("waits without end"), std::string::npos) << errors[0];
  });
}

TEST_F(Nccl, AbortWaitsForTheGraphsThatHoldItsWork) {
  run(1, [](Rank& rank) {
    const DeviceArray<float> values(std::vector<float>(1));
    rank.sum(values.data(), 1);
    rank.wait();
    cudaGraph_t graph = nullptr;
    cudaStreamBeginCapture(rank.stream, cudaStreamCaptureModeThreadLocal);
    rank.sum(values.data(), 1);
    cudaStreamEndCapture(rank.stream, &graph);
    std::atomic<bool> ended = false;
    std::thread other([&] {
      EXPECT_EQ(ncclCommAbort(std::exchange(rank.comm, nullptr)), ncclSuccess);
      ended = true;
    });
    usleep(10'000);
    EXPECT_FALSE(ended);
    cudaGraphDestroy(graph);
    other.join();
  });
}

TEST_F(Nccl, FailsAtTheCallThatAFaultHits) {
  run(1, [](Rank& rank) {
    const DeviceArray<float> values(std::vector<float>(1));
    inject({.nccl = ncclInternalError});
    EXPECT_EQ(ncclAllReduce(values.data(), values.data(), 1, ncclFloat, ncclSum, rank.comm, rank.stream),
              ncclInternalError);
    EXPECT_EQ(fault_hit(), "ncclAllReduce");
    rank.sum(values.data(), 1);
    rank.wait();
  });
}

}  // namespace
}  // namespace softwarp::simulator
