// The messages of one answer, from the first to the last. One loop writes it: that of the model's transfer, or the store's
// when the answer is made on another node. Connections in any loop read it, each at its own pace: who comes back
// after a lost connection is a reader that begins in the middle. Thread-safe.
#ifndef AI_CHAT_ANSWER_LOG_H
#define AI_CHAT_ANSWER_LOG_H

#include <muduo/base/noncopyable.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "conversation.h"

namespace ai_chat {

class AnswerLog : muduo::noncopyable {
 public:
  using Message = std::shared_ptr<const std::string>;

  class Reader {
   public:
    virtual ~Reader() = default;
    // There is more to read. Called in the writer's thread, without a lock; must not do more than wake its own loop
    // (or act, when that is this one). Once until read() has found nothing more.
    virtual void onMore() = 0;
    // Passes by. Who comes before the first message gets the last one.
    virtual void onStatus(const Message& json) = 0;
    // There is no such answer after all, or nothing more of it that this reader could use: an error, and the end.
    virtual void onRefused(const Message& /*error*/, const Message& /*end*/) {}
    // What this reader has read elsewhere is not the beginning of this answer: see answer_id.h. It is no reader any more.
    virtual void onOther() {}
    // The store's copy is none whose pace matters to the model.
    virtual bool paces() const { return true; }
  };

  explicit AnswerLog(AnswerId id) : id_(std::move(id)) {}

  const AnswerId& id() const { return id_; }

  // ---- writing: one thread ----

  // What has been appended before is ignored, so a copy may be filled twice; false then, and when there would be a gap.
  bool append(std::uint64_t seq, Message json, bool done);
  void status(const Message& json);
  // Instead of an answer; once, while nothing was appended.
  void refuse(const Message& error, const Message& end);
  // Before the error `seq` and the end behind it are appended: the node that made the answer is gone, and may have told its
  // readers more than was kept. Who has read as far as `seq` elsewhere gets these two instead, which have no seq.
  void lose(std::uint64_t seq, const Message& error, const Message& end);
  // For the model's back pressure: the reader that is farthest has more than `high` bytes before it. Without readers that
  // pace nobody is waited for.
  bool isAhead(std::size_t high);
  // Called in a reader's thread when it has no more than `low` before it again, once for each time that isAhead() was true.
  void setCaughtUp(std::size_t low, std::function<void()> callback);

  // ---- reading: any thread ----

  // From the message behind `after` on. The reader is called from now on, first when there is something to read already.
  // `answerId`: that of what it has read elsewhere, if it knows.
  void addReader(const std::shared_ptr<Reader>& reader, std::uint64_t after, const std::string& answerId = std::string());
  void removeReader(const Reader* reader);
  // The reader's next message and its seq, or null: wait for onMore().
  struct Next {
    Message json;
    std::uint64_t seq = 0;
    bool done = false;
  };
  Next read(const Reader* reader);
  // For one that lost what it read: it goes on behind `after`.
  void rewind(const Reader* reader, std::uint64_t after);

  // ---- asking: any thread ----

  std::uint64_t last() const;  // seq of the last message; 0: none yet
  bool done() const;
  std::size_t bytes() const;
  std::size_t readers() const;  // those that pace
  bool isRefused() const;

  // Somebody reads it on another node. Told by the store, from time to time.
  void setReadElsewhere(bool isRead) { readElsewhere_ = isRead; }
  bool isReadElsewhere() const { return readElsewhere_; }

 private:
  struct Entry {
    Message json;
    std::uint64_t end;  // bytes up to here
  };
  struct Place {
    std::weak_ptr<Reader> reader;
    const Reader* key;
    std::uint64_t next;  // index into entries_
    bool paces;
    bool told;               // onMore() was called and not all has been read
    std::uint64_t skip = 0;  // entries that it has seen elsewhere
    std::string answerId{};  // of those; empty: it has been looked at, or is not known
  };

  std::vector<std::shared_ptr<Reader>> readersLocked() const;
  std::uint64_t endLocked(std::size_t count) const;
  bool isOtherLocked(Place* place) const;
  std::uint64_t aheadLocked() const;
  std::function<void()> takeCaughtUpLocked();
  std::vector<Place>::iterator find(const Reader* reader);

  const AnswerId id_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;  // entry i has seq i + 1
  bool done_ = false;
  std::string answerId_;  // of the first message
  std::atomic<bool> readElsewhere_{false};
  Message status_;  // the last one
  Message refusal_, refusalEnd_;
  std::uint64_t lostAt_ = 0;  // see lose()
  Message lost_, lostEnd_;
  std::vector<Place> places_;
  bool awaited_ = false;  // the model waits for a reader
  std::size_t low_ = 0;
  std::function<void()> caughtUp_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_ANSWER_LOG_H
