// MPI. A call is started, then tested until it is done: no wait is without an end. While a rank waits it
// looks every 20 ms after the others. Those of the same machine it watches by their process descriptors. If
// it waits long it says so to all, and says when it goes on, so that the time limit finds the ones that do
// not wait.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <mpi.h>
#include <poll.h>
#include <sched.h>
#include <softwarp/error.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <numeric>
#include <span>

#include "host/communicator/communicator.h"
#include "host/communicator/launcher.h"
#include "host/communicator/single_process.h"
#include "host/communicator/tree.h"

namespace softwarp {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds kSpin{1e-4};
constexpr Seconds kLook{0.02};
constexpr Seconds kFinish{600};  // for rank 0 to write the results
constexpr int kExchangeTag = 1, kNoticeTag = 2;

enum class Notice : std::int32_t { goes_on, waits, reports_error };
constexpr Notice kNotices[] = {Notice::goes_on, Notice::waits, Notice::reports_error};  // are sent from here

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(const Ranks& ranks, Seconds limit) : limit_(limit) {
    MPI_Init(nullptr, nullptr);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    if (size_ != ranks.size) {
      MPI_Finalize();
      throw Error(fmt::format("{}: expected {} processes that MPI knows, found {} (mpirun starts them)",
                              ranks.launcher, ranks.size, size_));
    }
    others_.resize(static_cast<std::size_t>(size_));
    for (int r = 0; r < size_; ++r)
      if (r != rank_) expect_notice(r);
    watch_this_machine();
  }

