#include "host/c/ops.h"

namespace softwarp::c {

const Ops& cuda_ops() {
  throw Unsupported("this build has no CUDA (cmake --preset cuda makes one that has)");
}

}  // namespace softwarp::c
