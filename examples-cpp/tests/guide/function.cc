// The snippet may declare a `ws`, `server` or `signals` of its own.
void guide(EventLoop& loop, muduo::ThreadPool& workers);
void guide(EventLoop& loop, muduo::ThreadPool& workers) {
  {
SNIPPET
  }
}
