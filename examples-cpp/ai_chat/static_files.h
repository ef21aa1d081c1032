// The page: the files of one folder, over HTTP. They are kept in memory and read again when they change.
#ifndef AI_CHAT_STATIC_FILES_H
#define AI_CHAT_STATIC_FILES_H

#include <muduo/base/noncopyable.h>

#include <sys/stat.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace muduo {
namespace net {
class HttpRequest;
class HttpResponse;
}  // namespace net
}  // namespace muduo

namespace ai_chat {

// From a request's path to one below the root, "index.html" for "/"; nothing when it could lead anywhere else:
// with "..", a hidden file, a backslash, a NUL, however encoded.
std::optional<std::string> relativePath(std::string_view urlPath);

std::string contentType(std::string_view path);

// Thread-safe.
class StaticFiles : muduo::noncopyable {
 public:
  struct File {
    std::string contentType;
    std::string body;
  };

  // Throws std::runtime_error, which says why, when `root` is not a folder that can be read.
  explicit StaticFiles(const std::string& root);

  // The file for a request's path; null when there is none. Symbolic links count by where they lead: never out of
  // the root.
  std::shared_ptr<const File> find(std::string_view urlPath);

  // Answers a request.
  void serve(const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response);

  const std::string& root() const { return root_; }

 private:
  struct Cached {
    struct timespec changed;
    ino_t inode;
    off_t size;
    std::shared_ptr<const File> file;
  };

  std::shared_ptr<const File> read(const std::string& path);

  std::string root_;  // absolute, without links
  std::mutex mutex_;
  std::map<std::string, Cached> cache_;  // by path without links, so it has at most the root's files
};

}  // namespace ai_chat

#endif  // AI_CHAT_STATIC_FILES_H
