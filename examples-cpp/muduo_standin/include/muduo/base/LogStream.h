// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_LOGSTREAM_H
#define MUDUO_STANDIN_BASE_LOGSTREAM_H

#include "muduo/base/StringPiece.h"
#include "muduo/base/Types.h"
#include "muduo/base/noncopyable.h"

#include <stdio.h>

namespace muduo
{
namespace detail
{

const int kSmallBuffer = 4000;
const int kLargeBuffer = 4000 * 1000;

// A piece that does not fit is left out as a whole; the rest of the line still appears.
template <int SIZE>
class FixedBuffer : noncopyable
{
 public:
  FixedBuffer() : length_(0) {}

  void append(const char* data, size_t len)
  {
    if (len >= static_cast<size_t>(avail())) return;
    ::memcpy(data_ + length_, data, len);
    length_ += static_cast<int>(len);
  }

  const char* data() const { return data_; }
  int length() const { return length_; }
  int avail() const { return SIZE - length_; }
  void reset() { length_ = 0; }

  string toString() const { return string(data_, static_cast<size_t>(length_)); }
  StringPiece toStringPiece() const { return StringPiece(data_, length_); }

 private:
  char data_[SIZE];
  int length_;
};

}  // namespace detail

// The stream behind LOG_INFO and the others: one line, no allocation.
class LogStream : noncopyable
{
 public:
  typedef detail::FixedBuffer<detail::kSmallBuffer> Buffer;

  LogStream& operator<<(bool v) { return put(v ? "1" : "0", 1); }
  LogStream& operator<<(short v) { return *this << static_cast<long long>(v); }
  LogStream& operator<<(unsigned short v) { return *this << static_cast<unsigned long long>(v); }
  LogStream& operator<<(int v) { return *this << static_cast<long long>(v); }
  LogStream& operator<<(unsigned int v) { return *this << static_cast<unsigned long long>(v); }
  LogStream& operator<<(long v) { return *this << static_cast<long long>(v); }
  LogStream& operator<<(unsigned long v) { return *this << static_cast<unsigned long long>(v); }
  LogStream& operator<<(long long v);
  LogStream& operator<<(unsigned long long v);
  LogStream& operator<<(const void* p);
  LogStream& operator<<(float v) { return *this << static_cast<double>(v); }
  LogStream& operator<<(double v);
  LogStream& operator<<(char v) { return put(&v, 1); }
  LogStream& operator<<(const char* str) { return str ? put(str, ::strlen(str)) : put("(null)", 6); }
  LogStream& operator<<(const unsigned char* str) { return *this << reinterpret_cast<const char*>(str); }
  LogStream& operator<<(const string& v) { return put(v.data(), v.size()); }
  LogStream& operator<<(const StringPiece& v) { return put(v.data(), static_cast<size_t>(v.size())); }
  LogStream& operator<<(const Buffer& v) { return put(v.data(), static_cast<size_t>(v.length())); }

  void append(const char* data, int len) { buffer_.append(data, static_cast<size_t>(len)); }
  const Buffer& buffer() const { return buffer_; }
  void resetBuffer() { buffer_.reset(); }

 private:
  LogStream& put(const char* data, size_t len)
  {
    if (len > 0) buffer_.append(data, len);
    return *this;
  }

  Buffer buffer_;
};

// One number in a printf format of at most 31 characters.
class Fmt
{
 public:
  template <typename T>
  Fmt(const char* fmt, T val) : length_(::snprintf(buf_, sizeof buf_, fmt, val))
  {
    assert(static_cast<size_t>(length_) < sizeof buf_);
  }

  const char* data() const { return buf_; }
  int length() const { return length_; }

 private:
  char buf_[32];
  int length_;
};

inline LogStream& operator<<(LogStream& s, const Fmt& fmt)
{
  s.append(fmt.data(), fmt.length());
  return s;
}

}  // namespace muduo

#endif
