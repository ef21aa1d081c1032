// What the server itself says in a room: the question that the model was asked, and its answer. Nobody else would say it
// again, so this does as long as the store cannot be reached.
#ifndef AI_CHAT_ROOM_POSTS_H
#define AI_CHAT_ROOM_POSTS_H

#include "store.h"

namespace ai_chat {

// Of one room, each `requestId` has one question and one answer, so that what is said twice is stored once.
enum class RoomPost { kQuestion, kAnswer };

// In the loop's thread. Lives no longer than the loop.
void postInRoom(Store* store, Store::Loop* loop, RoomPost kind, Post post);

}  // namespace ai_chat

#endif  // AI_CHAT_ROOM_POSTS_H
