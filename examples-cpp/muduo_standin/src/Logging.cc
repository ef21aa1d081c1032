// Part of the Muduo stand-in: log lines in Muduo's format,
// "20240131 23:59:59.000000Z  1234 INFO  text - file.cc:12".
#include "muduo/base/Logging.h"

#include "muduo/base/CurrentThread.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <atomic>

namespace muduo
{
namespace
{

int initialLevel()
{
  if (::getenv("MUDUO_LOG_TRACE")) return Logger::TRACE;
  if (::getenv("MUDUO_LOG_DEBUG")) return Logger::DEBUG;
  return Logger::INFO;
}

void writeToStdout(const char* msg, int len)
{
  const size_t written = ::fwrite(msg, 1, static_cast<size_t>(len), stdout);
  (void)written;  // a log has nowhere to report that it cannot log
}

void flushStdout()
{
  ::fflush(stdout);
}

std::atomic<int> g_level(initialLevel());
std::atomic<Logger::OutputFunc> g_output(&writeToStdout);
std::atomic<Logger::FlushFunc> g_flush(&flushStdout);

const char* const kLevelNames[Logger::NUM_LOG_LEVELS] = {
    "TRACE ", "DEBUG ", "INFO  ", "WARN  ", "ERROR ", "FATAL ",
};

}  // namespace

const char* strerror_tl(int savedErrno)
{
  static __thread char text[512];
  return ::strerror_r(savedErrno, text, sizeof text);
}

Logger::Logger(SourceFile file, int line) : level_(INFO), line_(line), file_(file)
{
  begin(0);
}

Logger::Logger(SourceFile file, int line, LogLevel level) : level_(level), line_(line), file_(file)
{
  begin(0);
}

Logger::Logger(SourceFile file, int line, LogLevel level, const char* func) : level_(level), line_(line), file_(file)
{
  begin(0);
  stream_ << func << ' ';
}

Logger::Logger(SourceFile file, int line, bool toAbort) : level_(toAbort ? FATAL : ERROR), line_(line), file_(file)
{
  begin(errno);
}

void Logger::begin(int savedErrno)
{
  CurrentThread::tid();
  stream_ << Timestamp::now().toFormattedString() << "Z ";
  stream_.append(CurrentThread::tidString(), CurrentThread::tidStringLength());
  stream_ << kLevelNames[level_];
  if (savedErrno != 0) stream_ << strerror_tl(savedErrno) << " (errno=" << savedErrno << ") ";
}

Logger::~Logger()
{
  // The message may have filled the buffer: the end of the line then goes out by itself.
  LogStream end;
  end << " - ";
  end.append(file_.data_, file_.size_);
  end << ':' << line_ << '\n';

  const OutputFunc output = g_output.load();
  if (stream_.buffer().avail() > end.buffer().length())
  {
    stream_ << end.buffer();
    output(stream_.buffer().data(), stream_.buffer().length());
  }
  else
  {
    output(stream_.buffer().data(), stream_.buffer().length());
    output(end.buffer().data(), end.buffer().length());
  }

  if (level_ == FATAL)
  {
    g_flush.load()();
    ::abort();
  }
}

Logger::LogLevel Logger::logLevel()
{
  return static_cast<LogLevel>(g_level.load(std::memory_order_relaxed));
}

void Logger::setLogLevel(LogLevel level)
{
  g_level.store(level, std::memory_order_relaxed);
}

void Logger::setOutput(OutputFunc out)
{
  g_output.store(out);
}

void Logger::setFlush(FlushFunc flush)
{
  g_flush.store(flush);
}

LogStream& LogStream::operator<<(long long v)
{
  char text[24];
  return put(text, static_cast<size_t>(::snprintf(text, sizeof text, "%lld", v)));
}

LogStream& LogStream::operator<<(unsigned long long v)
{
  char text[24];
  return put(text, static_cast<size_t>(::snprintf(text, sizeof text, "%llu", v)));
}

LogStream& LogStream::operator<<(const void* p)
{
  char text[24];
  return put(text, static_cast<size_t>(::snprintf(text, sizeof text, "0x%jX", reinterpret_cast<uintmax_t>(p))));
}

LogStream& LogStream::operator<<(double v)
{
  char text[32];
  return put(text, static_cast<size_t>(::snprintf(text, sizeof text, "%.12g", v)));
}

}  // namespace muduo
