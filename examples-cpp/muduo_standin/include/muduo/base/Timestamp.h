// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_TIMESTAMP_H
#define MUDUO_STANDIN_BASE_TIMESTAMP_H

#include "muduo/base/Types.h"
#include "muduo/base/copyable.h"

#include <time.h>

#include <utility>

namespace muduo
{

// Wall-clock time, UTC, in microseconds. Pass it by value.
class Timestamp : public muduo::copyable
{
 public:
  static const int kMicroSecondsPerSecond = 1000 * 1000;

  // An invalid time.
  Timestamp() : microSecondsSinceEpoch_(0) {}
  explicit Timestamp(int64_t microSecondsSinceEpoch) : microSecondsSinceEpoch_(microSecondsSinceEpoch) {}

  static Timestamp now();
  static Timestamp invalid() { return Timestamp(); }
  static Timestamp fromUnixTime(time_t t) { return fromUnixTime(t, 0); }
  static Timestamp fromUnixTime(time_t t, int microseconds)
  {
    return Timestamp(static_cast<int64_t>(t) * kMicroSecondsPerSecond + microseconds);
  }

  bool valid() const { return microSecondsSinceEpoch_ > 0; }
  int64_t microSecondsSinceEpoch() const { return microSecondsSinceEpoch_; }
  time_t secondsSinceEpoch() const { return static_cast<time_t>(microSecondsSinceEpoch_ / kMicroSecondsPerSecond); }

  // "seconds.microseconds", and "YYYYMMDD HH:MM:SS.microseconds" in UTC.
  string toString() const;
  string toFormattedString(bool showMicroseconds = true) const;

  void swap(Timestamp& that) { std::swap(microSecondsSinceEpoch_, that.microSecondsSinceEpoch_); }

 private:
  int64_t microSecondsSinceEpoch_;
};

inline bool operator==(Timestamp a, Timestamp b) { return a.microSecondsSinceEpoch() == b.microSecondsSinceEpoch(); }
inline bool operator!=(Timestamp a, Timestamp b) { return !(a == b); }
inline bool operator<(Timestamp a, Timestamp b) { return a.microSecondsSinceEpoch() < b.microSecondsSinceEpoch(); }
inline bool operator>(Timestamp a, Timestamp b) { return b < a; }
inline bool operator<=(Timestamp a, Timestamp b) { return !(b < a); }
inline bool operator>=(Timestamp a, Timestamp b) { return !(a < b); }

// high - low, in seconds.
inline double timeDifference(Timestamp high, Timestamp low)
{
  return static_cast<double>(high.microSecondsSinceEpoch() - low.microSecondsSinceEpoch()) /
         Timestamp::kMicroSecondsPerSecond;
}

inline Timestamp addTime(Timestamp timestamp, double seconds)
{
  return Timestamp(timestamp.microSecondsSinceEpoch() +
                   static_cast<int64_t>(seconds * Timestamp::kMicroSecondsPerSecond));
}

}  // namespace muduo

#endif
