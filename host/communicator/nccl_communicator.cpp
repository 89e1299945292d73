// NCCL for what lies on a GPU, the communicator of the processes for all else. Sums are queued, so that they
// can be recorded; the calls do not block, and each is waited for until it has queued its work.
//
// A kernel of NCCL waits for the other ranks for as long as it takes. So the host never waits for the device
// by CUDA's own calls, but polls, and looks after the other ranks meanwhile. When one is lost, ncclCommAbort
// lets the kernels leave. It returns once no graph holds work of NCCL any more: a thread calls it, while the
// exception on its way destroys the graphs.

#include <fmt/format.h>
#include <nccl.h>
#include <softwarp/backend.h>
#include <softwarp/error.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <exception>
#include <future>
#include <optional>
#include <source_location>
#include <utility>

#include "host/backend/cuda/handles.h"
#include "host/communicator/communicator.h"

namespace softwarp {
namespace {

using Clock = std::chrono::steady_clock;
using cuda::check;

void check(ncclResult_t status, std::source_location where = std::source_location::current()) {
  if (status == ncclSuccess) return;
  throw Error(
      fmt::format("{}:{}: NCCL says {}", where.file_name(), where.line(), ncclGetErrorString(status)));
}

using NcclComm = cuda::Handle<ncclComm_t, ncclCommAbort>;

cuda::Event make_event() {
  return cuda::make<cuda::Event>(cudaEventCreateWithFlags, unsigned{cudaEventDisableTiming});
}

// NCCL knows a GPU by its place on the bus of its machine.
void expect_devices_of_their_own(Communicator& processes) {
  int device = 0;
  std::array<char, 32> bus{};
  std::array<char, 256> host{};
  check(cudaGetDevice(&device));
  check(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device));
  gethostname(host.data(), host.size() - 1);
  const std::vector<std::string> places = processes.gather(fmt::format("{} of {}", bus.data(), host.data()));
  for (std::size_t r = 0; r < places.size(); ++r)
    for (std::size_t other = 0; other < r; ++other)
      if (places[r] == places[other])
        throw Error(
            fmt::format("ranks {} and {}: expected a GPU each, found {} for both (start as many ranks "
                        "as the machine has GPUs)",
                        other, r, places[r]));
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Backend& backend, Communicator& processes)
      : backend_(&backend),
        processes_(&processes),
        sums_stream_(cuda::make<cuda::Stream>(cudaStreamCreateWithFlags, unsigned{cudaStreamNonBlocking})),
        computed_(make_event()),
        summed_(make_event()) {
    expect_devices_of_their_own(processes);
    const ncclUniqueId id = id_of_first();
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t made = nullptr;
    const ncclResult_t status = ncclCommInitRankConfig(&made, size(), id, rank(), &config);
    comm_.reset(made);
    settle(status);
    backend.wait_by([this](const std::function<bool()>& done) { wait_until(done); });
  }

  // By now nothing but what is queued holds work of NCCL.
  ~NcclCommunicator() override {
    start_abort();
    wait_for_abort([&] { return is_idle(backend_->stream()) && is_idle(sums_stream_.get()); });
    backend_->wait_by({});
  }

  int rank() const override { return processes_->rank(); }
  int size() const override { return processes_->size(); }

  // By recursive doubling, as in tree.h. An addition gives the same bits whichever rank's sum is its left
  // operand.
  void sum_tree(float* values, std::int64_t count) override {
    if (count > received_.size()) received_ = backend_->make_array<float>(count);  // before it is recorded
    for (int distance = 1; distance < size(); distance *= 2) {
      exchange(rank() ^ distance, values, count);
      backend_->add(received_.data(), values, count);
    }
  }

