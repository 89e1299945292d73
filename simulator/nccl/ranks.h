#pragma once

// The processes of one NCCL communicator and what they send each other, through a file in shared memory.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nccl.h>

namespace softwarp::simulator {

// A call that both ends must have made alike.
struct RanksCall {
  enum Kind : std::uint32_t { all_reduce, point_to_point } kind = all_reduce;
  ncclDataType_t type = ncclFloat32;
  ncclRedOp_t op = ncclSum;
  std::uint64_t count = 0;

  bool operator==(const RanksCall&) const = default;
  std::string text() const;
};

class SharedRanks {
 public:
  // Maps the file of that name, which the first to come makes.
  SharedRanks(const std::string& name, int ranks, int rank, int device);
  ~SharedRanks();
  SharedRanks(const SharedRanks&) = delete;
  SharedRanks& operator=(const SharedRanks&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  // All have come. From then on the file has no name.
  bool complete();
  // Two ranks with one device, or -1.
  std::pair<int, int> of_one_device() const;
  bool has_ended(int rank) const;
  // For a call that was not the same everywhere: nobody waits any more.
  void fail();
  bool failed() const;

  // A message of one rank to another, in parts of at most kPart bytes, of which one at a time is on its way.
  struct Message {
    bool sends = false;
    int peer = 0;
    char* data = nullptr;
    std::size_t bytes = 0;
    RanksCall call;
    std::uint64_t seed = 0;  // the sender's
    std::size_t done = 0;
    bool begun = false;
    bool complete() const { return begun && done == bytes; }
  };
  // Goes on with the message as far as possible. What is wrong; empty: nothing.
  [[nodiscard]] std::string advance(Message& message);

 private:
  static constexpr std::size_t kPart = std::size_t{1} << 18;
  struct Channel {  // from one rank to another
    std::atomic<std::uint64_t> posted, taken;
    RanksCall call;
    std::uint64_t seed;
    std::size_t bytes;
    char data[kPart];
  };
  struct Place {
    std::atomic<std::int32_t> process;  // 0: it has not come
    std::int32_t device;
  };
  struct Header {
    std::atomic<std::int32_t> failed;
    Place places[64];
  };

  Place& place(int rank) const { return header_->places[rank]; }
  Channel& channel(int from, int to) const { return channels_[from * size_ + to]; }
  void watch();

  std::string name_;
  int size_, rank_;
  std::size_t bytes_;
  Header* header_ = nullptr;
  Channel* channels_ = nullptr;
  std::vector<int> processes_;  // descriptors, by rank, once all have come
};

}  // namespace softwarp::simulator
