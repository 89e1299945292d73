#pragma once

#include <cstddef>

#include <boost/context/detail/fcontext.hpp>

#include "simulator/engine/sanitizer.h"

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

  static inline Fiber* left_ = nullptr;  // in the last switch
  static inline Fiber* entered_ = nullptr;

  // The place at which it stopped. Boost's fiber class would hand over through its own call, a fifth slower.
  boost::context::detail::fcontext_t place_ = nullptr;
  void (*body_)() = nullptr;  // null: the host's, or not prepared
  const void* stack_ = nullptr;
  std::size_t stack_size_ = 0;
};

inline void Fiber::jump(Fiber& next, bool over) {
  void* fake_stack = nullptr;
  start_switch(over ? nullptr : &fake_stack, next.stack_, next.stack_size_);
  left_ = this;
  entered_ = &next;
  left_->place_ = boost::context::detail::jump_fcontext(next.place_, nullptr).fctx;
  finish_switch(fake_stack, &left_->stack_, &left_->stack_size_);
}

}  // namespace softwarp::simulator
