// Has to compile against Muduo and against the stand-in: the names, signatures and values that servers use are the same
// in both. What they do is pinned by tests/.
#include "muduo/base/Atomic.h"
#include "muduo/base/Condition.h"
#include "muduo/base/CountDownLatch.h"
#include "muduo/base/CurrentThread.h"
#include "muduo/base/LogStream.h"
#include "muduo/base/Logging.h"
#include "muduo/base/Mutex.h"
#include "muduo/base/StringPiece.h"
#include "muduo/base/Thread.h"
#include "muduo/base/ThreadPool.h"
#include "muduo/base/Timestamp.h"
#include "muduo/base/Types.h"
#include "muduo/base/WeakCallback.h"
#include "muduo/base/copyable.h"
#include "muduo/base/noncopyable.h"
#include "muduo/net/Buffer.h"
#include "muduo/net/Callbacks.h"
#include "muduo/net/Channel.h"
#include "muduo/net/Endian.h"
#include "muduo/net/EventLoop.h"
#include "muduo/net/EventLoopThread.h"
#include "muduo/net/EventLoopThreadPool.h"
#include "muduo/net/InetAddress.h"
#include "muduo/net/TcpConnection.h"
#include "muduo/net/TcpServer.h"
#include "muduo/net/TimerId.h"
#include "muduo/net/http/HttpContext.h"
#include "muduo/net/http/HttpRequest.h"
#include "muduo/net/http/HttpResponse.h"
#include "muduo/net/http/HttpServer.h"

#include <netinet/tcp.h>

#include <type_traits>

