// Part of the Muduo stand-in: addresses.
#include "muduo/net/InetAddress.h"

#include "contract.h"
#include "muduo/net/Endian.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

namespace muduo
{
namespace net
{

InetAddress::InetAddress(uint16_t port, bool loopbackOnly, bool ipv6)
{
  memZero(&addr6_, sizeof addr6_);
  if (ipv6)
  {
    addr6_.sin6_family = AF_INET6;
    addr6_.sin6_addr = loopbackOnly ? in6addr_loopback : in6addr_any;
    addr6_.sin6_port = sockets::hostToNetwork16(port);
  }
  else
  {
    addr_.sin_family = AF_INET;
    addr_.sin_addr.s_addr = sockets::hostToNetwork32(loopbackOnly ? INADDR_LOOPBACK : INADDR_ANY);
    addr_.sin_port = sockets::hostToNetwork16(port);
  }
}

InetAddress::InetAddress(StringArg ip, uint16_t port, bool ipv6)
{
  memZero(&addr6_, sizeof addr6_);
  int valid;
  if (ipv6 || ::strchr(ip.c_str(), ':') != nullptr)
  {
    addr6_.sin6_family = AF_INET6;
    addr6_.sin6_port = sockets::hostToNetwork16(port);
    valid = ::inet_pton(AF_INET6, ip.c_str(), &addr6_.sin6_addr);
  }
  else
  {
    addr_.sin_family = AF_INET;
    addr_.sin_port = sockets::hostToNetwork16(port);
    valid = ::inet_pton(AF_INET, ip.c_str(), &addr_.sin_addr);
  }
  // Muduo goes on as well, with the unspecified address.
  if (valid != 1) LOG_ERROR << "InetAddress: \"" << ip.c_str() << "\" is not a numeric IP address";
}

string InetAddress::toIp() const
{
  char text[INET6_ADDRSTRLEN] = "";
  const void* address = family() == AF_INET6 ? static_cast<const void*>(&addr6_.sin6_addr) : &addr_.sin_addr;
  ::inet_ntop(family(), address, text, sizeof text);
  return text;
}

string InetAddress::toIpPort() const
{
  const string ip = family() == AF_INET6 ? "[" + toIp() + "]" : toIp();
  return ip + ":" + std::to_string(port());
}

uint16_t InetAddress::port() const
{
  return sockets::networkToHost16(portNetEndian());
}

const struct sockaddr* InetAddress::getSockAddr() const
{
  return reinterpret_cast<const struct sockaddr*>(&addr6_);
}

uint32_t InetAddress::ipv4NetEndian() const
{
  contract(family() == AF_INET, "InetAddress::ipv4NetEndian() is for IPv4 addresses");
  return addr_.sin_addr.s_addr;
}

bool InetAddress::resolve(StringArg hostname, InetAddress* result)
{
  struct addrinfo hints;
  memZero(&hints, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  struct addrinfo* found = nullptr;
  const int error = ::getaddrinfo(hostname.c_str(), nullptr, &hints, &found);
  if (error != 0)
  {
    LOG_ERROR << "InetAddress::resolve: \"" << hostname.c_str() << "\": " << ::gai_strerror(error);
    return false;
  }
  result->addr_.sin_addr = reinterpret_cast<const struct sockaddr_in*>(found->ai_addr)->sin_addr;
  ::freeaddrinfo(found);
  return true;
}

void InetAddress::setScopeId(uint32_t scope_id)
{
  if (family() == AF_INET6) addr6_.sin6_scope_id = scope_id;
}

}  // namespace net
}  // namespace muduo
