#pragma once

namespace softwarp::cpu {

// Makes children of fork() compute on one thread. The threads of OpenMP's pool do not live on in a child, and
// a parallel region of several would wait for them for ever; one of a single thread does not touch the pool.
void prepare_for_fork();

// For omp_set_num_threads(): `threads`, or 1 in a child.
[[nodiscard]] int threads_here(int threads);

}  // namespace softwarp::cpu