  // After an error MPI is left as it is: to finalize it would wait for the others.
  ~MpiCommunicator() override {
    for (const Other& other : others_)
      if (other.process >= 0) close(other.process);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void sum_tree(float* values, std::int64_t count) override {
    softwarp::sum_tree(rank_, size_, {values, static_cast<std::size_t>(count)},
                       [this](int partner, std::span<const float> mine, std::span<float> theirs) {
                         exchange(partner, mine, theirs);
                       });
  }

  void start_sum(float* values, std::int64_t count) override {
    constexpr std::int64_t kPart = 1 << 26;  // MPI counts in int
    for (; count > 0; values += kPart, count -= kPart)
      check(MPI_Iallreduce(MPI_IN_PLACE, values, static_cast<int>(std::min(count, kPart)), MPI_FLOAT, MPI_SUM,
                           MPI_COMM_WORLD, &sums_.emplace_back()));
  }
  void finish_sums() override {
    wait(sums_);
    sums_.clear();
  }

  void wait_until(const std::function<bool()>& done) override {
    const Clock::time_point start = Clock::now();
    Seconds next_look = kLook;
    while (!done()) {
      const Seconds waited = Clock::now() - start;
      if (waited >= next_look) {
        look(waited);
        next_look = waited + kLook;
      }
      // Another rank may need this core to arrive.
      if (waited < kSpin)
        sched_yield();
      else
        usleep(20);
    }
    if (said_) send_notice(Notice::goes_on);
    said_ = false;
  }

  std::vector<std::string> gather(std::string_view bytes) override {
    const std::size_t ranks = others_.size();
    std::vector<int> sizes(ranks), starts(ranks);
    const int size = static_cast<int>(bytes.size());
    MPI_Request request;
    check(MPI_Iallgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, MPI_COMM_WORLD, &request));
    wait({&request, 1});
    expects(std::reduce(sizes.begin(), sizes.end(), std::int64_t{0}) <= INT32_MAX, "at most 2 GiB to gather");
    std::exclusive_scan(sizes.begin(), sizes.end(), starts.begin(), 0);
    std::string all(static_cast<std::size_t>(starts.back() + sizes.back()), '\0');
    check(MPI_Iallgatherv(bytes.data(), size, MPI_BYTE, all.data(), sizes.data(), starts.data(), MPI_BYTE,
                          MPI_COMM_WORLD, &request));
    wait({&request, 1});
    std::vector<std::string> parts;
    parts.reserve(ranks);
    for (std::size_t r = 0; r < ranks; ++r)
      parts.push_back(all.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(sizes[r])));
    return parts;
  }

  int max(int value) override {
    int largest = value;
    MPI_Request request;
    check(MPI_Iallreduce(&value, &largest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD, &request));
    wait({&request, 1});
    return largest;
  }

  bool reports_error() override {
    if (!lost_) agree_on_report();
    return reports_;
  }

  void finish() override {
    limit_ = kFinish;
    MPI_Request request;
    check(MPI_Ibarrier(MPI_COMM_WORLD, &request));
    wait({&request, 1});
    for (Other& other : others_)
      if (other.request != MPI_REQUEST_NULL) MPI_Cancel(&other.request), MPI_Request_free(&other.request);
    MPI_Finalize();
  }

 private:
  struct Other {
    Notice coming = Notice::goes_on;
    MPI_Request request = MPI_REQUEST_NULL;
    Notice last = Notice::goes_on;
    int process = -1;  // its descriptor, of one on this machine
  };

  void check(int status) {
    if (status != MPI_SUCCESS) lose("another rank: expected an answer, found an error of MPI");
  }

  void exchange(int partner, std::span<const float> mine, std::span<float> theirs) {
    std::array<MPI_Request, 2> requests;
    const int count = static_cast<int>(mine.size());
    check(MPI_Irecv(theirs.data(), count, MPI_FLOAT, partner, kExchangeTag, MPI_COMM_WORLD, &requests[0]));
    check(MPI_Isend(mine.data(), count, MPI_FLOAT, partner, kExchangeTag, MPI_COMM_WORLD, &requests[1]));
    wait(requests);
  }

  void wait(std::span<MPI_Request> requests) {
    wait_until([&] {
      int done = 0;
      check(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE));
      return done != 0;
    });
  }

  // Throws RankLost if a rank has ended or the time is over.
  void look(Seconds waited) {
    const std::vector<int> ended = ended_ranks();  // before the notices that they have sent
    receive_notices();
    for (std::size_t r = 0; r < others_.size(); ++r)
      if (others_[r].last == Notice::reports_error) lose(fmt::format("rank {} has ended with an error", r));
    if (!ended.empty())
      lose(fmt::format("rank {}: expected a process that runs, found that it has ended",
                       fmt::join(ended, ", ")));
    if (waited > limit_ / 2 && !said_) {
      send_notice(Notice::waits);
      said_ = true;
    }
    if (waited <= limit_) return;
    std::vector<int> all, silent;
    for (int r = 0; r < size_; ++r)
      if (r != rank_) all.push_back(r);
    std::copy_if(all.begin(), all.end(), std::back_inserter(silent),
                 [this](int r) { return others_[static_cast<std::size_t>(r)].last != Notice::waits; });
    if (silent.empty()) silent = all;
    lose(fmt::format("rank {}: expected an answer within {} s (--timeout), found none",
                     fmt::join(silent, ", "), limit_.count()));
  }

  std::vector<int> ended_ranks() const {
    std::vector<int> ended;
    for (int r = 0; r < size_; ++r) {
      pollfd process{others_[static_cast<std::size_t>(r)].process, POLLIN, 0};
      if (process.fd >= 0 && poll(&process, 1, 0) > 0) ended.push_back(r);
    }
    return ended;
  }

  void expect_notice(int r) {
    Other& other = others_[static_cast<std::size_t>(r)];
    MPI_Irecv(&other.coming, 1, MPI_INT32_T, r, kNoticeTag, MPI_COMM_WORLD, &other.request);
  }

  void receive_notices() {
    for (int r = 0; r < size_; ++r) {
      Other& other = others_[static_cast<std::size_t>(r)];
      int done = 0;
      if (r == rank_ || MPI_Test(&other.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done == 0)
        continue;
      other.last = other.coming;
      expect_notice(r);
    }
  }

  // A message of 4 bytes is on its way once it has been sent: nobody waits for its arrival.
  void send_notice(Notice notice) {
    for (int r = 0; r < size_; ++r) {
      MPI_Request request;
      if (r == rank_) continue;
      MPI_Isend(&kNotices[static_cast<std::size_t>(notice)], 1, MPI_INT32_T, r, kNoticeTag, MPI_COMM_WORLD,
                &request);
      MPI_Request_free(&request);
    }
  }

  // MPI may still send and receive in memory that the caller frees: it goes on here for the last time.
  [[noreturn]] void lose(const std::string& what) {
    agree_on_report();
    throw RankLost(what);
  }

  // Each rank leaves the lower ones the time to say that they report.
  void agree_on_report() {
    lost_ = true;
    const Clock::time_point start = Clock::now();
    const Seconds patience = std::min(rank_ * Seconds(0.2), Seconds(5));
    do {
      receive_notices();
      if (std::any_of(others_.begin(), others_.end(),
                      [](const Other& other) { return other.last == Notice::reports_error; }))
        return;
      usleep(1000);
    } while (Clock::now() - start < patience);
    reports_ = true;
    send_notice(Notice::reports_error);
  }

  void watch_this_machine() {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    const std::string here = fmt::format("{} ", host.data());
    const std::vector<std::string> places = gather(fmt::format("{}{}", here, getpid()));
    for (std::size_t r = 0; r < places.size(); ++r)
      if (static_cast<int>(r) != rank_ && places[r].starts_with(here))
        others_[r].process =
            static_cast<int>(syscall(SYS_pidfd_open, std::atoi(places[r].c_str() + here.size()), 0));
  }

  int rank_ = 0;
  int size_ = 1;
  Seconds limit_;
  std::vector<Other> others_;      // by rank, this one too
  std::vector<MPI_Request> sums_;  // that have begun
  bool said_ = false;              // that this rank waits
  bool lost_ = false;
  bool reports_ = false;
};

}  // namespace

std::unique_ptr<Communicator> make_communicator(std::chrono::duration<double> time_limit) {
  const Ranks ranks = ranks_of([](const char* name) { return std::getenv(name); });
  if (ranks.size == 1) return std::make_unique<SingleProcess>();
  return std::make_unique<MpiCommunicator>(ranks, time_limit);
}

}  // namespace softwarp
