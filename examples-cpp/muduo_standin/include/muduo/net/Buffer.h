// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_BUFFER_H
#define MUDUO_STANDIN_NET_BUFFER_H

#include "muduo/base/StringPiece.h"
#include "muduo/base/Types.h"
#include "muduo/base/copyable.h"
#include "muduo/net/Endian.h"

#include <assert.h>
#include <string.h>
#include <sys/types.h>

#include <algorithm>
#include <vector>

namespace muduo
{
namespace net
{

// Bytes with room in front and behind:
//
//     | prependable | readable | writable |
//     0        readerIndex  writerIndex  size
//
// Reading everything moves both indexes back to the front. Anything that appends may move the bytes.
class Buffer : public muduo::copyable
{
 public:
  static const size_t kCheapPrepend = 8;
  static const size_t kInitialSize = 1024;

  explicit Buffer(size_t initialSize = kInitialSize)
      : buffer_(kCheapPrepend + initialSize), readerIndex_(kCheapPrepend), writerIndex_(kCheapPrepend)
  {
  }

  void swap(Buffer& rhs)
  {
    buffer_.swap(rhs.buffer_);
    std::swap(readerIndex_, rhs.readerIndex_);
    std::swap(writerIndex_, rhs.writerIndex_);
  }

  size_t readableBytes() const { return writerIndex_ - readerIndex_; }
  size_t writableBytes() const { return buffer_.size() - writerIndex_; }
  size_t prependableBytes() const { return readerIndex_; }
  size_t internalCapacity() const { return buffer_.capacity(); }

  // --- look ---

  const char* peek() const { return buffer_.data() + readerIndex_; }
  StringPiece toStringPiece() const { return StringPiece(peek(), static_cast<int>(readableBytes())); }

  // The next "\r\n", or null.
  const char* findCRLF() const { return findCRLF(peek()); }
  const char* findCRLF(const char* start) const
  {
    assertReadable(start);
    static const char crlf[] = {'\r', '\n'};
    const char* found = std::search(start, beginWrite(), crlf, crlf + 2);
    return found == beginWrite() ? nullptr : found;
  }

  // The next '\n', or null.
  const char* findEOL() const { return findEOL(peek()); }
  const char* findEOL(const char* start) const
  {
    assertReadable(start);
    return static_cast<const char*>(::memchr(start, '\n', static_cast<size_t>(beginWrite() - start)));
  }

  int64_t peekInt64() const { return static_cast<int64_t>(sockets::networkToHost64(peekAs<uint64_t>())); }
  int32_t peekInt32() const { return static_cast<int32_t>(sockets::networkToHost32(peekAs<uint32_t>())); }
  int16_t peekInt16() const { return static_cast<int16_t>(sockets::networkToHost16(peekAs<uint16_t>())); }
  int8_t peekInt8() const { return peekAs<int8_t>(); }

  // --- take from the front ---

  void retrieve(size_t len)
  {
    assert(len <= readableBytes());
    if (len < readableBytes())
    {
      readerIndex_ += len;
    }
    else
    {
      retrieveAll();
    }
  }

  void retrieveUntil(const char* end)
  {
    assertReadable(end);
    retrieve(static_cast<size_t>(end - peek()));
  }

  void retrieveAll()
  {
    readerIndex_ = kCheapPrepend;
    writerIndex_ = kCheapPrepend;
  }

  void retrieveInt64() { retrieve(sizeof(int64_t)); }
  void retrieveInt32() { retrieve(sizeof(int32_t)); }
  void retrieveInt16() { retrieve(sizeof(int16_t)); }
  void retrieveInt8() { retrieve(sizeof(int8_t)); }

  string retrieveAllAsString() { return retrieveAsString(readableBytes()); }

  string retrieveAsString(size_t len)
  {
    assert(len <= readableBytes());
    string result(peek(), len);
    retrieve(len);
    return result;
  }

  // Integers are in network byte order.
  int64_t readInt64()
  {
    const int64_t x = peekInt64();
    retrieveInt64();
    return x;
  }

