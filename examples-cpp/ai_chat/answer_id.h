// Which text an answer is. Two nodes that do not see each other may both make one under the same requestId; a reader must
// never get a part of each. So every text has a random name, said at the end of its first message:
//
//   {"type":"stream","requestId":"r-1","seq":1,"content":"Hel","done":false,"answerId":"5f0c3a9be1d24876"}
#ifndef AI_CHAT_ANSWER_ID_H
#define AI_CHAT_ANSWER_ID_H

#include <string>
#include <string_view>

namespace ai_chat {

std::string newAnswerId();
// `json`: an object with a member at least.
std::string withAnswerId(std::string_view json, std::string_view answerId);
// Empty: it has none.
std::string answerIdOf(std::string_view json);

}  // namespace ai_chat

#endif  // AI_CHAT_ANSWER_ID_H
