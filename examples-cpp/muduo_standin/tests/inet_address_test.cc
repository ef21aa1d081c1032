// muduo::net::InetAddress.
#include "muduo/net/InetAddress.h"
#include "support.h"

#include <arpa/inet.h>

using muduo::net::InetAddress;

TEST(InetAddress, WritesAndReadsIpv4)
{
  EXPECT_EQ("0.0.0.0:1234", InetAddress(1234).toIpPort());
  EXPECT_EQ("127.0.0.1:4321", InetAddress(4321, true).toIpPort());
  const InetAddress address("1.2.3.4", 65535);
  EXPECT_EQ(AF_INET, address.family());
  EXPECT_EQ("1.2.3.4", address.toIp());
  EXPECT_EQ("1.2.3.4:65535", address.toIpPort());
  EXPECT_EQ(65535, address.port());
  EXPECT_EQ(htonl(0x01020304), address.ipv4NetEndian());
  EXPECT_EQ("255.254.253.252:0", InetAddress(std::string("255.254.253.252"), 0).toIpPort());
}

TEST(InetAddress, WritesAndReadsIpv6)
{
  EXPECT_EQ("[::]:1234", InetAddress(1234, false, true).toIpPort());
  EXPECT_EQ("[::1]:1234", InetAddress(1234, true, true).toIpPort());
  const InetAddress address("2001:db8::1", 8888);
  EXPECT_EQ(AF_INET6, address.family());
  EXPECT_EQ("2001:db8::1", address.toIp());
  EXPECT_EQ("[2001:db8::1]:8888", address.toIpPort());
  EXPECT_EQ(8888, address.port());
}

TEST(InetAddress, ResolvesAName)
{
  InetAddress address(80);
  EXPECT_TRUE(InetAddress::resolve("localhost", &address));
  EXPECT_EQ("127.0.0.1:80", address.toIpPort());
}
