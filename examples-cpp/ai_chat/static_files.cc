#include "static_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace ai_chat {

namespace {

constexpr off_t kMaxFileBytes = 8 * 1024 * 1024;

// The page runs its own scripts and styles, talks to its own server, and nothing else; nobody may frame it.
constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Decodes once: "%252e" stays "%2e", a name like any other.
std::optional<std::string> percentDecode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hexDigit(text[i + 1]);
    const int low = hexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(static_cast<unsigned char>(high * 16 + low)));
    i += 2;
  }
  return out;
}

std::optional<std::string> realPath(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return std::nullopt;
  std::string copy(resolved);
  std::free(resolved);
  return copy;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

bool readAll(int fd, std::size_t size, std::string* body) {
  body->resize(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd, &(*body)[done], size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;  // it shrank while being read
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

std::optional<std::string> relativePath(std::string_view urlPath) {
  std::optional<std::string> path = percentDecode(urlPath);
  if (!path || path->empty() || path->front() != '/') return std::nullopt;
  if (path->find_first_of(std::string_view("\\\0", 2)) != std::string::npos) return std::nullopt;
  if (path->back() == '/') *path += "index.html";

  // A segment that begins with a dot is ".", ".." or a hidden file.
  for (std::size_t begin = 0; begin < path->size();) {
    std::size_t end = path->find('/', begin + 1);
    if (end == std::string::npos) end = path->size();
    if (end == begin + 1 || (*path)[begin + 1] == '.') return std::nullopt;
    begin = end;
  }
  return path->substr(1);
}

std::string contentType(std::string_view path) {
  static constexpr std::pair<std::string_view, const char*> kTypes[] = {
      {".html", "text/html; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"}, {".mjs", "text/javascript; charset=utf-8"},
      {".json", "application/json"}, {".svg", "image/svg+xml"},
      {".png", "image/png"}, {".jpg", "image/jpeg"},
      {".webp", "image/webp"}, {".ico", "image/x-icon"},
      {".woff2", "font/woff2"}, {".txt", "text/plain; charset=utf-8"},
      {".webmanifest", "application/manifest+json"},
  };
  for (const auto& [ending, type] : kTypes) {
    if (path.size() > ending.size() && path.substr(path.size() - ending.size()) == ending) return type;
  }
  return "application/octet-stream";
}

StaticFiles::StaticFiles(const std::string& root) {
  const std::optional<std::string> real = realPath(root);
  if (!real) throw std::runtime_error(root + ": " + std::strerror(errno));
  const Descriptor folder(::open(real->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) throw std::runtime_error(root + ": " + std::strerror(errno));
  root_ = *real;
}

std::shared_ptr<const StaticFiles::File> StaticFiles::find(std::string_view urlPath) {
  const std::optional<std::string> relative = relativePath(urlPath);
  if (!relative) return nullptr;
  const std::optional<std::string> real = realPath(root_ + "/" + *relative);
  if (!real) return nullptr;
  const std::string inside = root_ == "/" ? root_ : root_ + "/";
  if (real->compare(0, inside.size(), inside) != 0) return nullptr;
  return read(*real);
}

std::shared_ptr<const StaticFiles::File> StaticFiles::read(const std::string& path) {
  // Not blocking, as a FIFO without a writer would.
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status;
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0) return nullptr;
  if (!S_ISREG(status.st_mode) || status.st_size > kMaxFileBytes) return nullptr;

  const std::lock_guard<std::mutex> lock(mutex_);
  Cached& cached = cache_[path];
  const bool fresh = cached.file && cached.changed.tv_sec == status.st_mtim.tv_sec &&
                     cached.changed.tv_nsec == status.st_mtim.tv_nsec && cached.inode == status.st_ino &&
                     cached.size == status.st_size;
  if (!fresh) {
    auto file = std::make_shared<File>();
    file->contentType = ai_chat::contentType(path);
    if (!readAll(descriptor.get(), static_cast<std::size_t>(status.st_size), &file->body)) {
      cache_.erase(path);
      return nullptr;
    }
    cached = Cached{status.st_mtim, status.st_ino, status.st_size, std::move(file)};
  }
  return cached.file;
}

void StaticFiles::serve(const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response) {
  using muduo::net::HttpRequest;
  using muduo::net::HttpResponse;

  response->addHeader("Content-Security-Policy", kContentSecurityPolicy);
  response->addHeader("X-Content-Type-Options", "nosniff");
  response->addHeader("Referrer-Policy", "no-referrer");
  response->addHeader("Cross-Origin-Opener-Policy", "same-origin");
  response->addHeader("Cross-Origin-Resource-Policy", "same-origin");
  response->addHeader("Cache-Control", "no-cache");

  if (request.method() != HttpRequest::kGet && request.method() != HttpRequest::kHead) {
    response->setStatusCode(static_cast<HttpResponse::HttpStatusCode>(405));
    response->setStatusMessage("Method Not Allowed");
    response->addHeader("Allow", "GET, HEAD");
    response->setCloseConnection(true);
    return;
  }
  const std::shared_ptr<const File> file = find(request.path());
  if (!file) {
    response->setStatusCode(HttpResponse::k404NotFound);
    response->setStatusMessage("Not Found");
    response->setContentType("text/plain; charset=utf-8");
    response->setBody("There is nothing here.\n");
    return;
  }
  response->setStatusCode(HttpResponse::k200Ok);
  response->setStatusMessage("OK");
  response->setContentType(file->contentType);
  response->setBody(file->body);  // also to HEAD: the server leaves it out, and tells its length
}

}  // namespace ai_chat