namespace
{

using namespace muduo;
using namespace muduo::net;
using muduo::string;

typedef std::function<void()> VoidFunction;
typedef std::map<string, string> Headers;

// A type is exactly this one.
#define TYPE(type, ...) static_assert(std::is_same<type, __VA_ARGS__>::value, #type)
// A function or member that is not overloaded has exactly this type.
#define EXACT(name, ...) static_assert(std::is_same<decltype(&name), __VA_ARGS__>::value, #name)
// One of the overloads has exactly this type.
#define OVERLOAD(name, ...) \
  static_assert(std::is_same<decltype(static_cast<__VA_ARGS__>(&name)), __VA_ARGS__>::value, #name)
#define VALUE(name, value) static_assert(static_cast<int>(name) == (value), #name)
#define MAKES(type, ...) static_assert(std::is_constructible<type, __VA_ARGS__>::value, #type " from " #__VA_ARGS__)
#define CONVERTS(from, to) static_assert(std::is_convertible<from, to>::value, #from " to " #to)
#define DOES_NOT_CONVERT(from, to) static_assert(!std::is_convertible<from, to>::value, #from " to " #to)
#define COPYABLE(type) \
  static_assert(std::is_copy_constructible<type>::value && std::is_copy_assignable<type>::value, #type)
#define NONCOPYABLE(type) \
  static_assert(!std::is_copy_constructible<type>::value && !std::is_copy_assignable<type>::value, #type)

// --- muduo/base ---

TYPE(muduo::string, std::string);
EXACT(muduo::memZero, void (*)(void*, size_t));

COPYABLE(StringPiece);
CONVERTS(const char*, StringPiece);
CONVERTS(string, StringPiece);
CONVERTS(const unsigned char*, StringPiece);
MAKES(StringPiece, const char*, int);
EXACT(StringPiece::data, const char* (StringPiece::*)() const);
EXACT(StringPiece::size, int (StringPiece::*)() const);
EXACT(StringPiece::empty, bool (StringPiece::*)() const);
EXACT(StringPiece::begin, const char* (StringPiece::*)() const);
EXACT(StringPiece::end, const char* (StringPiece::*)() const);
EXACT(StringPiece::clear, void (StringPiece::*)());
OVERLOAD(StringPiece::set, void (StringPiece::*)(const char*, int));
OVERLOAD(StringPiece::set, void (StringPiece::*)(const char*));
OVERLOAD(StringPiece::set, void (StringPiece::*)(const void*, int));
EXACT(StringPiece::operator[], char (StringPiece::*)(int) const);
EXACT(StringPiece::remove_prefix, void (StringPiece::*)(int));
EXACT(StringPiece::remove_suffix, void (StringPiece::*)(int));
EXACT(StringPiece::compare, int (StringPiece::*)(const StringPiece&) const);
EXACT(StringPiece::as_string, string (StringPiece::*)() const);
EXACT(StringPiece::CopyToString, void (StringPiece::*)(string*) const);
EXACT(StringPiece::starts_with, bool (StringPiece::*)(const StringPiece&) const);
CONVERTS(const char*, StringArg);
CONVERTS(string, StringArg);
EXACT(StringArg::c_str, const char* (StringArg::*)() const);

COPYABLE(Timestamp);
static_assert(sizeof(Timestamp) == sizeof(int64_t), "a Timestamp is passed in a register");
DOES_NOT_CONVERT(int64_t, Timestamp);
MAKES(Timestamp, int64_t);
VALUE(Timestamp::kMicroSecondsPerSecond, 1000000);
EXACT(Timestamp::now, Timestamp (*)());
EXACT(Timestamp::invalid, Timestamp (*)());
OVERLOAD(Timestamp::fromUnixTime, Timestamp (*)(time_t));
OVERLOAD(Timestamp::fromUnixTime, Timestamp (*)(time_t, int));
EXACT(Timestamp::valid, bool (Timestamp::*)() const);
EXACT(Timestamp::microSecondsSinceEpoch, int64_t (Timestamp::*)() const);
EXACT(Timestamp::secondsSinceEpoch, time_t (Timestamp::*)() const);
EXACT(Timestamp::toString, string (Timestamp::*)() const);
EXACT(Timestamp::toFormattedString, string (Timestamp::*)(bool) const);
EXACT(Timestamp::swap, void (Timestamp::*)(Timestamp&));
EXACT(muduo::timeDifference, double (*)(Timestamp, Timestamp));
EXACT(muduo::addTime, Timestamp (*)(Timestamp, double));
TYPE(decltype(Timestamp() != Timestamp()), bool);
TYPE(decltype(Timestamp() >= Timestamp()), bool);
TYPE(decltype(Timestamp() <= Timestamp()), bool);
TYPE(decltype(Timestamp() > Timestamp()), bool);

EXACT(CurrentThread::tid, int (*)());
EXACT(CurrentThread::name, const char* (*)());
EXACT(CurrentThread::isMainThread, bool (*)());
EXACT(CurrentThread::sleepUsec, void (*)(int64_t));

NONCOPYABLE(AtomicInt32);
EXACT(AtomicInt32::get, int32_t (AtomicInt32::*)());
EXACT(AtomicInt32::incrementAndGet, int32_t (AtomicInt32::*)());
EXACT(AtomicInt64::getAndSet, int64_t (AtomicInt64::*)(int64_t));

NONCOPYABLE(MutexLock);
EXACT(MutexLock::lock, void (MutexLock::*)());
EXACT(MutexLock::unlock, void (MutexLock::*)());
EXACT(MutexLock::isLockedByThisThread, bool (MutexLock::*)() const);
EXACT(MutexLock::assertLocked, void (MutexLock::*)() const);
EXACT(MutexLock::getPthreadMutex, pthread_mutex_t* (MutexLock::*)());
NONCOPYABLE(MutexLockGuard);
static_assert(std::is_constructible<MutexLockGuard, MutexLock&>::value, "MutexLockGuard");
static_assert(std::is_constructible<Condition, MutexLock&>::value, "Condition");
EXACT(Condition::wait, void (Condition::*)());
EXACT(Condition::waitForSeconds, bool (Condition::*)(double));
EXACT(Condition::notify, void (Condition::*)());
EXACT(Condition::notifyAll, void (Condition::*)());
NONCOPYABLE(CountDownLatch);
DOES_NOT_CONVERT(int, CountDownLatch);
EXACT(CountDownLatch::wait, void (CountDownLatch::*)());
EXACT(CountDownLatch::countDown, void (CountDownLatch::*)());
EXACT(CountDownLatch::getCount, int (CountDownLatch::*)() const);

NONCOPYABLE(Thread);
TYPE(Thread::ThreadFunc, VoidFunction);
MAKES(Thread, Thread::ThreadFunc);
MAKES(Thread, Thread::ThreadFunc, const string&);
EXACT(Thread::start, void (Thread::*)());
EXACT(Thread::join, int (Thread::*)());
EXACT(Thread::started, bool (Thread::*)() const);
EXACT(Thread::tid, pid_t (Thread::*)() const);
EXACT(Thread::name, const string& (Thread::*)() const);
EXACT(Thread::numCreated, int (*)());

NONCOPYABLE(ThreadPool);
TYPE(ThreadPool::Task, VoidFunction);
MAKES(ThreadPool, const string&);
EXACT(ThreadPool::setMaxQueueSize, void (ThreadPool::*)(int));
EXACT(ThreadPool::setThreadInitCallback, void (ThreadPool::*)(const ThreadPool::Task&));
EXACT(ThreadPool::start, void (ThreadPool::*)(int));
EXACT(ThreadPool::stop, void (ThreadPool::*)());
EXACT(ThreadPool::name, const string& (ThreadPool::*)() const);
EXACT(ThreadPool::queueSize, size_t (ThreadPool::*)() const);
EXACT(ThreadPool::run, void (ThreadPool::*)(ThreadPool::Task));

VALUE(Logger::TRACE, 0);
VALUE(Logger::DEBUG, 1);
VALUE(Logger::INFO, 2);
VALUE(Logger::WARN, 3);
VALUE(Logger::ERROR, 4);
VALUE(Logger::FATAL, 5);
VALUE(Logger::NUM_LOG_LEVELS, 6);
EXACT(Logger::stream, LogStream& (Logger::*)());
EXACT(Logger::logLevel, Logger::LogLevel (*)());
EXACT(Logger::setLogLevel, void (*)(Logger::LogLevel));
TYPE(Logger::OutputFunc, void (*)(const char*, int));
TYPE(Logger::FlushFunc, void (*)());
EXACT(Logger::setOutput, void (*)(Logger::OutputFunc));
EXACT(Logger::setFlush, void (*)(Logger::FlushFunc));
EXACT(muduo::strerror_tl, const char* (*)(int));
EXACT(LogStream::append, void (LogStream::*)(const char*, int));
EXACT(LogStream::buffer, const LogStream::Buffer& (LogStream::*)() const);

// --- muduo/net: the loop ---

TYPE(TcpConnectionPtr, std::shared_ptr<TcpConnection>);
TYPE(TimerCallback, VoidFunction);
TYPE(ConnectionCallback, std::function<void(const TcpConnectionPtr&)>);
TYPE(CloseCallback, std::function<void(const TcpConnectionPtr&)>);
TYPE(WriteCompleteCallback, std::function<void(const TcpConnectionPtr&)>);
TYPE(HighWaterMarkCallback, std::function<void(const TcpConnectionPtr&, size_t)>);
TYPE(MessageCallback, std::function<void(const TcpConnectionPtr&, Buffer*, Timestamp)>);
EXACT(muduo::net::defaultConnectionCallback, void (*)(const TcpConnectionPtr&));
EXACT(muduo::net::defaultMessageCallback, void (*)(const TcpConnectionPtr&, Buffer*, Timestamp));

COPYABLE(TimerId);
static_assert(std::is_default_constructible<TimerId>::value, "TimerId");

NONCOPYABLE(EventLoop);
TYPE(EventLoop::Functor, VoidFunction);
EXACT(EventLoop::loop, void (EventLoop::*)());
EXACT(EventLoop::quit, void (EventLoop::*)());
EXACT(EventLoop::pollReturnTime, Timestamp (EventLoop::*)() const);
EXACT(EventLoop::iteration, int64_t (EventLoop::*)() const);
EXACT(EventLoop::runInLoop, void (EventLoop::*)(EventLoop::Functor));
EXACT(EventLoop::queueInLoop, void (EventLoop::*)(EventLoop::Functor));
EXACT(EventLoop::queueSize, size_t (EventLoop::*)() const);
EXACT(EventLoop::runAt, TimerId (EventLoop::*)(Timestamp, TimerCallback));
EXACT(EventLoop::runAfter, TimerId (EventLoop::*)(double, TimerCallback));
EXACT(EventLoop::runEvery, TimerId (EventLoop::*)(double, TimerCallback));
EXACT(EventLoop::cancel, void (EventLoop::*)(TimerId));
EXACT(EventLoop::wakeup, void (EventLoop::*)());
EXACT(EventLoop::updateChannel, void (EventLoop::*)(Channel*));
EXACT(EventLoop::removeChannel, void (EventLoop::*)(Channel*));
EXACT(EventLoop::hasChannel, bool (EventLoop::*)(Channel*));
EXACT(EventLoop::assertInLoopThread, void (EventLoop::*)());
EXACT(EventLoop::isInLoopThread, bool (EventLoop::*)() const);
EXACT(EventLoop::eventHandling, bool (EventLoop::*)() const);
EXACT(EventLoop::setContext, void (EventLoop::*)(const boost::any&));
EXACT(EventLoop::getContext, const boost::any& (EventLoop::*)() const);
EXACT(EventLoop::getMutableContext, boost::any* (EventLoop::*)());
EXACT(EventLoop::getEventLoopOfCurrentThread, EventLoop* (*)());

NONCOPYABLE(Channel);
TYPE(Channel::EventCallback, VoidFunction);
TYPE(Channel::ReadEventCallback, std::function<void(Timestamp)>);
MAKES(Channel, EventLoop*, int);
EXACT(Channel::handleEvent, void (Channel::*)(Timestamp));
EXACT(Channel::setReadCallback, void (Channel::*)(Channel::ReadEventCallback));
EXACT(Channel::setWriteCallback, void (Channel::*)(Channel::EventCallback));
EXACT(Channel::setCloseCallback, void (Channel::*)(Channel::EventCallback));
EXACT(Channel::setErrorCallback, void (Channel::*)(Channel::EventCallback));
EXACT(Channel::tie, void (Channel::*)(const std::shared_ptr<void>&));
EXACT(Channel::fd, int (Channel::*)() const);
EXACT(Channel::events, int (Channel::*)() const);
EXACT(Channel::set_revents, void (Channel::*)(int));
EXACT(Channel::isNoneEvent, bool (Channel::*)() const);
EXACT(Channel::enableReading, void (Channel::*)());
EXACT(Channel::disableReading, void (Channel::*)());
EXACT(Channel::enableWriting, void (Channel::*)());
EXACT(Channel::disableWriting, void (Channel::*)());
EXACT(Channel::disableAll, void (Channel::*)());
EXACT(Channel::isWriting, bool (Channel::*)() const);
EXACT(Channel::isReading, bool (Channel::*)() const);
EXACT(Channel::doNotLogHup, void (Channel::*)());
EXACT(Channel::ownerLoop, EventLoop* (Channel::*)());
EXACT(Channel::remove, void (Channel::*)());
EXACT(Channel::reventsToString, string (Channel::*)() const);

NONCOPYABLE(EventLoopThread);
TYPE(EventLoopThread::ThreadInitCallback, std::function<void(EventLoop*)>);
static_assert(std::is_default_constructible<EventLoopThread>::value, "EventLoopThread");
MAKES(EventLoopThread, const EventLoopThread::ThreadInitCallback&, const string&);
EXACT(EventLoopThread::startLoop, EventLoop* (EventLoopThread::*)());

NONCOPYABLE(EventLoopThreadPool);
TYPE(EventLoopThreadPool::ThreadInitCallback, std::function<void(EventLoop*)>);
MAKES(EventLoopThreadPool, EventLoop*, const string&);
EXACT(EventLoopThreadPool::setThreadNum, void (EventLoopThreadPool::*)(int));
EXACT(EventLoopThreadPool::start, void (EventLoopThreadPool::*)(const EventLoopThreadPool::ThreadInitCallback&));
EXACT(EventLoopThreadPool::getNextLoop, EventLoop* (EventLoopThreadPool::*)());
EXACT(EventLoopThreadPool::getLoopForHash, EventLoop* (EventLoopThreadPool::*)(size_t));
EXACT(EventLoopThreadPool::getAllLoops, std::vector<EventLoop*> (EventLoopThreadPool::*)());
EXACT(EventLoopThreadPool::started, bool (EventLoopThreadPool::*)() const);
EXACT(EventLoopThreadPool::name, const string& (EventLoopThreadPool::*)() const);

// --- muduo/net: data and connections ---

COPYABLE(Buffer);
DOES_NOT_CONVERT(size_t, Buffer);
MAKES(Buffer, size_t);
VALUE(Buffer::kCheapPrepend, 8);
VALUE(Buffer::kInitialSize, 1024);
EXACT(Buffer::swap, void (Buffer::*)(Buffer&));
EXACT(Buffer::readableBytes, size_t (Buffer::*)() const);
EXACT(Buffer::writableBytes, size_t (Buffer::*)() const);
EXACT(Buffer::prependableBytes, size_t (Buffer::*)() const);
EXACT(Buffer::internalCapacity, size_t (Buffer::*)() const);
EXACT(Buffer::peek, const char* (Buffer::*)() const);
OVERLOAD(Buffer::findCRLF, const char* (Buffer::*)() const);
OVERLOAD(Buffer::findCRLF, const char* (Buffer::*)(const char*) const);
OVERLOAD(Buffer::findEOL, const char* (Buffer::*)() const);
OVERLOAD(Buffer::findEOL, const char* (Buffer::*)(const char*) const);
EXACT(Buffer::retrieve, void (Buffer::*)(size_t));
EXACT(Buffer::retrieveUntil, void (Buffer::*)(const char*));
EXACT(Buffer::retrieveAll, void (Buffer::*)());
EXACT(Buffer::retrieveInt64, void (Buffer::*)());
EXACT(Buffer::retrieveInt32, void (Buffer::*)());
EXACT(Buffer::retrieveInt16, void (Buffer::*)());
EXACT(Buffer::retrieveInt8, void (Buffer::*)());
EXACT(Buffer::retrieveAllAsString, string (Buffer::*)());
EXACT(Buffer::retrieveAsString, string (Buffer::*)(size_t));
EXACT(Buffer::toStringPiece, StringPiece (Buffer::*)() const);
OVERLOAD(Buffer::append, void (Buffer::*)(const StringPiece&));
OVERLOAD(Buffer::append, void (Buffer::*)(const char*, size_t));
OVERLOAD(Buffer::append, void (Buffer::*)(const void*, size_t));
EXACT(Buffer::ensureWritableBytes, void (Buffer::*)(size_t));
OVERLOAD(Buffer::beginWrite, char* (Buffer::*)());
OVERLOAD(Buffer::beginWrite, const char* (Buffer::*)() const);
EXACT(Buffer::hasWritten, void (Buffer::*)(size_t));
EXACT(Buffer::unwrite, void (Buffer::*)(size_t));
EXACT(Buffer::appendInt64, void (Buffer::*)(int64_t));
EXACT(Buffer::appendInt32, void (Buffer::*)(int32_t));
EXACT(Buffer::appendInt16, void (Buffer::*)(int16_t));
EXACT(Buffer::appendInt8, void (Buffer::*)(int8_t));
EXACT(Buffer::readInt64, int64_t (Buffer::*)());
EXACT(Buffer::readInt32, int32_t (Buffer::*)());
EXACT(Buffer::readInt16, int16_t (Buffer::*)());
EXACT(Buffer::readInt8, int8_t (Buffer::*)());
EXACT(Buffer::peekInt64, int64_t (Buffer::*)() const);
EXACT(Buffer::peekInt32, int32_t (Buffer::*)() const);
EXACT(Buffer::peekInt16, int16_t (Buffer::*)() const);
EXACT(Buffer::peekInt8, int8_t (Buffer::*)() const);
EXACT(Buffer::prepend, void (Buffer::*)(const void*, size_t));
EXACT(Buffer::prependInt64, void (Buffer::*)(int64_t));
EXACT(Buffer::prependInt32, void (Buffer::*)(int32_t));
EXACT(Buffer::prependInt16, void (Buffer::*)(int16_t));
EXACT(Buffer::prependInt8, void (Buffer::*)(int8_t));
EXACT(Buffer::shrink, void (Buffer::*)(size_t));
EXACT(Buffer::readFd, ssize_t (Buffer::*)(int, int*));

EXACT(sockets::hostToNetwork64, uint64_t (*)(uint64_t));
EXACT(sockets::networkToHost16, uint16_t (*)(uint16_t));

COPYABLE(InetAddress);
static_assert(sizeof(InetAddress) == sizeof(struct sockaddr_in6), "an InetAddress is an address and nothing else");
static_assert(std::is_default_constructible<InetAddress>::value, "InetAddress");
DOES_NOT_CONVERT(uint16_t, InetAddress);
MAKES(InetAddress, uint16_t);
MAKES(InetAddress, uint16_t, bool);
MAKES(InetAddress, uint16_t, bool, bool);
MAKES(InetAddress, StringArg, uint16_t);
MAKES(InetAddress, StringArg, uint16_t, bool);
MAKES(InetAddress, const struct sockaddr_in&);
MAKES(InetAddress, const struct sockaddr_in6&);
EXACT(InetAddress::family, sa_family_t (InetAddress::*)() const);
EXACT(InetAddress::toIp, string (InetAddress::*)() const);
EXACT(InetAddress::toIpPort, string (InetAddress::*)() const);
EXACT(InetAddress::port, uint16_t (InetAddress::*)() const);
EXACT(InetAddress::getSockAddr, const struct sockaddr* (InetAddress::*)() const);
EXACT(InetAddress::setSockAddrInet6, void (InetAddress::*)(const struct sockaddr_in6&));
EXACT(InetAddress::ipv4NetEndian, uint32_t (InetAddress::*)() const);
EXACT(InetAddress::portNetEndian, uint16_t (InetAddress::*)() const);
EXACT(InetAddress::resolve, bool (*)(StringArg, InetAddress*));
EXACT(InetAddress::setScopeId, void (InetAddress::*)(uint32_t));

NONCOPYABLE(TcpConnection);
CONVERTS(TcpConnection*, std::enable_shared_from_this<TcpConnection>*);
EXACT(TcpConnection::getLoop, EventLoop* (TcpConnection::*)() const);
EXACT(TcpConnection::name, const string& (TcpConnection::*)() const);
EXACT(TcpConnection::localAddress, const InetAddress& (TcpConnection::*)() const);
EXACT(TcpConnection::peerAddress, const InetAddress& (TcpConnection::*)() const);
EXACT(TcpConnection::connected, bool (TcpConnection::*)() const);
EXACT(TcpConnection::disconnected, bool (TcpConnection::*)() const);
EXACT(TcpConnection::getTcpInfo, bool (TcpConnection::*)(struct tcp_info*) const);
EXACT(TcpConnection::getTcpInfoString, string (TcpConnection::*)() const);
OVERLOAD(TcpConnection::send, void (TcpConnection::*)(const void*, int));
OVERLOAD(TcpConnection::send, void (TcpConnection::*)(const StringPiece&));
OVERLOAD(TcpConnection::send, void (TcpConnection::*)(Buffer*));
EXACT(TcpConnection::shutdown, void (TcpConnection::*)());
EXACT(TcpConnection::forceClose, void (TcpConnection::*)());
EXACT(TcpConnection::forceCloseWithDelay, void (TcpConnection::*)(double));
EXACT(TcpConnection::setTcpNoDelay, void (TcpConnection::*)(bool));
EXACT(TcpConnection::startRead, void (TcpConnection::*)());
EXACT(TcpConnection::stopRead, void (TcpConnection::*)());
EXACT(TcpConnection::isReading, bool (TcpConnection::*)() const);
EXACT(TcpConnection::setContext, void (TcpConnection::*)(const boost::any&));
EXACT(TcpConnection::getContext, const boost::any& (TcpConnection::*)() const);
EXACT(TcpConnection::getMutableContext, boost::any* (TcpConnection::*)());
EXACT(TcpConnection::setConnectionCallback, void (TcpConnection::*)(const ConnectionCallback&));
EXACT(TcpConnection::setMessageCallback, void (TcpConnection::*)(const MessageCallback&));
EXACT(TcpConnection::setWriteCompleteCallback, void (TcpConnection::*)(const WriteCompleteCallback&));
EXACT(TcpConnection::setHighWaterMarkCallback, void (TcpConnection::*)(const HighWaterMarkCallback&, size_t));
EXACT(TcpConnection::setCloseCallback, void (TcpConnection::*)(const CloseCallback&));
EXACT(TcpConnection::inputBuffer, Buffer* (TcpConnection::*)());
EXACT(TcpConnection::outputBuffer, Buffer* (TcpConnection::*)());
EXACT(TcpConnection::connectEstablished, void (TcpConnection::*)());
EXACT(TcpConnection::connectDestroyed, void (TcpConnection::*)());

NONCOPYABLE(TcpServer);
TYPE(TcpServer::ThreadInitCallback, std::function<void(EventLoop*)>);
VALUE(TcpServer::kNoReusePort, 0);
VALUE(TcpServer::kReusePort, 1);
MAKES(TcpServer, EventLoop*, const InetAddress&, const string&);
MAKES(TcpServer, EventLoop*, const InetAddress&, const string&, TcpServer::Option);
EXACT(TcpServer::ipPort, const string& (TcpServer::*)() const);
EXACT(TcpServer::name, const string& (TcpServer::*)() const);
EXACT(TcpServer::getLoop, EventLoop* (TcpServer::*)() const);
EXACT(TcpServer::setThreadNum, void (TcpServer::*)(int));
EXACT(TcpServer::setThreadInitCallback, void (TcpServer::*)(const TcpServer::ThreadInitCallback&));
EXACT(TcpServer::threadPool, std::shared_ptr<EventLoopThreadPool> (TcpServer::*)());
EXACT(TcpServer::start, void (TcpServer::*)());
EXACT(TcpServer::setConnectionCallback, void (TcpServer::*)(const ConnectionCallback&));
EXACT(TcpServer::setMessageCallback, void (TcpServer::*)(const MessageCallback&));
EXACT(TcpServer::setWriteCompleteCallback, void (TcpServer::*)(const WriteCompleteCallback&));

// --- muduo/net/http ---

COPYABLE(HttpRequest);
VALUE(HttpRequest::kInvalid, 0);
VALUE(HttpRequest::kGet, 1);
VALUE(HttpRequest::kPost, 2);
VALUE(HttpRequest::kHead, 3);
VALUE(HttpRequest::kPut, 4);
VALUE(HttpRequest::kDelete, 5);
VALUE(HttpRequest::kUnknown, 0);
VALUE(HttpRequest::kHttp10, 1);
VALUE(HttpRequest::kHttp11, 2);
EXACT(HttpRequest::setVersion, void (HttpRequest::*)(HttpRequest::Version));
EXACT(HttpRequest::getVersion, HttpRequest::Version (HttpRequest::*)() const);
EXACT(HttpRequest::setMethod, bool (HttpRequest::*)(const char*, const char*));
EXACT(HttpRequest::method, HttpRequest::Method (HttpRequest::*)() const);
EXACT(HttpRequest::methodString, const char* (HttpRequest::*)() const);
EXACT(HttpRequest::setPath, void (HttpRequest::*)(const char*, const char*));
EXACT(HttpRequest::path, const string& (HttpRequest::*)() const);
EXACT(HttpRequest::setQuery, void (HttpRequest::*)(const char*, const char*));
EXACT(HttpRequest::query, const string& (HttpRequest::*)() const);
EXACT(HttpRequest::setReceiveTime, void (HttpRequest::*)(Timestamp));
EXACT(HttpRequest::receiveTime, Timestamp (HttpRequest::*)() const);
EXACT(HttpRequest::addHeader, void (HttpRequest::*)(const char*, const char*, const char*));
EXACT(HttpRequest::getHeader, string (HttpRequest::*)(const string&) const);
EXACT(HttpRequest::headers, const Headers& (HttpRequest::*)() const);
EXACT(HttpRequest::swap, void (HttpRequest::*)(HttpRequest&));

COPYABLE(HttpContext);
VALUE(HttpContext::kExpectRequestLine, 0);
VALUE(HttpContext::kExpectHeaders, 1);
VALUE(HttpContext::kExpectBody, 2);
VALUE(HttpContext::kGotAll, 3);
EXACT(HttpContext::parseRequest, bool (HttpContext::*)(Buffer*, Timestamp));
EXACT(HttpContext::gotAll, bool (HttpContext::*)() const);
EXACT(HttpContext::reset, void (HttpContext::*)());
OVERLOAD(HttpContext::request, const HttpRequest& (HttpContext::*)() const);
OVERLOAD(HttpContext::request, HttpRequest& (HttpContext::*)());

COPYABLE(HttpResponse);
VALUE(HttpResponse::kUnknown, 0);
VALUE(HttpResponse::k200Ok, 200);
VALUE(HttpResponse::k301MovedPermanently, 301);
VALUE(HttpResponse::k400BadRequest, 400);
VALUE(HttpResponse::k404NotFound, 404);
DOES_NOT_CONVERT(bool, HttpResponse);
MAKES(HttpResponse, bool);
EXACT(HttpResponse::setStatusCode, void (HttpResponse::*)(HttpResponse::HttpStatusCode));
EXACT(HttpResponse::setStatusMessage, void (HttpResponse::*)(const string&));
EXACT(HttpResponse::setCloseConnection, void (HttpResponse::*)(bool));
EXACT(HttpResponse::closeConnection, bool (HttpResponse::*)() const);
EXACT(HttpResponse::setContentType, void (HttpResponse::*)(const string&));
EXACT(HttpResponse::addHeader, void (HttpResponse::*)(const string&, const string&));
EXACT(HttpResponse::setBody, void (HttpResponse::*)(const string&));
EXACT(HttpResponse::appendToBuffer, void (HttpResponse::*)(Buffer*) const);

NONCOPYABLE(HttpServer);
TYPE(HttpServer::HttpCallback, std::function<void(const HttpRequest&, HttpResponse*)>);
MAKES(HttpServer, EventLoop*, const InetAddress&, const string&);
MAKES(HttpServer, EventLoop*, const InetAddress&, const string&, TcpServer::Option);
EXACT(HttpServer::getLoop, EventLoop* (HttpServer::*)() const);
EXACT(HttpServer::setHttpCallback, void (HttpServer::*)(const HttpServer::HttpCallback&));
EXACT(HttpServer::setThreadNum, void (HttpServer::*)(int));
EXACT(HttpServer::start, void (HttpServer::*)());

}  // namespace
