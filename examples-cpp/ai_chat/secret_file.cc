#include "secret_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace ai_chat {

std::string checkedSecret(const std::string& what, std::string secret, const std::string& where) {
  const std::size_t begin = secret.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) throw std::runtime_error("the " + what + " in " + where + " is empty");
  secret = secret.substr(begin, secret.find_last_not_of(" \t\r\n") - begin + 1);
  for (const char c : secret) {  // it goes into an HTTP header, or a command
    if (c <= ' ' || c > '~') {
      throw std::runtime_error("the " + what + " in " + where + " holds a character that no " + what + " has");
    }
  }
  return secret;
}

std::string readSecret(const std::string& what, const std::string& file, std::vector<std::string>* warnings) {
  constexpr std::size_t kMaxBytes = 8192;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read the " + what + " in " + file + ": " + std::strerror(errno));
  std::string secret(kMaxBytes, '\0');
  in.read(&secret[0], static_cast<std::streamsize>(kMaxBytes));
  if (in.bad() || in.gcount() == static_cast<std::streamsize>(kMaxBytes)) {
    throw std::runtime_error("the " + what + " in " + file + " cannot be read or is too long");
  }
  secret.resize(static_cast<std::size_t>(in.gcount()));

  struct stat status;
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    warnings->push_back("everybody on this machine may read the " + what + " in " + file + ": chmod o= " + file);
  }
  return checkedSecret(what, secret, file);
}

}  // namespace ai_chat
