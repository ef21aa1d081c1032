#include "ai_chat/options.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace ai_chat {
namespace {

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    ::unsetenv("API_KEY");
    folder_ = testing::TempDir() + "options_test.XXXXXX";
    EXPECT_NE(::mkdtemp(&folder_[0]), nullptr);
  }
  ~OptionsTest() override {
    for (const std::string& file : files_) std::remove(file.c_str());
    ::rmdir(folder_.c_str());
  }

  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) {
    files_.push_back(folder_ + "/" + name);
    std::ofstream(files_.back(), std::ios::binary) << text;
    EXPECT_EQ(::chmod(files_.back().c_str(), mode), 0);
    return files_.back();
  }

  static CommandLine bare(std::vector<std::string> words) {
    words.insert(words.begin(), "ai_chat");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(&word[0]);
    argv.push_back(nullptr);
    return parseCommandLine(static_cast<int>(words.size()), argv.data());
  }
  // With what is always needed.
  static CommandLine parse(std::vector<std::string> words) {
    words.insert(words.begin(), {"--port", "80", "--upstream", "http://127.0.0.1:1/v1/"});
    return bare(std::move(words));
  }
  CommandLine parseFile(const std::string& text, std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"--config", file("c.conf", text)});
    return bare(std::move(words));
  }
  std::string errorOfFile(const std::string& text) {
    const std::string error = parseFile("port = 1\nupstream = http://h/v1\n" + text).error;
    return error.compare(0, folder_.size() + 1, folder_ + "/") == 0 ? error.substr(folder_.size() + 1) : error;
  }

  std::string folder_;
  std::vector<std::string> files_;
};

TEST_F(OptionsTest, EveryOptionReachesItsPlace) {
  const std::string password = file("password", "s3cret\n");
  const CommandLine line =
      parse({"--bind", "::1", "--threads", "3", "--tls-cert", "c.pem", "--tls-key", "k.pem", "--www", "w",
             "--allow-origin", "https://a.example", "--allow-origin", "*", "--user-header", "X-User", "--stall-timeout",
             "1.5", "--model", "m", "--connect-timeout", "2", "--first-token-timeout", "3", "--idle-timeout", "4",
             "--retries", "5", "--max-retry-after", "6.5", "--max-message", "7", "--max-answer", "8", "--max-runs", "9",
             "--max-runs-per-user", "10", "--max-queue", "11", "--max-commands", "12", "--merge", "25", "--grace", "13",
             "--history-turns", "14", "--history-bytes", "15", "--history-conversations", "16", "--history-total-bytes",
             "17", "--room-messages", "18", "--inbox-messages", "19", "--redis", "[::1]:6379", "--redis-password-file",
             password, "--redis-prefix", "p:", "--node", "n-1", "--drain", "20", "--metrics-port", "21",
             "--metrics-bind", "127.0.0.2", "--log-format", "json", "--verbose"});
  ASSERT_EQ(line.error, "");
  EXPECT_FALSE(line.help);
  EXPECT_FALSE(line.checkConfig);
  const Options& o = line.options;
  EXPECT_EQ(o.port, 80);
  EXPECT_EQ(o.bind, "::1");
  EXPECT_EQ(o.threads, 3);
  EXPECT_EQ(o.tlsCert, "c.pem");
  EXPECT_EQ(o.tlsKey, "k.pem");
  EXPECT_EQ(o.www, "w");
  EXPECT_EQ(o.allowedOrigins, (std::vector<std::string>{"https://a.example", "*"}));
  EXPECT_EQ(o.chat.userHeader, "X-User");
  EXPECT_EQ(o.stallTimeout, 1.5);
  EXPECT_EQ(o.chat.upstream.url, "http://127.0.0.1:1/v1");
  EXPECT_EQ(o.chat.upstream.model, "m");
  EXPECT_EQ(o.chat.upstream.connectTimeout, 2);
  EXPECT_EQ(o.chat.upstream.firstTokenTimeout, 3);
  EXPECT_EQ(o.chat.upstream.idleTimeout, 4);
  EXPECT_EQ(o.chat.upstream.retries, 5);
  EXPECT_EQ(o.chat.upstream.maxRetryAfter, 6.5);
  EXPECT_EQ(o.chat.maxMessageBytes, 7u);
  EXPECT_EQ(o.chat.upstream.maxAnswerBytes, 8u);
  EXPECT_EQ(o.chat.maxRuns, 9u);
  EXPECT_EQ(o.chat.maxRunsPerUser, 10u);
  EXPECT_EQ(o.chat.maxQueue, 11u);
  EXPECT_EQ(o.chat.maxCommands, 12u);
  EXPECT_DOUBLE_EQ(o.chat.mergeSeconds, 0.025);
  EXPECT_EQ(o.chat.store.answerSeconds, 13);
  EXPECT_EQ(o.chat.store.turns, 14u);
  EXPECT_EQ(o.chat.store.bytes, 15u);
  EXPECT_EQ(o.chat.store.conversations, 16u);
  EXPECT_EQ(o.chat.store.totalBytes, 17u);
  EXPECT_EQ(o.chat.store.roomPosts, 18u);
  EXPECT_EQ(o.chat.store.inboxPosts, 19u);
  EXPECT_EQ(o.redisHost, "::1");
  EXPECT_EQ(o.redisPort, 6379);
  EXPECT_EQ(o.redisPassword, "s3cret");
  EXPECT_EQ(o.redisPrefix, "p:");
  EXPECT_EQ(o.chat.node, "n-1");
  EXPECT_EQ(o.drainSeconds, 20);
  EXPECT_EQ(o.metricsPort, 21);
  EXPECT_EQ(o.metricsBind, "127.0.0.2");
  EXPECT_TRUE(o.jsonLogs);
  EXPECT_TRUE(o.verbose);
}

