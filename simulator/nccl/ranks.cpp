#include "simulator/nccl/ranks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace softwarp::simulator {

std::string RanksCall::text() const {
  return std::string(kind == all_reduce ? "the sum" : "a message") + " of " + std::to_string(count) +
         " values of type " + std::to_string(type) + (kind == all_reduce ? ", op " + std::to_string(op) : "");
}

SharedRanks::SharedRanks(const std::string& name, int ranks, int rank, int device)
    : name_(name), size_(ranks), rank_(rank) {
  const auto all = static_cast<std::size_t>(ranks);
  constexpr std::size_t kHeader = (sizeof(Header) + 4095) / 4096 * 4096;
  bytes_ = kHeader + all * all * sizeof(Channel);  // pages that nobody touches cost nothing
  const int file = shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
  void* memory = MAP_FAILED;
  if (file >= 0 && ftruncate(file, static_cast<off_t>(bytes_)) == 0)
    memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (memory == MAP_FAILED) throw std::runtime_error("nccl: no shared memory for " + name);
  header_ = static_cast<Header*>(memory);
  channels_ = reinterpret_cast<Channel*>(static_cast<char*>(memory) + kHeader);
  place(rank).device = device;
  place(rank).process = getpid();
}

SharedRanks::~SharedRanks() {
  if (processes_.empty()) shm_unlink(name_.c_str());
  for (const int process : processes_) close(process);
  munmap(header_, bytes_);
}

bool SharedRanks::complete() {
  if (!processes_.empty()) return true;
  for (int r = 0; r < size_; ++r)
    if (place(r).process == 0) return false;
  for (int r = 0; r < size_; ++r)
    processes_.push_back(static_cast<int>(syscall(SYS_pidfd_open, place(r).process.load(), 0)));
  shm_unlink(name_.c_str());
  return true;
}

std::pair<int, int> SharedRanks::of_one_device() const {
  for (int r = 0; r < size_; ++r)
    for (int other = 0; other < r; ++other)
      if (place(r).device == place(other).device) return {other, r};
  return {-1, -1};
}

bool SharedRanks::has_ended(int rank) const {
  pollfd process{processes_[static_cast<std::size_t>(rank)], POLLIN, 0};
  return process.fd < 0 || poll(&process, 1, 0) > 0;
}

void SharedRanks::fail() { header_->failed = 1; }
bool SharedRanks::failed() const { return header_->failed != 0; }

std::string SharedRanks::advance(Message& m) {
  Channel& c = m.sends ? channel(rank_, m.peer) : channel(m.peer, rank_);
  while (!m.complete()) {
    if ((c.posted != c.taken) == m.sends) return "";
    if (m.sends) {
      c.call = m.call;
      c.seed = m.seed;
      c.bytes = std::min(kPart, m.bytes - m.done);
      std::copy_n(m.data + m.done, c.bytes, c.data);
    } else {
      if (c.call != m.call)
        return "rank " + std::to_string(m.peer) + " has called for " + c.call.text() + ", rank " +
               std::to_string(rank_) + " for " + m.call.text();
      m.seed = c.seed;
      std::copy_n(c.data, c.bytes, m.data + m.done);
    }
    m.done += c.bytes;
    m.begun = true;
    ++(m.sends ? c.posted : c.taken);
  }
  return "";
}

}  // namespace softwarp::simulator
