// Part of the Muduo stand-in. Internal.
//
// What a debug build of Muduo asserts and a release build takes on trust is always checked here, because code that is
// tested on the stand-in has to survive on Muduo.
#ifndef MUDUO_STANDIN_CONTRACT_H
#define MUDUO_STANDIN_CONTRACT_H

#include "muduo/base/Logging.h"

namespace muduo
{

inline void contract(bool kept, const char* rule)
{
  if (!kept) LOG_FATAL << "Muduo's contract is broken: " << rule;
}

}  // namespace muduo

#endif
