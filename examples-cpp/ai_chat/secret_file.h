// Keys and passwords out of files. No message ever repeats what is in one.
#ifndef AI_CHAT_SECRET_FILE_H
#define AI_CHAT_SECRET_FILE_H

#include <string>
#include <vector>

namespace ai_chat {

// The one line of visible ASCII that `file` holds. `what` ("API key") is for messages: a std::runtime_error when there is
// none, a warning when everybody on this machine may read the file.
std::string readSecret(const std::string& what, const std::string& file, std::vector<std::string>* warnings);

// The same for one that comes from elsewhere: without the spaces around it.
std::string checkedSecret(const std::string& what, std::string secret, const std::string& where);

}  // namespace ai_chat

#endif  // AI_CHAT_SECRET_FILE_H
