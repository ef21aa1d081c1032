// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_LOGGING_H
#define MUDUO_STANDIN_BASE_LOGGING_H

#include "muduo/base/LogStream.h"
#include "muduo/base/Timestamp.h"

namespace muduo
{

// One log line: made by a macro below, written out by the destructor. FATAL aborts the process.
class Logger
{
 public:
  enum LogLevel
  {
    TRACE,
    DEBUG,
    INFO,
    WARN,
    ERROR,
    FATAL,
    NUM_LOG_LEVELS
  };

  // __FILE__ without its directories.
  class SourceFile
  {
   public:
    SourceFile(const char* path) : data_(path)
    {
      if (const char* slash = ::strrchr(path, '/')) data_ = slash + 1;
      size_ = static_cast<int>(::strlen(data_));
    }

    const char* data_;
    int size_;
  };

  Logger(SourceFile file, int line);
  Logger(SourceFile file, int line, LogLevel level);
  Logger(SourceFile file, int line, LogLevel level, const char* func);
  // With errno and its text; FATAL when toAbort, ERROR otherwise.
  Logger(SourceFile file, int line, bool toAbort);
  ~Logger();

  LogStream& stream() { return stream_; }

  static LogLevel logLevel();
  static void setLogLevel(LogLevel level);

  typedef void (*OutputFunc)(const char* msg, int len);
  typedef void (*FlushFunc)();
  static void setOutput(OutputFunc);
  static void setFlush(FlushFunc);

 private:
  void begin(int savedErrno);

  LogStream stream_;
  LogLevel level_;
  int line_;
  SourceFile file_;
};

const char* strerror_tl(int savedErrno);

template <typename T>
T* CheckNotNull(Logger::SourceFile file, int line, const char* names, T* ptr)
{
  if (ptr == nullptr) Logger(file, line, Logger::FATAL).stream() << names;
  return ptr;
}

}  // namespace muduo

// A bare `if`, as in Muduo: inside an if/else of your own, put the log statement in braces.
#define LOG_TRACE \
  if (muduo::Logger::logLevel() <= muduo::Logger::TRACE) \
  muduo::Logger(__FILE__, __LINE__, muduo::Logger::TRACE, __func__).stream()
#define LOG_DEBUG \
  if (muduo::Logger::logLevel() <= muduo::Logger::DEBUG) \
  muduo::Logger(__FILE__, __LINE__, muduo::Logger::DEBUG, __func__).stream()
#define LOG_INFO \
  if (muduo::Logger::logLevel() <= muduo::Logger::INFO) muduo::Logger(__FILE__, __LINE__).stream()
#define LOG_WARN muduo::Logger(__FILE__, __LINE__, muduo::Logger::WARN).stream()
#define LOG_ERROR muduo::Logger(__FILE__, __LINE__, muduo::Logger::ERROR).stream()
#define LOG_FATAL muduo::Logger(__FILE__, __LINE__, muduo::Logger::FATAL).stream()
#define LOG_SYSERR muduo::Logger(__FILE__, __LINE__, false).stream()
#define LOG_SYSFATAL muduo::Logger(__FILE__, __LINE__, true).stream()

#define CHECK_NOTNULL(val) ::muduo::CheckNotNull(__FILE__, __LINE__, "'" #val "' must not be null", (val))

#endif
