#include "host/communicator/single_process.h"

namespace softwarp {

Communicator& single_process() {
  static SingleProcess process;
  return process;
}

}  // namespace softwarp
