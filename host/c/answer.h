#pragma once

#include <softwarp/error.h>
#include <softwarp/softwarp.h>
#include <softwarp/train.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "host/backend/row_ops.h"

// How the functions of the C interface answer: they turn exceptions into statuses.
namespace softwarp::c {

inline thread_local char last_error[512] = "";

inline softwarp_status refuse(softwarp_status status, const char* function, const char* why) {
  std::snprintf(last_error, sizeof last_error, "%s: %s", function, why);
  return status;
}

// Nothing that `work` throws leaves it. An Error of no other kind gets the status `of_error`.
template <class Work>
softwarp_status answer(const char* function, Work work,
                       softwarp_status of_error = SOFTWARP_DEVICE_ERROR) noexcept {
  last_error[0] = '\0';
  try {
    work();
    return SOFTWARP_SUCCESS;
  } catch (const std::invalid_argument& error) {
    return refuse(SOFTWARP_INVALID_ARGUMENT, function, error.what());
  } catch (const Unsupported& error) {
    return refuse(SOFTWARP_UNSUPPORTED, function, error.what());
  } catch (const Diverged& error) {
    return refuse(SOFTWARP_DIVERGED, function, error.what());
  } catch (const Error& error) {
    return refuse(of_error, function, error.what());
  } catch (const std::bad_alloc&) {
    return refuse(SOFTWARP_OUT_OF_MEMORY, function, "out of memory");
  } catch (const std::exception& error) {
    return refuse(SOFTWARP_INTERNAL_ERROR, function, error.what());
  } catch (...) {
    return refuse(SOFTWARP_INTERNAL_ERROR, function, "an exception of an unknown type");
  }
}

inline void demand(bool holds, const std::string& expected) {
  if (!holds) throw std::invalid_argument("expected " + expected);
}
inline void demand_at_least(const std::string& name, std::int64_t value, std::int64_t least) {
  demand(value >= least, name + " of at least " + std::to_string(least) + ", found " + std::to_string(value));
}
inline void demand_memory(const std::string& name, const void* data, std::size_t alignment) {
  demand(data != nullptr, name + ", found NULL");
  demand(reinterpret_cast<std::uintptr_t>(data) % alignment == 0,
         name + " aligned to " + std::to_string(alignment) + " bytes");
}
inline void demand_device(softwarp_device device) {
  demand(device == SOFTWARP_CPU || device == SOFTWARP_CUDA,
         "device SOFTWARP_CPU or SOFTWARP_CUDA, found " + std::to_string(device));
}

}  // namespace softwarp::c
