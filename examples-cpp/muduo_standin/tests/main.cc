// Says which of the two is under test, keeps their logs out of the way, runs the tests.
#include "support.h"

#include <stdio.h>

namespace
{

// Only what stops the process is of interest here.
void writeFatalToStderr(const char* msg, int len)
{
  const std::string line(msg, static_cast<size_t>(len));
  if (line.find("FATAL") != std::string::npos) ::fwrite(msg, 1, line.size(), stderr);
}

}  // namespace

int main(int argc, char** argv)
{
#ifdef MUDUO_STANDIN
  ::puts("under test: the Muduo stand-in on libevent");
#else
  ::puts("under test: Muduo");
#endif
  ::fflush(stdout);
  muduo::Logger::setLogLevel(muduo::Logger::INFO);
  muduo::Logger::setOutput(writeFatalToStderr);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
