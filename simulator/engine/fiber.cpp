#include "simulator/engine/fiber.h"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <vector>

#include "simulator/engine/sanitizer.h"

namespace softwarp::simulator {

namespace {

namespace context = boost::context;

// Sanitizers make frames several times as large.
constexpr std::size_t kStackBytes = kSanitized ? std::size_t{256} << 10 : std::size_t{64} << 10;

// Stacks are mapped once, each with a guard page below, and used again.
class StackPool {
 public:
  context::stack_context allocate() {
    if (free_stacks().empty()) return context::protected_fixedsize_stack(kStackBytes).allocate();
    const auto stack = free_stacks().back();
    free_stacks().pop_back();
    return stack;
  }
  void deallocate(context::stack_context& stack) { free_stacks().push_back(stack); }

 private:
  static std::vector<context::stack_context>& free_stacks() {
    static auto* stacks = new std::vector<context::stack_context>();  // outlives every other static object
    return *stacks;
  }
};

}  // namespace

void Fiber::start(const std::function<void()>& body) {
  StackPool pool;
  const auto stack = pool.allocate();
  stack_size_ = stack.size;
  stack_ = static_cast<char*>(stack.sp) - stack.size;
  unpoison(stack_, stack_size_);  // of what a thread that was abandoned left there
  started_ = true;
  fiber_ = context::fiber(std::allocator_arg, context::preallocated(stack.sp, stack.size, stack), pool,
                          [this, &body](context::fiber&& caller) {
                            finish_switch(nullptr, &caller_stack_, &caller_stack_size_);
                            caller_ = std::move(caller);
                            body();
                            start_switch(nullptr, caller_stack_, caller_stack_size_);
                            return std::move(caller_);
                          });
  resume();
}

void Fiber::resume() {
  void* fake_stack = nullptr;
  start_switch(&fake_stack, stack_, stack_size_);
  fiber_ = std::move(fiber_).resume();
  finish_switch(fake_stack, nullptr, nullptr);
}

void Fiber::suspend() {
  void* fake_stack = nullptr;
  start_switch(&fake_stack, caller_stack_, caller_stack_size_);
  caller_ = std::move(caller_).resume();
  finish_switch(fake_stack, &caller_stack_, &caller_stack_size_);
}

}  // namespace softwarp::simulator
