#include "config_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string_view>

namespace ai_chat {

namespace {

constexpr std::size_t kMaxLines = 10000;
constexpr std::size_t kMaxLineBytes = 8192;
constexpr const char kSpace[] = " \t\r";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// A '#' in the middle of a word belongs to the word.
std::string_view withoutComment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') return line.substr(0, at);
  }
  return line;
}

}  // namespace

std::vector<ConfigEntry> readConfigFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file + ": " + std::strerror(errno));

  std::vector<ConfigEntry> entries;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    const std::string where = file + ":" + std::to_string(number);
    if (number > kMaxLines || line.size() > kMaxLineBytes || line.find('\0') != std::string::npos) {
      throw std::runtime_error(where + ": this is no file of options");
    }
    const std::string_view text = trim(withoutComment(line));
    if (text.empty()) continue;
    const std::size_t equals = text.find('=');
    const std::string_view name = trim(text.substr(0, equals));
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : trim(text.substr(equals + 1));
    // What stands there is not repeated: it may be a secret that was pasted into the wrong file.
    if (name.empty() || value.empty()) throw std::runtime_error(where + ": a line is \"name = value\", or a # comment");
    entries.push_back({std::string(name), std::string(value), where});
  }
  if (in.bad()) throw std::runtime_error("cannot read " + file + ": " + std::strerror(errno));
  return entries;
}

}  // namespace ai_chat
