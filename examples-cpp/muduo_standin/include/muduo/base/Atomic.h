// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_ATOMIC_H
#define MUDUO_STANDIN_BASE_ATOMIC_H

#include "muduo/base/noncopyable.h"

#include <stdint.h>

#include <atomic>

namespace muduo
{
namespace detail
{

template <typename T>
class AtomicIntegerT : noncopyable
{
 public:
  AtomicIntegerT() : value_(0) {}

  T get() { return value_.load(); }
  T getAndAdd(T x) { return value_.fetch_add(x); }
  T addAndGet(T x) { return getAndAdd(x) + x; }
  T incrementAndGet() { return addAndGet(1); }
  T decrementAndGet() { return addAndGet(-1); }
  T getAndSet(T newValue) { return value_.exchange(newValue); }

  void add(T x) { getAndAdd(x); }
  void increment() { getAndAdd(1); }
  void decrement() { getAndAdd(-1); }

 private:
  std::atomic<T> value_;
};

}  // namespace detail

typedef detail::AtomicIntegerT<int32_t> AtomicInt32;
typedef detail::AtomicIntegerT<int64_t> AtomicInt64;

}  // namespace muduo

#endif
