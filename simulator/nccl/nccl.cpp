// NCCL: communicators that do not block, groups, and sums and messages as work on a stream.

#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "simulator/engine/memory.h"
#include "simulator/engine/queue.h"
#include "simulator/engine/random.h"
#include "simulator/engine/report.h"
#include "simulator/engine/state.h"
#include "simulator/nccl/ranks.h"

using namespace softwarp::simulator;

// The handle of a communicator stays valid in work that is queued or recorded.
struct ncclComm {
  std::unique_ptr<SharedRanks> ranks;
  bool blocks = true;
  bool ready = false;
  ncclResult_t error = ncclSuccess;
  std::vector<std::function<cudaError_t()>> not_queued;  // calls that have returned ncclInProgress
  const void* at_work = nullptr;                         // what is done one by one
  const std::thread::id owner = std::this_thread::get_id();
  std::atomic<bool> aborted = false;
  std::atomic<int> recorded = 0;  // in graphs, or queued
};

namespace {

using Comm = std::shared_ptr<ncclComm>;
using Message = SharedRanks::Message;

std::mutex communicators_mutex;
auto& communicators = *new std::map<const ncclComm*, Comm>;

Comm find(ncclComm_t handle) {
  const std::lock_guard lock(communicators_mutex);
  const auto found = communicators.find(handle);
  return found == communicators.end() ? nullptr : found->second;
}

// One that has been made, or queued, or recorded: no ncclCommAbort returns while there is a recorded one.
class Transfer {
 public:
  Transfer(Comm comm, RanksCall call, const float* from, float* to)
      : comm_(std::move(comm)), call_(call), from_(from), to_(to) {
    ++comm_->recorded;
  }
  ~Transfer() { --comm_->recorded; }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void add(Message message) { messages_.push_back(message); }
  const std::vector<Message>& messages() const { return messages_; }
  ncclComm& comm() { return *comm_; }

  // cudaErrorNotReady: another rank has not come yet.
  cudaError_t work() {
    if (comm_->aborted) return leave();
    if (comm_->at_work != nullptr && comm_->at_work != this) return cudaErrorNotReady;
    if (comm_->at_work == nullptr) begin();
    bool complete = true;
    int missed = -1;
    for (Message& message : under_way_) {
      const bool has_ended = comm_->ranks->has_ended(message.peer);  // before what it has sent until then
      if (const std::string wrong = comm_->ranks->advance(message); !wrong.empty()) {
        report("nccl: " + wrong);
        comm_->ranks->fail();
      }
      complete = complete && message.complete();
      if (has_ended && !message.complete()) missed = message.peer;
    }
    if (comm_->ranks->failed()) return comm_->error = ncclInvalidUsage, cudaErrorLaunchFailure;
    if (!complete) return wait(missed);
    if (call_.kind == RanksCall::all_reduce) sum();
    comm_->at_work = nullptr;
    return cudaSuccess;
  }

 private:
  std::size_t bytes() const { return call_.count * sizeof(float); }

  void begin() {
    comm_->at_work = this;
    under_way_ = messages_;
    if (call_.kind != RanksCall::all_reduce) return;
    const int size = comm_->ranks->size(), rank = comm_->ranks->rank();
    parts_.assign(static_cast<std::size_t>(size), std::vector<float>(call_.count));
    std::copy_n(from_, call_.count, parts_[static_cast<std::size_t>(rank)].begin());
    const std::uint64_t seed = draw(UINT32_MAX);
    for (int r = 0; r < size; ++r) {
      if (r == rank) continue;
      char* const mine = reinterpret_cast<char*>(parts_[static_cast<std::size_t>(rank)].data());
      char* const theirs = reinterpret_cast<char*>(parts_[static_cast<std::size_t>(r)].data());
      under_way_.push_back(
          {.sends = true, .peer = r, .data = mine, .bytes = bytes(), .call = call_, .seed = seed});
      under_way_.push_back({.sends = false, .peer = r, .data = theirs, .bytes = bytes(), .call = call_});
    }
    seed_ = seed;
  }

  // In an order that rank 0 draws anew for every 64 values: the same on all ranks, and none that a caller may
  // count on.
  void sum() {
    for (const Message& message : under_way_)
      if (!message.sends && message.peer == 0) seed_ = message.seed;
    const std::uint64_t before = std::exchange(random_state, seed_);
    std::vector<std::size_t> order(parts_.size());
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = 0; i < call_.count; ++i) {
      for (std::size_t k = order.size(); i % 64 == 0 && k > 1; --k)
        std::swap(order[k - 1], order[draw(static_cast<std::uint32_t>(k))]);
      float total = parts_[order[0]][i];
      for (std::size_t k = 1; k < order.size(); ++k) total += parts_[order[k]][i];
      to_[i] = total;
    }
    random_state = before;
  }

