#include "room_posts.h"

#include <muduo/net/EventLoop.h>

#include <utility>

namespace ai_chat {

namespace {

constexpr double kAgainSeconds = 1;
constexpr int kMostTries = 3600;

void send(Store* store, Store::Loop* loop, const Post& post, int tries) {
  store->send(post, loop, [=](const Store::Sent& sent) {
    if (sent.status != Store::Status::kUnavailable || tries >= kMostTries) return;
    loop->runAfter(kAgainSeconds, [=] { send(store, loop, post, tries + 1); });
  });
}

}  // namespace

void postInRoom(Store* store, Store::Loop* loop, RoomPost kind, Post post) {
  post.id = (kind == RoomPost::kQuestion ? "question\n" : "answer\n") + post.room + "\n" + post.requestId;
  send(store, loop, post, 1);
}

}  // namespace ai_chat
