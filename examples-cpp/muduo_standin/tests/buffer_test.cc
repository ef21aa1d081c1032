// muduo::net::Buffer: where bytes and room are after each operation.
#include "muduo/net/Buffer.h"
#include "support.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

using muduo::net::Buffer;
using std::string;

namespace
{

void expectRoom(const Buffer& buffer, size_t prependable, size_t readable, size_t writable)
{
  EXPECT_EQ(prependable, buffer.prependableBytes());
  EXPECT_EQ(readable, buffer.readableBytes());
  EXPECT_EQ(writable, buffer.writableBytes());
}

}  // namespace

TEST(Buffer, StartsEmptyWithRoomInFront)
{
  Buffer buffer;
  expectRoom(buffer, 8, 0, 1024);
  Buffer small(16);
  expectRoom(small, 8, 0, 16);
}

TEST(Buffer, AppendsAndRetrieves)
{
  Buffer buffer;
  buffer.append(string(200, 'x'));
  expectRoom(buffer, 8, 200, 824);
  EXPECT_EQ(string(50, 'x'), buffer.retrieveAsString(50));
  expectRoom(buffer, 58, 150, 824);
  buffer.append("y", 1);
  buffer.append(static_cast<const void*>("zz"), 2);
  EXPECT_EQ(string(150, 'x') + "yzz", buffer.toStringPiece().as_string());
  EXPECT_EQ(string(150, 'x') + "yzz", buffer.retrieveAllAsString());
  expectRoom(buffer, 8, 0, 1024);
}

TEST(Buffer, GoesBackToTheFrontWhenAllIsRead)
{
  Buffer buffer;
  buffer.append("abcdef");
  buffer.retrieve(2);
  EXPECT_EQ(10u, buffer.prependableBytes());
  buffer.retrieve(4);
  expectRoom(buffer, 8, 0, 1024);
}

TEST(Buffer, GrowsByWhatIsMissing)
{
  Buffer buffer;
  buffer.append(string(400, 'x'));
  buffer.retrieve(50);
  buffer.append(string(1000, 'y'));
  expectRoom(buffer, 58, 1350, 0);
  EXPECT_EQ(string(350, 'x') + string(1000, 'y'), buffer.retrieveAllAsString());
  expectRoom(buffer, 8, 0, 1400);
}

TEST(Buffer, SlidesInsteadOfGrowingWhenThatIsEnough)
{
  Buffer buffer;
  buffer.append(string(800, 'x'));
  buffer.retrieve(500);
  buffer.append(string(300, 'y'));
  expectRoom(buffer, 8, 600, 424);
  EXPECT_EQ(string(300, 'x') + string(300, 'y'), buffer.retrieveAllAsString());
}

TEST(Buffer, LendsRoomToWriteInPlace)
{
  Buffer buffer;
  buffer.ensureWritableBytes(2000);
  EXPECT_EQ(2000u, buffer.writableBytes());
  ::memcpy(buffer.beginWrite(), "hello", 5);
  buffer.hasWritten(5);
  buffer.unwrite(1);
  EXPECT_EQ("hell", buffer.retrieveAllAsString());
}

TEST(Buffer, Shrinks)
{
  Buffer buffer;
  buffer.append(string(20000, 'x'));
  buffer.retrieve(19000);
  buffer.shrink(100);
  expectRoom(buffer, 8, 1000, 100);
  EXPECT_LE(buffer.internalCapacity(), 2200u);
  buffer.shrink(0);
  expectRoom(buffer, 8, 1000, 24);  // never below the initial size
}

TEST(Buffer, SwapsCopiesAndMoves)
{
  Buffer a, b;
  a.append("a");
  b.append("bb");
  a.swap(b);
  EXPECT_EQ("bb", a.toStringPiece().as_string());
  Buffer copy(a);
  copy.append("c");
  EXPECT_EQ("bb", a.toStringPiece().as_string());
  const char* bytes = copy.peek();
  Buffer moved(std::move(copy));
  EXPECT_EQ(bytes, moved.peek());
  EXPECT_EQ("bbc", moved.retrieveAllAsString());
}

