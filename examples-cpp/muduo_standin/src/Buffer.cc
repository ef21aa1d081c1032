// Part of the Muduo stand-in: reading into a Buffer.
#include "muduo/net/Buffer.h"

#include <errno.h>
#include <sys/uio.h>

namespace muduo
{
namespace net
{

const size_t Buffer::kCheapPrepend;
const size_t Buffer::kInitialSize;

ssize_t Buffer::readFd(int fd, int* savedErrno)
{
  // What does not fit goes to the stack first, so that idle connections can keep small buffers.
  char overflow[65536];
  const size_t writable = writableBytes();
  struct iovec parts[2];
  parts[0].iov_base = beginWrite();
  parts[0].iov_len = writable;
  parts[1].iov_base = overflow;
  parts[1].iov_len = sizeof overflow;

  const ssize_t n = ::readv(fd, parts, writable < sizeof overflow ? 2 : 1);
  if (n < 0)
  {
    *savedErrno = errno;
  }
  else if (static_cast<size_t>(n) <= writable)
  {
    hasWritten(static_cast<size_t>(n));
  }
  else
  {
    hasWritten(writable);
    append(overflow, static_cast<size_t>(n) - writable);
  }
  return n;
}

}  // namespace net
}  // namespace muduo
