#pragma once

#include <softwarp/error.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace softwarp {

class Backend;

// Another rank has ended, or has not come in time.
class RankLost : public Error {
 public:
  using Error::Error;
};

// The processes that train one network together: `size` of them, each with its rank. Calls are collective:
// every rank makes the same ones in the same order. Each call that waits for another rank throws RankLost,
// which names the rank, once that rank has ended or the time limit is over.
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // values[i], in the backend's memory, becomes the sum over all ranks, the same bits on each. sum_tree adds
  // neighbours first: (r0 + r1) + (r2 + r3), and expects a power of two of ranks.
  virtual void sum_tree(float* values, std::int64_t count) = 0;
  // Begins to do the same in any order that depends on the number of ranks alone. Until finish_sums() has
  // ended all that have begun, nobody else may touch their values.
  virtual void start_sum(float* values, std::int64_t count) = 0;
  virtual void finish_sums() = 0;

  // Waits until `done` returns true, which is asked over and over, and looks after the other ranks meanwhile.
  // Not collective.
  virtual void wait_until(const std::function<bool()>& done) = 0;

  // Every rank's bytes, in the order of ranks.
  [[nodiscard]] virtual std::vector<std::string> gather(std::string_view bytes) = 0;
  // The largest of the ranks' values.
  [[nodiscard]] virtual int max(int value) = 0;

  // For a rank that ends because of an error: agrees with the others on one rank that reports it, and returns
  // true on that one. No other call may follow.
  [[nodiscard]] virtual bool reports_error() = 0;
  // For the end of a run without error: waits for the other ranks.
  virtual void finish() = 0;

 protected:
  Communicator() = default;
};

// One process on its own, for which every call is done at once.
[[nodiscard]] Communicator& single_process();

// The communicator of the processes that a launcher started: over MPI if there are several, otherwise of this
// process on its own. Throws Error if there are several and this build has no MPI, or MPI knows of another
// number of them.
[[nodiscard]] std::unique_ptr<Communicator> make_communicator(std::chrono::duration<double> time_limit);

// The communicator of processes that compute on GPUs, by NCCL: sums are queued on the backend's device, and
// within Backend::record recorded, and the host's waits for the device look after the other ranks. All else
// `processes` does. Null if they compute on the CPU, or there is only one. Backend and processes must outlive
// it, and recordings of sums must not. Throws Error if this build has no NCCL, two ranks have one GPU, or
// NCCL refuses.
[[nodiscard]] std::unique_ptr<Communicator> make_device_communicator(Backend& backend,
                                                                     Communicator& processes);

}  // namespace softwarp
