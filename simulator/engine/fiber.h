#pragma once

#include <boost/context/fiber.hpp>
#include <functional>

namespace softwarp::simulator {

// A function on a stack of its own that can stop in the middle and go on later. One runs at a time, and
// only the scheduler resumes.
class Fiber {
 public:
  // Runs `body` until it suspends or returns.
  void start(const std::function<void()>& body);
  void resume();
  // Called from within the fiber: back to whoever resumed it.
  void suspend();

  bool started() const { return started_; }
  bool finished() const { return started_ && !fiber_; }

 private:
  boost::context::fiber fiber_;
  boost::context::fiber caller_;
  const void* stack_ = nullptr;
  std::size_t stack_size_ = 0;
  const void* caller_stack_ = nullptr;
  std::size_t caller_stack_size_ = 0;
  bool started_ = false;
};

}  // namespace softwarp::simulator