  // A GPU would wait for ever for a rank that has ended: the host has to look after it, and can while it
  // polls.
  cudaError_t wait(int ended) {
    if (ended < 0) return cudaErrorNotReady;
    comm_->error = ncclRemoteError;
    if (!host_is_blocked()) return cudaErrorNotReady;
    report("nccl: the host waits without end for " + call_.text() + " with rank " + std::to_string(ended) +
           ", which has ended");
    return cudaErrorLaunchFailure;
  }

  // Leaves undefined values where the others' would have been.
  cudaError_t leave() {
    comm_->at_work = nullptr;
    if (call_.kind == RanksCall::all_reduce) std::memset(to_, 0xff, bytes());
    for (const Message& message : messages_)
      if (!message.sends) std::memset(message.data, 0xff, message.bytes);
    return cudaSuccess;
  }

  Comm comm_;
  RanksCall call_;
  const float* from_;
  float* to_;
  std::vector<Message> messages_;          // as called for
  std::vector<Message> under_way_;         // of this run
  std::vector<std::vector<float>> parts_;  // of a sum, by rank
  std::uint64_t seed_ = 0;
};

int group_depth = 0;
struct Grouped {
  Comm comm;
  cudaStream_t stream;
  std::shared_ptr<Transfer> operation;
};
std::vector<Grouped>& group() {
  static auto& calls = *new std::vector<Grouped>;
  return calls;
}

ncclResult_t begin_comm_call(const char* name, const Comm& comm) {
  if (const ncclResult_t refused = begin_nccl_call(name); refused != ncclSuccess) return refused;
  if (!comm || comm->aborted) return ncclInvalidArgument;
  if (comm->error != ncclSuccess) return comm->error;
  if (comm->ready && comm->not_queued.empty()) return ncclSuccess;
  report(std::string(name) + ": called before the call in front of it was no longer in progress");
  return ncclInvalidUsage;
}

ncclResult_t queue_all(ncclComm& comm) {
  for (const auto& queue : std::exchange(comm.not_queued, {}))
    if (queue() != cudaSuccess) return comm.error = ncclUnhandledCudaError;
  return ncclSuccess;
}

// A communicator that does not block has the work queued by a thread of its own, some time later.
ncclResult_t enqueue(const char* name, const Comm& comm, cudaStream_t stream, std::vector<Extent> touched,
                     const std::shared_ptr<Transfer>& operation) {
  comm->not_queued.emplace_back([name, comm, stream, touched = std::move(touched), operation] {
    const cudaError_t refused = load_from_library(name);
    if (refused != cudaSuccess) return refused;
    return queue_library_work(name, stream, touched, [operation] { return operation->work(); });
  });
  return comm->blocks ? queue_all(*comm) : ncclInProgress;
}

// Sends and receives of one communicator on one stream: one piece of work, of which all go on at once.
ncclResult_t enqueue_group() {
  std::vector<Grouped> calls = std::exchange(group(), {});
  if (calls.empty()) return ncclSuccess;
  std::vector<Extent> touched;
  for (const Grouped& call : calls) {
    if (call.comm != calls[0].comm || call.stream != calls[0].stream) return ncclInvalidUsage;
    const Message& message = call.operation->messages()[0];
    touched.push_back({message.data, message.bytes});
    if (call.operation != calls[0].operation) calls[0].operation->add(message);
  }
  return enqueue("ncclGroup", calls[0].comm, calls[0].stream, touched, calls[0].operation);
}

ncclResult_t point_to_point(const char* name, bool sends, void* data, int peer, std::size_t count,
                            ncclDataType_t type, ncclComm_t handle, cudaStream_t stream) {
  const Comm comm = find(handle);
  if (const ncclResult_t refused = begin_comm_call(name, comm); refused != ncclSuccess) return refused;
  if (type != ncclFloat32 || peer < 0 || peer >= comm->ranks->size() || peer == comm->ranks->rank())
    return ncclInvalidArgument;
  const RanksCall call{RanksCall::point_to_point, type, ncclSum, count};
  const auto operation = std::make_shared<Transfer>(comm, call, nullptr, nullptr);
  operation->add({.sends = sends,
                  .peer = peer,
                  .data = static_cast<char*>(data),
                  .bytes = count * sizeof(float),
                  .call = call});
  group().push_back({comm, stream, operation});
  return group_depth > 0 ? ncclSuccess : enqueue_group();
}

// All ranks have come, each with a device of its own.
ncclResult_t try_to_begin(ncclComm& comm) {
  if (!comm.ranks->complete()) return ncclInProgress;
  comm.ready = true;
  const auto [one, other] = comm.ranks->of_one_device();
  return comm.error = one < 0 ? ncclSuccess : ncclInvalidUsage;
}

}  // namespace

