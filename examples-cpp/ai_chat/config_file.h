// A file of options: one `name = value` a line, `#` begins a comment, empty lines are fine.
#ifndef AI_CHAT_CONFIG_FILE_H
#define AI_CHAT_CONFIG_FILE_H

#include <string>
#include <vector>

namespace ai_chat {

struct ConfigEntry {
  std::string name;
  std::string value;  // not empty, without spaces around it
  std::string where;  // "FILE:LINE", for messages
};

// In the order of the file. Throws std::runtime_error, which says where and what, for a file that cannot be read and a
// line that is none.
std::vector<ConfigEntry> readConfigFile(const std::string& file);

}  // namespace ai_chat

#endif  // AI_CHAT_CONFIG_FILE_H
