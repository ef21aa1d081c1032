#include "muduo_ws/PreparedMessage.h"

#include <ws_engine.h>

namespace wsmuduo {

PreparedMessage::PreparedMessage(int type, const muduo::StringPiece& data) : size_(static_cast<size_t>(data.size())) {
  ws_prepared* prepared = NULL;
  if (ws_prepared_new(type, data.data(), size_, &prepared) == WS_OK) prepared_.reset(prepared, ws_prepared_free);
}

PreparedMessage PreparedMessage::text(const muduo::StringPiece& text) { return PreparedMessage(WS_MESSAGE_TEXT, text); }

PreparedMessage PreparedMessage::binary(const muduo::StringPiece& data) { return PreparedMessage(WS_MESSAGE_BINARY, data); }

}  // namespace wsmuduo