namespace softwarp::simulator {

std::vector<std::string> live_communicators() {
  const std::lock_guard lock(communicators_mutex);
  return std::vector<std::string>(communicators.size(), "a NCCL communicator");
}

void forget_communicators() {
  const std::lock_guard lock(communicators_mutex);
  communicators.clear();
  group().clear();
  group_depth = 0;
}

}  // namespace softwarp::simulator

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static int made = 0;
  if (const ncclResult_t refused = begin_nccl_call("ncclGetUniqueId"); refused != ncclSuccess) return refused;
  std::memset(id->internal, 0, sizeof id->internal);
  std::snprintf(id->internal, sizeof id->internal, "/simulated-nccl-%d-%d", getpid(), ++made);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  *handle = nullptr;
  if (const ncclResult_t refused = begin_nccl_call("ncclCommInitRankConfig"); refused != ncclSuccess)
    return refused;
  if (capture_in_danger() != nullptr) return ncclInvalidUsage;
  if (ranks < 1 || ranks > 64 || rank < 0 || rank >= ranks || config->magic != 0xcafebeef)
    return ncclInvalidArgument;
  const auto comm = std::make_shared<ncclComm>();
  comm->ranks =
      std::make_unique<SharedRanks>(id.internal, ranks, rank, physical_device(state().current_device));
  comm->blocks = config->blocking != 0;
  *handle = comm.get();
  {
    const std::lock_guard lock(communicators_mutex);
    communicators[comm.get()] = comm;
  }
  ncclResult_t result = ncclInProgress;
  while (comm->blocks && (result = try_to_begin(*comm)) == ncclInProgress) usleep(20);
  return result;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  if (const ncclResult_t refused = begin_nccl_call("ncclCommGetAsyncError"); refused != ncclSuccess)
    return refused;
  const Comm comm = find(handle);
  if (!comm) return ncclInvalidArgument;
  *error = comm->error;
  if (comm->error != ncclSuccess) return ncclSuccess;
  if (!comm->ready)
    *error = try_to_begin(*comm);
  else if (!comm->not_queued.empty())
    *error = draw(2) == 0 ? ncclInProgress : queue_all(*comm);
  return ncclSuccess;
}

// Lets what is queued go on without the other ranks, then waits until no graph holds any of it, as NCCL does
// since 2.26. The device runs on the owner's thread alone.
ncclResult_t ncclCommAbort(ncclComm_t handle) {
  const Comm comm = find(handle);
  if (!comm) return ncclInvalidArgument;
  comm->aborted = true;
  comm->not_queued.clear();
  const bool is_owner = std::this_thread::get_id() == comm->owner;
  if (is_owner) run_until_idle();
  if (is_owner && comm->recorded > 0) report("ncclCommAbort: waits for ever for a graph that holds its work");
  while (!is_owner && comm->recorded > 0) usleep(100);
  const std::lock_guard lock(communicators_mutex);
  communicators.erase(handle);
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "unhandled cuda error";
    case ncclSystemError: return "unhandled system error";
    case ncclInternalError: return "internal error";
    case ncclInvalidArgument: return "invalid argument";
    case ncclInvalidUsage: return "invalid usage";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInProgress: return "NCCL operation in progress";
  }
  return "unknown result code";
}

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t handle, cudaStream_t stream) {
  const Comm comm = find(handle);
  if (const ncclResult_t refused = begin_comm_call("ncclAllReduce", comm); refused != ncclSuccess)
    return refused;
  if (type != ncclFloat32 || op != ncclSum || group_depth > 0) return ncclInvalidArgument;
  const RanksCall call{RanksCall::all_reduce, type, op, count};
  const std::size_t bytes = count * sizeof(float);
  return enqueue(
      "ncclAllReduce", comm, stream, {{from, bytes}, {to, bytes}},
      std::make_shared<Transfer>(comm, call, static_cast<const float*>(from), static_cast<float*>(to)));
}

ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return point_to_point("ncclSend", true, const_cast<void*>(from), peer, count, type, comm, stream);
}

ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return point_to_point("ncclRecv", false, to, peer, count, type, comm, stream);
}

ncclResult_t ncclGroupStart() {
  if (const ncclResult_t refused = begin_nccl_call("ncclGroupStart"); refused != ncclSuccess) return refused;
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return ncclInvalidUsage;
  const bool last = --group_depth == 0;
  if (const ncclResult_t refused = begin_nccl_call("ncclGroupEnd"); refused != ncclSuccess) {
    if (last) group().clear();
    return refused;
  }
  return last ? enqueue_group() : ncclSuccess;
}
