// Part of the Muduo stand-in: from poll(2) bits to callbacks.
#include "muduo/net/Channel.h"

#include "contract.h"
#include "muduo/net/EventLoop.h"

#include <poll.h>

namespace muduo
{
namespace net
{

const int Channel::kNoneEvent = 0;
const int Channel::kReadEvent = POLLIN | POLLPRI;
const int Channel::kWriteEvent = POLLOUT;

Channel::Channel(EventLoop* loop, int fd)
    : loop_(loop),
      fd_(fd),
      events_(kNoneEvent),
      revents_(kNoneEvent),
      event_(nullptr),
      logHup_(true),
      tied_(false),
      handlingEvent_(false)
{
}

Channel::~Channel()
{
  contract(!handlingEvent_, "a Channel is not destroyed in its own callback; use EventLoop::queueInLoop");
  contract(event_ == nullptr, "a Channel is destroyed after disableAll() and remove()");
}

void Channel::tie(const std::shared_ptr<void>& owner)
{
  tie_ = owner;
  tied_ = true;
}

void Channel::change(int events)
{
  events_ = events;
  loop_->updateChannel(this);
}

void Channel::remove()
{
  contract(isNoneEvent(), "Channel::remove() comes after disableAll()");
  loop_->removeChannel(this);
}

void Channel::handleEvent(Timestamp receiveTime)
{
  if (!tied_)
  {
    handleEventWithGuard(receiveTime);
  }
  else if (std::shared_ptr<void> owner = tie_.lock())
  {
    handleEventWithGuard(receiveTime);
  }
}

// All bits are looked at, in this order, even when an earlier callback closed the channel.
void Channel::handleEventWithGuard(Timestamp receiveTime)
{
  handlingEvent_ = true;
  if ((revents_ & POLLHUP) && !(revents_ & POLLIN))
  {
    if (logHup_) LOG_WARN << "fd " << fd_ << " hung up";
    if (closeCallback_) closeCallback_();
  }
  if (revents_ & (POLLERR | POLLNVAL))
  {
    if (revents_ & POLLNVAL) LOG_WARN << "fd " << fd_ << " is not open; remove its Channel before closing it";
    if (errorCallback_) errorCallback_();
  }
  if (revents_ & (POLLIN | POLLPRI | POLLRDHUP))
  {
    if (readCallback_) readCallback_(receiveTime);
  }
  if (revents_ & POLLOUT)
  {
    if (writeCallback_) writeCallback_();
  }
  handlingEvent_ = false;
}

namespace
{

string describe(int fd, int events)
{
  static const struct
  {
    int bit;
    const char* name;
  } kNames[] = {{POLLIN, "IN "},     {POLLPRI, "PRI "}, {POLLOUT, "OUT "},  {POLLHUP, "HUP "},
                {POLLRDHUP, "RDHUP "}, {POLLERR, "ERR "}, {POLLNVAL, "NVAL "}};
  string text = std::to_string(fd) + ": ";
  for (const auto& one : kNames)
  {
    if (events & one.bit) text += one.name;
  }
  return text;
}

}  // namespace

string Channel::eventsToString() const
{
  return describe(fd_, events_);
}

string Channel::reventsToString() const
{
  return describe(fd_, revents_);
}

}  // namespace net
}  // namespace muduo
