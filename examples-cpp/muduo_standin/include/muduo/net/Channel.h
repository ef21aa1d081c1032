// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_CHANNEL_H
#define MUDUO_STANDIN_NET_CHANNEL_H

#include "muduo/base/Timestamp.h"
#include "muduo/base/noncopyable.h"

#include <functional>
#include <memory>

struct event;

namespace muduo
{
namespace net
{

class EventLoop;

// The events of one file descriptor in one loop. It does not own the descriptor.
//
// The order of an ending is Muduo's: disableAll(), remove(), then destroy the Channel and close the descriptor. In an
// event callback only the channel whose callback runs may be removed; leave others, and any destruction, to
// EventLoop::queueInLoop. Muduo asserts this in debug builds and is undefined in release builds; the stand-in always
// checks it and stops the process with the reason.
class Channel : noncopyable
{
 public:
  typedef std::function<void()> EventCallback;
  typedef std::function<void(Timestamp)> ReadEventCallback;

  Channel(EventLoop* loop, int fd);
  ~Channel();

  void setReadCallback(ReadEventCallback cb) { readCallback_ = std::move(cb); }
  void setWriteCallback(EventCallback cb) { writeCallback_ = std::move(cb); }
  // The descriptor hung up and has nothing left to read.
  void setCloseCallback(EventCallback cb) { closeCallback_ = std::move(cb); }
  void setErrorCallback(EventCallback cb) { errorCallback_ = std::move(cb); }

  // Keeps the owner alive while callbacks run, and drops events once the owner is gone.
  void tie(const std::shared_ptr<void>& owner);

  // All in the loop's thread.
  void enableReading() { change(events_ | kReadEvent); }
  void disableReading() { change(events_ & ~kReadEvent); }
  void enableWriting() { change(events_ | kWriteEvent); }
  void disableWriting() { change(events_ & ~kWriteEvent); }
  void disableAll() { change(kNoneEvent); }
  void remove();

  int fd() const { return fd_; }
  int events() const { return events_; }
  bool isNoneEvent() const { return events_ == kNoneEvent; }
  bool isWriting() const { return (events_ & kWriteEvent) != 0; }
  bool isReading() const { return (events_ & kReadEvent) != 0; }
  EventLoop* ownerLoop() { return loop_; }

  // For the loop.
  void handleEvent(Timestamp receiveTime);
  void set_revents(int revents) { revents_ = revents; }

  void doNotLogHup() { logHup_ = false; }
  string eventsToString() const;
  string reventsToString() const;

 private:
  friend class EventLoop;
  friend class TcpConnection;

  static const int kNoneEvent;
  static const int kReadEvent;
  static const int kWriteEvent;

  void change(int events);
  void handleEventWithGuard(Timestamp receiveTime);

  EventLoop* loop_;
  const int fd_;
  int events_;           // poll(2) bits that are wanted
  int revents_;          // poll(2) bits that happened
  struct event* event_;  // libevent's registration; the loop makes and frees it
  bool logHup_;
  bool tied_;
  bool handlingEvent_;
  std::weak_ptr<void> tie_;
  ReadEventCallback readCallback_;
  EventCallback writeCallback_;
  EventCallback closeCallback_;
  EventCallback errorCallback_;
};

}  // namespace net
}  // namespace muduo

#endif
