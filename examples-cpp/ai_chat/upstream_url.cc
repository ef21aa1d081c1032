#include "upstream_url.h"

#include <curl/curl.h>

namespace ai_chat {

namespace {

class Url {
 public:
  explicit Url(const std::string& text) : url_(curl_url()) {
    result_ = url_ == nullptr ? CURLUE_OUT_OF_MEMORY : curl_url_set(url_, CURLUPART_URL, text.c_str(), 0);
  }
  ~Url() { curl_url_cleanup(url_); }
  Url(const Url&) = delete;
  Url& operator=(const Url&) = delete;

  CURLUcode result() const { return result_; }
  std::string part(CURLUPart which) const {
    char* text = nullptr;
    if (curl_url_get(url_, which, &text, 0) != CURLUE_OK) return std::string();
    std::string copy(text);
    curl_free(text);
    return copy;
  }

 private:
  CURLU* url_;
  CURLUcode result_;
};

}  // namespace

std::string checkUpstreamUrl(std::string* text) {
  const Url url(*text);
  if (url.result() != CURLUE_OK) return std::string("not a URL: ") + curl_url_strerror(url.result());
  const std::string scheme = url.part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return "only http:// and https:// are possible";
  if (!url.part(CURLUPART_USER).empty() || !url.part(CURLUPART_PASSWORD).empty()) {
    return "a user name or password in the URL would end up in logs: use an API key";
  }
  if (!url.part(CURLUPART_QUERY).empty() || !url.part(CURLUPART_FRAGMENT).empty()) {
    return "a query or fragment is not possible, as /chat/completions is appended";
  }
  *text = url.part(CURLUPART_URL);
  while (text->back() == '/') text->pop_back();
  return std::string();
}

bool isLoopback(const std::string& url) {
  const std::string host = Url(url).part(CURLUPART_HOST);
  return host == "localhost" || host == "[::1]" || host.compare(0, 4, "127.") == 0;
}

}  // namespace ai_chat