  // On a stream of their own, beside the computations that follow.
  void start_sum(float* values, std::int64_t count) override {
    if (count == 0) return;
    check(cudaEventRecord(computed_.get(), backend_->stream()));
    check(cudaStreamWaitEvent(sums_stream_.get(), computed_.get(), cudaEventWaitDefault));
    settle(ncclAllReduce(values, values, static_cast<std::size_t>(count), ncclFloat, ncclSum, comm_.get(),
                         sums_stream_.get()));
    started_ = true;
  }
  void finish_sums() override {
    if (!std::exchange(started_, false)) return;
    check(cudaEventRecord(summed_.get(), sums_stream_.get()));
    check(cudaStreamWaitEvent(backend_->stream(), summed_.get(), cudaEventWaitDefault));
  }

  void wait_until(const std::function<bool()>& done) override {
    if (aborted_.valid()) return wait_for_abort(done);
    try {
      processes_->wait_until([&] {
        expect_no_error();
        return done();
      });
    } catch (const RankLost&) {
      start_abort();
      throw;
    }
  }

  std::vector<std::string> gather(std::string_view bytes) override { return processes_->gather(bytes); }
  int max(int value) override { return processes_->max(value); }
  bool reports_error() override { return processes_->reports_error(); }
  // Aborted rather than destroyed: that needs no other rank, and all have done their work.
  void finish() override {
    processes_->finish();
    comm_.reset();
  }

 private:
  ncclUniqueId id_of_first() {
    ncclUniqueId id{};
    if (rank() == 0) check(ncclGetUniqueId(&id));
    const std::string first = processes_->gather({id.internal, sizeof id.internal}).front();
    std::memcpy(id.internal, first.data(), sizeof id.internal);
    return id;
  }

  // Until a call has queued its work, the communicator takes no other.
  void settle(ncclResult_t status, std::source_location where = std::source_location::current()) {
    if (status == ncclInProgress)
      wait_until([&] {
        check(ncclCommGetAsyncError(comm_.get(), &status), where);
        return status != ncclInProgress;
      });
    check(status, where);
  }

  void exchange(int partner, const float* mine, std::int64_t count) {
    const auto size = static_cast<std::size_t>(count);
    check(ncclGroupStart());
    ncclResult_t status = ncclSend(mine, size, ncclFloat, partner, comm_.get(), backend_->stream());
    if (status == ncclSuccess)
      status = ncclRecv(received_.data(), size, ncclFloat, partner, comm_.get(), backend_->stream());
    const ncclResult_t ended =
        ncclGroupEnd();  // in any case: a group that stays open would swallow all that follows
    check(status);
    settle(ended);
  }

  // NCCL may find that a rank has ended before the processes do, who can name it.
  void expect_no_error() {
    constexpr std::chrono::seconds kPatience{2};
    ncclResult_t status = ncclSuccess;
    check(ncclCommGetAsyncError(comm_.get(), &status));
    if (status == ncclSuccess || status == ncclInProgress) return;
    if (!failed_) failed_ = Clock::now();
    if (Clock::now() - *failed_ > kPatience)
      throw RankLost(fmt::format("another rank: expected its share of a sum, found that NCCL says {}",
                                 ncclGetErrorString(status)));
  }

  void start_abort() {
    if (comm_) aborted_ = std::async(std::launch::async, ncclCommAbort, comm_.release());
  }
  static bool is_idle(cudaStream_t stream) { return cudaStreamQuery(stream) != cudaErrorNotReady; }

  // The device goes on without the other ranks, for nobody but destructors.
  static void wait_for_abort(const std::function<bool()>& done) {
    constexpr std::chrono::seconds kPatience{10};
    const Clock::time_point start = Clock::now();
    while (!done() && Clock::now() - start < kPatience) usleep(100);
  }

  Backend* backend_;
  Communicator* processes_;
  cuda::Stream sums_stream_;
  cuda::Event computed_, summed_;
  Array<float> received_;
  bool started_ = false;
  std::optional<Clock::time_point> failed_;  // when NCCL first said so
  NcclComm comm_;
  std::future<ncclResult_t> aborted_;  // whose destructor waits
};

}  // namespace

std::unique_ptr<Communicator> make_device_communicator(Backend& backend, Communicator& processes) {
  if (processes.size() == 1 || backend.stream() == nullptr) return nullptr;
  return std::make_unique<NcclCommunicator>(backend, processes);
}

}  // namespace softwarp
