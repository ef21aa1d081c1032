// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
//
// MUDUO_STANDIN tells source code which of the two it is being compiled against; Muduo itself never defines it.
#ifndef MUDUO_STANDIN_BASE_TYPES_H
#define MUDUO_STANDIN_BASE_TYPES_H

#ifndef MUDUO_STANDIN
#define MUDUO_STANDIN 1
#endif

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <string>

namespace muduo
{

using std::string;

inline void memZero(void* p, size_t n)
{
  ::memset(p, 0, n);
}

// A conversion that the compiler would also do by itself: widening, derived to base, adding const.
template <typename To, typename From>
inline To implicit_cast(From const& from)
{
  return from;
}

// Base pointer to derived pointer, checked in builds with assertions.
template <typename To, typename From>
inline To down_cast(From* from)
{
  assert(from == nullptr || dynamic_cast<To>(from) != nullptr);
  return static_cast<To>(from);
}

}  // namespace muduo

#endif
