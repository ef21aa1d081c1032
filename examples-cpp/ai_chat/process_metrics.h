// What Prometheus' own clients tell of a process, under their names.
#ifndef AI_CHAT_PROCESS_METRICS_H
#define AI_CHAT_PROCESS_METRICS_H

#include <string>

namespace ai_chat {

// In the text format of Prometheus; what the system does not tell is left out.
std::string renderProcessMetrics();

}  // namespace ai_chat

#endif  // AI_CHAT_PROCESS_METRICS_H
