#include "answer_id.h"

#include <algorithm>

#include "digest.h"

namespace ai_chat {

namespace {

constexpr std::string_view kHead = ",\"answerId\":\"";
constexpr std::string_view kTail = "\"}";
constexpr int kBytes = 8;
constexpr std::size_t kDigits = 2 * kBytes;

bool isHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

std::string newAnswerId() { return randomHex(kBytes); }

std::string withAnswerId(std::string_view json, std::string_view answerId) {
  json.remove_suffix(1);  // the brace
  return std::string(json).append(kHead).append(answerId).append(kTail);
}

// No text inside a string looks like this: its quotes are escaped.
std::string answerIdOf(std::string_view json) {
  const std::size_t size = kHead.size() + kDigits + kTail.size();
  if (json.size() < size) return std::string();
  json.remove_prefix(json.size() - size);
  const std::string_view digits = json.substr(kHead.size(), kDigits);
  const bool isThere = json.substr(0, kHead.size()) == kHead && json.substr(size - kTail.size()) == kTail &&
                       std::all_of(digits.begin(), digits.end(), isHex);
  return isThere ? std::string(digits) : std::string();
}

}  // namespace ai_chat
