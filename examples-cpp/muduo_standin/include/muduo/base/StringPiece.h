// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_STRINGPIECE_H
#define MUDUO_STANDIN_BASE_STRINGPIECE_H

#include <string.h>

#include "muduo/base/Types.h"

namespace muduo
{

// A NUL-terminated string argument: takes a literal or a string, owns nothing.
class StringArg
{
 public:
  StringArg(const char* str) : str_(str) {}
  StringArg(const string& str) : str_(str.c_str()) {}

  const char* c_str() const { return str_; }

 private:
  const char* str_;
};

// A borrowed run of bytes. Lengths are int, as in Muduo.
class StringPiece
{
 public:
  StringPiece() : ptr_(nullptr), length_(0) {}
  StringPiece(const char* str) : ptr_(str), length_(static_cast<int>(::strlen(str))) {}
  StringPiece(const unsigned char* str) : StringPiece(reinterpret_cast<const char*>(str)) {}
  StringPiece(const string& str) : ptr_(str.data()), length_(static_cast<int>(str.size())) {}
  StringPiece(const char* offset, int len) : ptr_(offset), length_(len) {}

  const char* data() const { return ptr_; }
  int size() const { return length_; }
  bool empty() const { return length_ == 0; }
  const char* begin() const { return ptr_; }
  const char* end() const { return ptr_ + length_; }
  char operator[](int i) const { return ptr_[i]; }

  void clear() { *this = StringPiece(); }
  void set(const char* buffer, int len) { *this = StringPiece(buffer, len); }
  void set(const char* str) { *this = StringPiece(str); }
  void set(const void* buffer, int len) { *this = StringPiece(static_cast<const char*>(buffer), len); }

  void remove_prefix(int n)
  {
    ptr_ += n;
    length_ -= n;
  }

  void remove_suffix(int n) { length_ -= n; }

  // Less than, equal to or greater than 0, by unsigned bytes and then by length.
  int compare(const StringPiece& x) const
  {
    const int common = length_ < x.length_ ? length_ : x.length_;
    const int order = bytesDiffer(x, common);
    if (order != 0 || length_ == x.length_) return order;
    return length_ < x.length_ ? -1 : 1;
  }

  bool operator==(const StringPiece& x) const { return length_ == x.length_ && bytesDiffer(x, length_) == 0; }
  bool operator!=(const StringPiece& x) const { return !(*this == x); }
  bool operator<(const StringPiece& x) const { return compare(x) < 0; }
  bool operator<=(const StringPiece& x) const { return compare(x) <= 0; }
  bool operator>=(const StringPiece& x) const { return compare(x) >= 0; }
  bool operator>(const StringPiece& x) const { return compare(x) > 0; }

  bool starts_with(const StringPiece& x) const { return length_ >= x.length_ && bytesDiffer(x, x.length_) == 0; }

  string as_string() const { return empty() ? string() : string(ptr_, static_cast<size_t>(length_)); }
  void CopyToString(string* target) const { *target = as_string(); }

 private:
  // memcmp that never sees the null pointer of an empty piece.
  int bytesDiffer(const StringPiece& x, int n) const
  {
    return n <= 0 ? 0 : ::memcmp(ptr_, x.ptr_, static_cast<size_t>(n));
  }

  const char* ptr_;
  int length_;
};

}  // namespace muduo

#endif
