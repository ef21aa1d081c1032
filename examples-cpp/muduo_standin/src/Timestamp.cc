// Part of the Muduo stand-in: the wall clock.
#include "muduo/base/Timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

namespace muduo
{

Timestamp Timestamp::now()
{
  struct timespec ts;
  ::clock_gettime(CLOCK_REALTIME, &ts);
  return fromUnixTime(ts.tv_sec, static_cast<int>(ts.tv_nsec / 1000));
}

string Timestamp::toString() const
{
  char text[48];
  ::snprintf(text, sizeof text, "%" PRId64 ".%06" PRId64, microSecondsSinceEpoch_ / kMicroSecondsPerSecond,
             microSecondsSinceEpoch_ % kMicroSecondsPerSecond);
  return text;
}

string Timestamp::toFormattedString(bool showMicroseconds) const
{
  const time_t seconds = secondsSinceEpoch();
  struct tm utc;
  ::gmtime_r(&seconds, &utc);
  char text[64];
  size_t used = ::strftime(text, sizeof text, "%Y%m%d %H:%M:%S", &utc);
  if (showMicroseconds)
  {
    ::snprintf(text + used, sizeof text - used, ".%06d",
               static_cast<int>(microSecondsSinceEpoch_ % kMicroSecondsPerSecond));
  }
  return text;
}

}  // namespace muduo
