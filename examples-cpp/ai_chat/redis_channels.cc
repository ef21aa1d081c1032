#include "redis_channels.h"

#include <utility>

#include "redis_connection.h"

namespace ai_chat {

void RedisChannels::subscribe(const std::string& channel, Callbacks callbacks) {
  Channel& state = channels_[channel];
  state.callbacks = std::make_shared<Callbacks>(std::move(callbacks));
  send(channel, &state);
}

void RedisChannels::unsubscribe(const std::string& channel) {
  const auto found = channels_.find(channel);
  if (found == channels_.end() || !found->second.callbacks) return;
  connection_->push({"UNSUBSCRIBE", channel});
  // Its confirmations may be still to come, and must not be taken for those of a later subscription.
  found->second.callbacks.reset();
  if (found->second.awaited == 0) channels_.erase(found);
}

void RedisChannels::send(const std::string& channel, Channel* state) {
  if (connection_->push({"SUBSCRIBE", channel})) ++state->awaited;
}

void RedisChannels::onUp() {
  for (auto& [channel, state] : channels_) send(channel, &state);
}

void RedisChannels::onDown() {
  for (auto it = channels_.begin(); it != channels_.end();) {
    it->second.awaited = 0;
    it = it->second.callbacks ? std::next(it) : channels_.erase(it);
  }
}

void RedisChannels::onPush(const RedisValue& push) {
  const std::string_view kind = push[0].text();
  const auto found = channels_.find(push[1].string());
  if (found == channels_.end()) return;
  // The callback may unsubscribe.
  const std::shared_ptr<Callbacks> callbacks = found->second.callbacks;
  if (kind == "message") {
    if (callbacks && found->second.awaited == 0) callbacks->onText(push[2].text());
  } else if (kind == "subscribe" && found->second.awaited > 0 && --found->second.awaited == 0) {
    if (callbacks) {
      callbacks->onReady();
    } else {
      channels_.erase(found);
    }
  }
}

}  // namespace ai_chat