  int32_t readInt32()
  {
    const int32_t x = peekInt32();
    retrieveInt32();
    return x;
  }

  int16_t readInt16()
  {
    const int16_t x = peekInt16();
    retrieveInt16();
    return x;
  }

  int8_t readInt8()
  {
    const int8_t x = peekInt8();
    retrieveInt8();
    return x;
  }

  // --- add behind ---

  void append(const StringPiece& str)
  {
    if (str.size() > 0) append(str.data(), static_cast<size_t>(str.size()));
  }
  void append(const void* data, size_t len) { append(static_cast<const char*>(data), len); }
  void append(const char* data, size_t len)
  {
    ensureWritableBytes(len);
    if (len > 0) ::memcpy(beginWrite(), data, len);
    hasWritten(len);
  }

  void appendInt64(int64_t x) { appendAs(sockets::hostToNetwork64(static_cast<uint64_t>(x))); }
  void appendInt32(int32_t x) { appendAs(sockets::hostToNetwork32(static_cast<uint32_t>(x))); }
  void appendInt16(int16_t x) { appendAs(sockets::hostToNetwork16(static_cast<uint16_t>(x))); }
  void appendInt8(int8_t x) { appendAs(x); }

  // To write in place: make room, write at beginWrite(), say how much.
  void ensureWritableBytes(size_t len)
  {
    if (writableBytes() < len) makeSpace(len);
  }
  char* beginWrite() { return buffer_.data() + writerIndex_; }
  const char* beginWrite() const { return buffer_.data() + writerIndex_; }
  void hasWritten(size_t len)
  {
    assert(len <= writableBytes());
    writerIndex_ += len;
  }
  void unwrite(size_t len)
  {
    assert(len <= readableBytes());
    writerIndex_ -= len;
  }

  // One readv(2). Returns what it returned and saves errno when that is negative.
  ssize_t readFd(int fd, int* savedErrno);

  // --- add in front, where there is room ---

  void prepend(const void* data, size_t len)
  {
    assert(len <= prependableBytes());
    readerIndex_ -= len;
    if (len > 0) ::memcpy(buffer_.data() + readerIndex_, data, len);
  }

  void prependInt64(int64_t x) { prependAs(sockets::hostToNetwork64(static_cast<uint64_t>(x))); }
  void prependInt32(int32_t x) { prependAs(sockets::hostToNetwork32(static_cast<uint32_t>(x))); }
  void prependInt16(int16_t x) { prependAs(sockets::hostToNetwork16(static_cast<uint16_t>(x))); }
  void prependInt8(int8_t x) { prependAs(x); }

  // Gives memory back: keeps what is readable and room for `reserve` more.
  void shrink(size_t reserve)
  {
    Buffer smaller;
    smaller.ensureWritableBytes(readableBytes() + reserve);
    smaller.append(toStringPiece());
    swap(smaller);
  }

 private:
  template <typename T>
  T peekAs() const
  {
    assert(readableBytes() >= sizeof(T));
    T x;
    ::memcpy(&x, peek(), sizeof x);
    return x;
  }

  template <typename T>
  void appendAs(T x)
  {
    append(&x, sizeof x);
  }

  template <typename T>
  void prependAs(T x)
  {
    prepend(&x, sizeof x);
  }

  // Slides the bytes to the front when that makes enough room, grows otherwise.
  void makeSpace(size_t len)
  {
    const size_t readable = readableBytes();
    const size_t spareInFront = readerIndex_ > kCheapPrepend ? readerIndex_ - kCheapPrepend : 0;
    if (spareInFront + writableBytes() < len)
    {
      buffer_.resize(writerIndex_ + len);
      return;
    }
    ::memmove(buffer_.data() + kCheapPrepend, peek(), readable);
    readerIndex_ = kCheapPrepend;
    writerIndex_ = kCheapPrepend + readable;
  }

  void assertReadable(const char* p) const
  {
    assert(peek() <= p && p <= beginWrite());
    (void)p;
  }

  std::vector<char> buffer_;
  size_t readerIndex_;
  size_t writerIndex_;
};

}  // namespace net
}  // namespace muduo

#endif
