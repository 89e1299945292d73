#include "host/backend/cuda/arena.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <utility>

namespace softwarp::cuda {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kFirstPiece = std::size_t{1} << 20;
constexpr std::size_t kLargestSpare = std::size_t{256} << 20;

// Null where there is not so much.
DeviceMemory try_allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation)
    cudaGetLastError();  // an answer: it must not be said again to whoever asks next
  else
    check(status);
  return DeviceMemory(memory);
}

}  // namespace

Arena::Piece& Arena::piece_with(std::size_t bytes) {
  std::size_t all = kFirstPiece;
  for (Piece& piece : pieces_) {
    if (piece.room() >= bytes) return piece;
    all += piece.size;
  }
  for (const std::size_t size : {std::max(bytes, std::min(all, kLargestSpare)), bytes})
    if (DeviceMemory memory = try_allocate(size)) {
      pieces_.push_back({.memory = std::move(memory), .size = size});
      return pieces_.back();
    }
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total));
  throw Error(fmt::format("out of device memory: {} bytes asked for, {} of {} free", bytes, free, total));
}

void* Arena::allocate(std::size_t bytes) {
  const std::size_t whole = std::max((bytes + kAlignment - 1) / kAlignment, std::size_t{1}) * kAlignment;
  Piece& piece = piece_with(whole);
  void* const memory = piece.begin() + piece.used;
  check(cudaMemsetAsync(memory, 0, whole, stream_));
  piece.used += whole;
  ++piece.parts;
  return memory;
}

void Arena::deallocate(void* memory) noexcept {
  const auto owner = std::ranges::find_if(pieces_, [&](const Piece& piece) {
    return memory >= piece.begin() && memory < piece.begin() + piece.size;
  });
  if (owner != pieces_.end() && --owner->parts == 0) owner->used = 0;
}

}  // namespace softwarp::cuda
