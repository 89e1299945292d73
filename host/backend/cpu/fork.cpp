#include "host/backend/cpu/fork.h"

#include <omp.h>
#include <pthread.h>

#include <atomic>

namespace softwarp::cpu {
namespace {

std::atomic<bool> forked = false;

void in_child() {
  forked = true;
  omp_set_num_threads(1);
}

}  // namespace

void prepare_for_fork() {
  [[maybe_unused]] static const int failed = pthread_atfork(nullptr, nullptr, in_child);
}

int threads_here(int threads) { return forked ? 1 : threads; }

}  // namespace softwarp::cpu
