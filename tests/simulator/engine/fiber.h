#pragma once

#include <cstddef>

// On x86-64 the switch of stacks is our own: Boost's also saves how floating-point numbers round, and the
// tests of kernels take a tenth longer by it.
#ifndef __x86_64__
#include <boost/context/detail/fcontext.hpp>
#endif

#include "tests/simulator/engine/sanitizer.h"

namespace softwarp::simulator {

// A function on a stack of its own that can stop in the middle and go on later. One runs at a time, and it
// says which is next; the scheduler, on the stack of the host, is one of them.
class Fiber {
 public:
  // Stops here and lets another one go on, or begin; returns when one hands over to this one.
  void hand_over(Fiber& next) { jump(next, /*over=*/false); }
  // The same at its end; its stack is free for others.
  [[noreturn]] void end(Fiber& next);

  // Gives it a stack and something to do, which begins when it is handed over to and ends with end().
  void prepare(void (*body)());
  bool prepared() const { return body_ != nullptr; }

 private:
  [[noreturn]] static void begin();
  void jump(Fiber& next, bool over);

#ifdef __x86_64__
  using Place = void*;  // the stack pointer, with the registers on the stack
#else
  using Place = boost::context::detail::fcontext_t;
#endif
  static inline Fiber* left_ = nullptr;  // in the last switch
  static inline Fiber* entered_ = nullptr;

  Place place_ = nullptr;     // at which it stopped
  void (*body_)() = nullptr;  // null: the host's, or not prepared
  const void* stack_ = nullptr;
  std::size_t stack_size_ = 0;
};

#ifdef __x86_64__
// Puts the registers that a function keeps on the stack, the stack pointer to *from, and does the reverse
// with `to`.
extern "C" void softwarp_switch_stacks(void** from, void* to);
#endif

inline void Fiber::jump(Fiber& next, bool over) {
  void* fake_stack = nullptr;
  start_switch(over ? nullptr : &fake_stack, next.stack_, next.stack_size_);
  left_ = this;
  entered_ = &next;
#ifdef __x86_64__
  softwarp_switch_stacks(&place_, next.place_);
#else
  left_->place_ = boost::context::detail::jump_fcontext(next.place_, nullptr).fctx;
#endif
  finish_switch(fake_stack, &left_->stack_, &left_->stack_size_);
}

}  // namespace softwarp::simulator
