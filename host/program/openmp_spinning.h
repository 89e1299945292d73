#pragma once

namespace softwarp::program {

// Makes OpenMP's waiting threads sleep after about 0.1 ms. By default they spin for some 10 ms, and on a
// machine whose cores have other work they take the time of the very threads that they wait for. libgomp
// reads its setting when it is loaded, so this starts the program anew with GOMP_SPINCOUNT set, and returns
// only where that variable or OMP_WAIT_POLICY is set already or the program cannot be started anew. Call it
// first in main.
void limit_openmp_spinning(char** argv);

}  // namespace softwarp::program
