#include "digest.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdexcept>
#include <vector>

namespace ai_chat {

namespace {

std::string hex(const unsigned char* bytes, std::size_t count) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(count * 2);
  for (std::size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

std::string sha1Hex(std::string_view bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), out, &size, EVP_sha1(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL cannot compute a SHA-1");
  }
  return hex(out, size);
}

std::string randomHex(int bytes) {
  std::vector<unsigned char> random(static_cast<std::size_t>(bytes));
  if (RAND_bytes(random.data(), bytes) != 1) throw std::runtime_error("OpenSSL has no random numbers");
  return hex(random.data(), random.size());
}

}  // namespace ai_chat
