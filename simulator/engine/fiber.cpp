#include "simulator/engine/fiber.h"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <vector>

#include "simulator/engine/sanitizer.h"

namespace softwarp::simulator {
namespace {

namespace context = boost::context;

// Sanitizers make frames several times as large.
constexpr std::size_t kStackBytes = kSanitized ? std::size_t{256} << 10 : std::size_t{64} << 10;

// Stacks are mapped once, each with a guard page below, and used again. They begin at different distances
// from a page's end: caches hold few lines of equal distance.
class Stacks {
 public:
  struct Stack {
    char* bottom;
    std::size_t bytes;
  };
  static Stack take() {
    if (free().empty()) {
      static std::size_t made = 0;
      const auto mapped = context::protected_fixedsize_stack(kStackBytes).allocate();
      const std::size_t unused = made++ % 32 * 128;
      return {static_cast<char*>(mapped.sp) - mapped.size, mapped.size - unused};
    }
    const Stack stack = free().back();
    free().pop_back();
    return stack;
  }
  static void give_back(Stack stack) { free().push_back(stack); }

 private:
  static std::vector<Stack>& free() {
    static auto* const stacks = new std::vector<Stack>();  // outlives every other static object
    return *stacks;
  }
};

}  // namespace

void Fiber::prepare(void (*body)()) {
  const auto [bottom, bytes] = Stacks::take();
  body_ = body;
  stack_ = bottom;
  stack_size_ = bytes;
  unpoison(bottom, bytes);  // of what a thread that was abandoned left there
  char* const top = bottom + bytes;
  place_ = context::detail::make_fcontext(top, bytes, [](context::detail::transfer_t from) {
    left_->place_ = from.fctx;
    begin();
  });
}

void Fiber::begin() {
  finish_switch(nullptr, &left_->stack_, &left_->stack_size_);
  entered_->body_();
  __builtin_unreachable();
}

void Fiber::end(Fiber& next) {
  Stacks::give_back({static_cast<char*>(const_cast<void*>(stack_)), stack_size_});
  jump(next, /*over=*/true);
  __builtin_unreachable();
}

}  // namespace softwarp::simulator
