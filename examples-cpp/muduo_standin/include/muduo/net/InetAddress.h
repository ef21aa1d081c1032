// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_INETADDRESS_H
#define MUDUO_STANDIN_NET_INETADDRESS_H

#include "muduo/base/StringPiece.h"
#include "muduo/base/copyable.h"

#include <netinet/in.h>

namespace muduo
{
namespace net
{

// An IPv4 or IPv6 address with a port.
class InetAddress : public muduo::copyable
{
 public:
  // This machine: every interface, or loopback only.
  explicit InetAddress(uint16_t port = 0, bool loopbackOnly = false, bool ipv6 = false);
  // A numeric address; one with a colon is IPv6 without being told.
  InetAddress(StringArg ip, uint16_t port, bool ipv6 = false);

  explicit InetAddress(const struct sockaddr_in& addr) : addr_(addr) {}
  explicit InetAddress(const struct sockaddr_in6& addr) : addr6_(addr) {}

  sa_family_t family() const { return addr_.sin_family; }
  string toIp() const;
  string toIpPort() const;
  uint16_t port() const;

  const struct sockaddr* getSockAddr() const;
  void setSockAddrInet6(const struct sockaddr_in6& addr6) { addr6_ = addr6; }

  uint32_t ipv4NetEndian() const;
  uint16_t portNetEndian() const { return addr_.sin_port; }

  // Sets the IPv4 address of a host name, leaves the port. Blocks.
  static bool resolve(StringArg hostname, InetAddress* result);

  void setScopeId(uint32_t scope_id);

 private:
  union
  {
    struct sockaddr_in addr_;
    struct sockaddr_in6 addr6_;
  };
};

}  // namespace net
}  // namespace muduo

#endif