TEST_F(OptionsTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(parse({"--redis", "localhost"}).error, "--redis takes HOST:PORT or [IPV6]:PORT, not \"localhost\"");
  EXPECT_EQ(parse({"--redis", "::1:6379"}).error, "--redis takes HOST:PORT or [IPV6]:PORT, not \"::1:6379\"");
  EXPECT_EQ(parse({"--redis", "[h]:6379"}).error, "--redis takes HOST:PORT or [IPV6]:PORT, not \"[h]:6379\"");
  EXPECT_EQ(parse({"--redis", "h:0"}).error, "--redis takes a number from 1 to 65535, not \"0\"");
  EXPECT_EQ(parse({"--node", "a b"}).error, "--node takes letters, digits and . _ -, not \"a b\"");
  EXPECT_EQ(parse({"--user-header", "X:Y"}).error, "--user-header takes the name of an HTTP header, not \"X:Y\"");
  EXPECT_EQ(parse({"--log-format", "xml"}).error, "--log-format takes text or json, not \"xml\"");
  EXPECT_EQ(parse({"--merge", "1001"}).error, "--merge takes milliseconds from 0 to 1000, not \"1001\"");
  EXPECT_EQ(parse({"--max-runs", "+1"}).error, "--max-runs takes a number from 1 to 100000, not \"+1\"");
  EXPECT_EQ(parse({"--tls-cert", "c"}).error, "--tls-cert and --tls-key go together");
  EXPECT_EQ(parse({"--redis-password-file", "/dev/null"}).error, "--redis-password-file needs --redis");
  EXPECT_EQ(parse({"--verbose=yes"}).error, "unknown option --verbose=yes");
}

TEST_F(OptionsTest, AFileHasTheSameNames) {
  const CommandLine line = parseFile(
      "# A comment\n"
      "\n"
      "  port=8080\r\n"
      "upstream = http://localhost:1/v1   # the model\n"
      "model = a#b c\n"
      "allow-origin = https://a.example\n"
      "allow-origin = https://b.example\n"
      "verbose = true\n"
      "grace\t=\t60");
  ASSERT_EQ(line.error, "");
  EXPECT_EQ(line.options.port, 8080);
  EXPECT_EQ(line.options.chat.upstream.url, "http://localhost:1/v1");
  EXPECT_EQ(line.options.chat.upstream.model, "a#b c");
  EXPECT_EQ(line.options.allowedOrigins, (std::vector<std::string>{"https://a.example", "https://b.example"}));
  EXPECT_TRUE(line.options.verbose);
  EXPECT_EQ(line.options.chat.store.answerSeconds, 60);
}

