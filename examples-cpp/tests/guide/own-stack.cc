// The HTTP stack that the reader has.
namespace own {

struct Request {
  std::string method() const;
  std::string target() const;
  std::string version() const;
  const std::map<std::string, std::string>& headers() const;
};

struct Response {
  std::string bytes() const;
};

struct HttpContext {
  bool parse(Buffer* buf);
  bool gotAll() const;
  Request takeRequest();
};

struct Middleware {
  bool mayPass(const Request& request, Response* response);
};

struct Router {
  void handle(const Request& request, Response* response);
};

struct SslConnection {
  explicit SslConnection(TcpConnection* conn);
  Buffer* decrypt(Buffer* ciphertext);
  void send(const char* data, size_t len);
  void sendCloseNotify();
};
typedef std::shared_ptr<SslConnection> SslConnectionPtr;

SNIPPET

}  // namespace own