TEST(Buffer, SwapsWithoutCopying)
{
  Buffer a, b;
  a.append(string(100000, 'x'));
  a.retrieve(10);
  b.append("yy");
  const char* const inA = a.peek();
  const char* const inB = b.peek();
  const size_t writable = a.writableBytes();
  a.swap(b);
  EXPECT_EQ(inA, b.peek());
  EXPECT_EQ(inB, a.peek());
  expectRoom(b, 18, 99990, writable);
  expectRoom(a, 8, 2, 1022);
}

TEST(Buffer, FindsLineEnds)
{
  Buffer buffer;
  EXPECT_EQ(nullptr, buffer.findCRLF());
  EXPECT_EQ(nullptr, buffer.findEOL());
  buffer.append("a\rb\nc\r\nd\r");
  const char* crlf = buffer.findCRLF();
  EXPECT_EQ(buffer.peek() + 5, crlf);
  EXPECT_EQ(nullptr, buffer.findCRLF(crlf + 2));
  EXPECT_EQ(buffer.peek() + 3, buffer.findEOL());
  EXPECT_EQ(buffer.peek() + 6, buffer.findEOL(buffer.peek() + 4));
  buffer.retrieveUntil(crlf + 2);
  EXPECT_EQ("d\r", buffer.retrieveAllAsString());
}

TEST(Buffer, HoldsIntegersInNetworkOrder)
{
  Buffer buffer;
  buffer.appendInt8(-1);
  buffer.appendInt16(0x0102);
  buffer.appendInt32(-2);
  buffer.appendInt64(0x0102030405060708);
  EXPECT_EQ(string("\xff\x01\x02\xff\xff\xff\xfe\x01\x02\x03\x04\x05\x06\x07\x08", 15),
            buffer.toStringPiece().as_string());
  EXPECT_EQ(-1, buffer.peekInt8());
  EXPECT_EQ(-1, buffer.readInt8());
  EXPECT_EQ(0x0102, buffer.readInt16());
  EXPECT_EQ(-2, buffer.peekInt32());
  EXPECT_EQ(-2, buffer.readInt32());
  EXPECT_EQ(0x0102030405060708, buffer.readInt64());
  EXPECT_EQ(0u, buffer.readableBytes());
}

TEST(Buffer, TakesAHeaderInFront)
{
  Buffer buffer;
  buffer.append("body");
  buffer.prependInt32(4);
  EXPECT_EQ(4u, buffer.prependableBytes());
  buffer.prependInt16(1);
  buffer.prependInt8(7);
  buffer.prepend("!", 1);
  EXPECT_EQ(0u, buffer.prependableBytes());
  EXPECT_EQ(string("!\x07\x00\x01\x00\x00\x00\x04"
                   "body",
                   12),
            buffer.toStringPiece().as_string());
}

TEST(Buffer, ReadsMoreThanItsRoomInOneCall)
{
  int fds[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  const int room = 1 << 20;
  ::setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  const string data = support::pattern(100000);
  ASSERT_EQ(static_cast<ssize_t>(data.size()), ::write(fds[0], data.data(), data.size()));

  Buffer buffer;
  int error = 0;
  EXPECT_EQ(1024 + 65536, buffer.readFd(fds[1], &error));  // its room, and a block on the stack
  EXPECT_EQ(static_cast<ssize_t>(data.size()) - 1024 - 65536, buffer.readFd(fds[1], &error));
  EXPECT_EQ(data, buffer.retrieveAllAsString());

  ::close(fds[0]);
  EXPECT_EQ(0, buffer.readFd(fds[1], &error));
  ::close(fds[1]);
  EXPECT_EQ(-1, buffer.readFd(fds[1], &error));
  EXPECT_EQ(EBADF, error);
}