TEST_F(OptionsTest, TheCommandLineWins) {
  const CommandLine line =
      parseFile("port = 1\nupstream = http://localhost/v1\nmodel = file\nallow-origin = https://a.example\nretries = 7\n",
                {"--allow-origin", "https://b.example", "--model", "words", "--allow-origin", "https://c.example"});
  ASSERT_EQ(line.error, "");
  EXPECT_EQ(line.options.port, 1);
  EXPECT_EQ(line.options.chat.upstream.model, "words");
  EXPECT_EQ(line.options.chat.upstream.retries, 7);
  EXPECT_EQ(line.options.allowedOrigins, (std::vector<std::string>{"https://b.example", "https://c.example"}));
}

TEST_F(OptionsTest, ErrorsOfAFileSayWhere) {
  EXPECT_EQ(errorOfFile("prot = 1"), "c.conf:3: there is no option prot");
  EXPECT_EQ(errorOfFile("config = x"), "c.conf:3: there is no option config");
  EXPECT_EQ(errorOfFile("help = true"), "c.conf:3: there is no option help");
  EXPECT_EQ(errorOfFile("\nthreads = many"), "c.conf:4: threads takes a number from 0 to 64, not \"many\"");
  EXPECT_EQ(errorOfFile("verbose = yes"), "c.conf:3: verbose takes true or false, not \"yes\"");
  EXPECT_EQ(errorOfFile("port = 2"), "c.conf:3: port is given twice");
  EXPECT_EQ(errorOfFile("sk-secret"), "c.conf:3: a line is \"name = value\", or a # comment");
  EXPECT_EQ(errorOfFile("model ="), "c.conf:3: a line is \"name = value\", or a # comment");
  EXPECT_EQ(errorOfFile("= x"), "c.conf:3: a line is \"name = value\", or a # comment");
  EXPECT_EQ(errorOfFile(std::string("model = a\0b", 11)), "c.conf:3: this is no file of options");
  EXPECT_EQ(errorOfFile("tls-key = k"), "--tls-cert and --tls-key go together");
  EXPECT_EQ(bare({"--config", "/does/not/exist"}).error, "cannot read /does/not/exist: No such file or directory");
  EXPECT_NE(bare({"--config", "/"}).error.find("cannot read /"), std::string::npos) << bare({"--config", "/"}).error;
}

TEST_F(OptionsTest, SecretsAreReadAndNotShown) {
  const std::string key = file("key", " sk-123\n");
  EXPECT_EQ(parse({"--api-key-file", key}).options.chat.upstream.apiKey, "sk-123");
  EXPECT_EQ(parse({"--api-key-file", key}).warnings.size(), 0u);
  ::setenv("API_KEY", "sk-env", 1);
  EXPECT_EQ(parse({}).options.chat.upstream.apiKey, "sk-env");
  EXPECT_EQ(parse({"--api-key-file", key}).options.chat.upstream.apiKey, "sk-123");
  ::setenv("API_KEY", "sk\nenv", 1);
  EXPECT_EQ(parse({}).error, "the API key in the environment variable API_KEY holds a character that no API key has");
  ::unsetenv("API_KEY");

  const std::string open = file("open", "sk-123\n", 0644);
  const CommandLine line = parse({"--api-key-file", open});
  ASSERT_EQ(line.warnings.size(), 1u);
  EXPECT_EQ(line.warnings[0], "everybody on this machine may read the API key in " + open + ": chmod o= " + open);
}

TEST_F(OptionsTest, AKeyOnAnOpenNetworkIsWarnedOf) {
  const std::string key = file("key", "sk-123\n");
  const auto warnings = [&](const std::string& url) {
    return bare({"--port", "1", "--upstream", url, "--api-key-file", key}).warnings.size();
  };
  EXPECT_EQ(warnings("http://model.example/v1"), 1u);
  EXPECT_EQ(warnings("https://model.example/v1"), 0u);
  EXPECT_EQ(warnings("http://127.0.0.1/v1"), 0u);
}

TEST_F(OptionsTest, HelpIsMadeOfTheTable) {
  EXPECT_TRUE(bare({"--help"}).help);
  const std::string text = usage();
  EXPECT_EQ(text.compare(0, 14, "usage: ai_chat"), 0);
  EXPECT_NE(text.find("  --grace S                   seconds that an answer is kept"), std::string::npos) << text;
  EXPECT_NE(text.find("(default: 120)\n"), std::string::npos);
  EXPECT_EQ(text.find("(default: -1)"), std::string::npos);
  for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
    EXPECT_LE(text.find('\n', begin) - begin, 118u) << text.substr(begin, 130);
  }
}

}  // namespace
}  // namespace ai_chat
