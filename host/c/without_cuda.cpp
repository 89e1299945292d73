#include "host/backend/row_ops.h"

namespace softwarp {

const RowOps& cuda_row_ops() {
  throw Unsupported("this build has no CUDA (cmake --preset cuda makes one that has)");
}

}  // namespace softwarp
