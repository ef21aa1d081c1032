// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_COPYABLE_H
#define MUDUO_STANDIN_BASE_COPYABLE_H

namespace muduo
{

// Empty base of value types.
class copyable
{
 protected:
  copyable() = default;
  ~copyable() = default;
};

}  // namespace muduo

#endif
