#pragma once

// AddressSanitizer's interface, or nothing where it is not compiled in.

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace softwarp::simulator {

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;
inline void poison(const void* p, std::size_t bytes) { __asan_poison_memory_region(p, bytes); }
inline void unpoison(const void* p, std::size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
inline bool poisoned(const void* p, std::size_t bytes) {
  return __asan_region_is_poisoned(const_cast<void*>(p), bytes) != nullptr;
}
inline void start_switch(void** leaving, const void* bottom, std::size_t size) {
  __sanitizer_start_switch_fiber(leaving, bottom, size);
}
inline void finish_switch(void* entered, const void** bottom, std::size_t* size) {
  __sanitizer_finish_switch_fiber(entered, bottom, size);
}
#else
inline constexpr bool kSanitized = false;
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
inline bool poisoned(const void*, std::size_t) { return false; }
inline void start_switch(void**, const void*, std::size_t) {}
inline void finish_switch(void*, const void**, std::size_t*) {}
#endif

}  // namespace softwarp::simulator
