#include "process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

namespace ai_chat {

namespace {

void append(std::string_view name, std::string_view type, double value, std::string_view help, std::string* out) {
  char text[64];
  const std::to_chars_result result = std::to_chars(text, text + sizeof text, value);
  out->append("# HELP ").append(name).append(" ").append(help);
  out->append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  out->append(name).append(" ").append(text, result.ptr).append("\n");
}

// Fields of /proc/self/stat behind the name, which may hold spaces: the state is number 0.
std::optional<std::istringstream> statFields() {
  std::ifstream in("/proc/self/stat");
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  return std::istringstream(line.substr(end + 1));
}

std::optional<double> bootTime() {
  std::ifstream in("/proc/stat");
  for (std::string word; in >> word;) {
    double seconds = 0;
    if (word == "btime" && in >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<std::size_t> openDescriptors() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return std::nullopt;
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(folder)) count += entry->d_name[0] != '.';
  ::closedir(folder);
  return count - 1;  // that of the folder
}

void appendStat(std::string* out) {
  std::optional<std::istringstream> fields = statFields();
  if (!fields) return;
  std::string skipped;
  double userTicks = 0, systemTicks = 0, threads = 0, startTicks = 0, virtualBytes = 0, residentPages = 0;
  for (int i = 0; i < 11; ++i) *fields >> skipped;
  *fields >> userTicks >> systemTicks;
  for (int i = 0; i < 4; ++i) *fields >> skipped;
  *fields >> threads >> skipped >> startTicks >> virtualBytes >> residentPages;
  if (!*fields) return;

  const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  append("process_cpu_seconds_total", "counter", (userTicks + systemTicks) / ticks,
         "Processor time, of user and system.", out);
  append("process_resident_memory_bytes", "gauge", residentPages * static_cast<double>(::sysconf(_SC_PAGESIZE)),
         "Memory that is in RAM.", out);
  append("process_virtual_memory_bytes", "gauge", virtualBytes, "Memory that is mapped.", out);
  append("process_threads", "gauge", threads, "Threads.", out);
  if (const std::optional<double> boot = bootTime()) {
    append("process_start_time_seconds", "gauge", *boot + startTicks / ticks, "Start, in seconds since 1970.", out);
  }
}

}  // namespace

std::string renderProcessMetrics() {
  std::string out;
  appendStat(&out);
  if (const std::optional<std::size_t> open = openDescriptors()) {
    append("process_open_fds", "gauge", static_cast<double>(*open), "Open file descriptors.", &out);
  }
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    append("process_max_fds", "gauge", static_cast<double>(limit.rlim_cur), "File descriptors that may be open.", &out);
  }
  return out;
}

}  // namespace ai_chat
