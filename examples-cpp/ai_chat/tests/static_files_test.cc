#include "ai_chat/static_files.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace ai_chat {
namespace {

namespace fs = std::filesystem;

TEST(RelativePath, Good) {
  EXPECT_EQ(relativePath("/"), "index.html");
  EXPECT_EQ(relativePath("/main.js"), "main.js");
  EXPECT_EQ(relativePath("/a/b.css"), "a/b.css");
  EXPECT_EQ(relativePath("/a/"), "a/index.html");
  EXPECT_EQ(relativePath("/%6dain.js"), "main.js");
  EXPECT_EQ(relativePath("/a..b/c."), "a..b/c.");
  EXPECT_EQ(relativePath("/%e4%bd%a0"), "\u4f60");
  EXPECT_EQ(relativePath("/%252e%252e/x"), "%2e%2e/x");  // decoded once: a strange name, nothing more
}

TEST(RelativePath, Bad) {
  for (const char* path :
       {"", "main.js", "/..", "/../", "/../x", "/a/../x", "/a/..", "/./x", "/.git/config", "/a/.hidden", "/%2e%2e/x",
        "/%2E%2e/x", "/.%2e/x", "/a/%2e%2e%2fx", "/..%2fx", "/%2f", "//", "//etc/passwd", "/a//b", "/%5c..%5cx",
        "/..\\x",
        "/a\\b", "/x%00.html", "/%", "/%2", "/%zz", "/%-1", "http://host/", "*", "/a/...."}) {
    EXPECT_EQ(relativePath(path), std::nullopt) << path;
  }
}

TEST(ContentType, ByEnding) {
  EXPECT_EQ(contentType("/x/index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(contentType("a.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(contentType("a.svg"), "image/svg+xml");
  EXPECT_EQ(contentType("a.html.exe"), "application/octet-stream");
  EXPECT_EQ(contentType("html"), "application/octet-stream");
}

class StaticFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "static_files_test.XXXXXX").string();
    ASSERT_NE(::mkdtemp(&name[0]), nullptr);
    base_ = name;
    root_ = base_ / "www";
    fs::create_directories(root_ / "sub");
    fs::create_directories(base_ / "www-secret");
    write(root_ / "index.html", "<p>page</p>");
    write(root_ / "sub" / "a.js", "a()");
    write(root_ / ".hidden", "no");
    write(base_ / "secret.txt", "secret");
    write(base_ / "www-secret" / "x.txt", "secret");
  }
  void TearDown() override { fs::remove_all(base_); }

  static void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

  // "404" when there is none.
  static std::string body(StaticFiles* files, const std::string& path) {
    const auto file = files->find(path);
    return file ? file->body : "404";
  }

  fs::path base_;
  fs::path root_;
};

TEST_F(StaticFilesTest, ServesWhatIsThere) {
  StaticFiles files(root_.string() + "/");
  EXPECT_EQ(body(&files, "/"), "<p>page</p>");
  EXPECT_EQ(body(&files, "/index.html"), "<p>page</p>");
  EXPECT_EQ(body(&files, "/sub/a.js"), "a()");
  EXPECT_EQ(body(&files, "/sub"), "404");
  EXPECT_EQ(body(&files, "/sub/"), "404");
  EXPECT_EQ(body(&files, "/none"), "404");
  EXPECT_EQ(body(&files, "/index.html/x"), "404");
  EXPECT_EQ(files.find("/sub/a.js")->contentType, "text/javascript; charset=utf-8");
}

TEST_F(StaticFilesTest, NothingOutsideTheRoot) {
  StaticFiles files(root_.string());
  for (const char* path : {"/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/..%2fsecret.txt",
                           "/../www-secret/x.txt", "/.hidden", "//etc/passwd", "/%2fetc/passwd"}) {
    EXPECT_EQ(body(&files, path), "404") << path;
  }
}

TEST_F(StaticFilesTest, LinksLeadNowhereElse) {
  fs::create_symlink(base_ / "secret.txt", root_ / "out.txt");
  fs::create_symlink("../secret.txt", root_ / "relative.txt");
  fs::create_directory_symlink(base_, root_ / "up");
  fs::create_directory_symlink(base_ / "www-secret", root_ / "beside");
  fs::create_symlink("sub/a.js", root_ / "in.js");
  fs::create_symlink("loop", root_ / "loop");
  StaticFiles files(root_.string());
  EXPECT_EQ(body(&files, "/out.txt"), "404");
  EXPECT_EQ(body(&files, "/relative.txt"), "404");
  EXPECT_EQ(body(&files, "/up/secret.txt"), "404");
  EXPECT_EQ(body(&files, "/beside/x.txt"), "404");
  EXPECT_EQ(body(&files, "/loop"), "404");
  EXPECT_EQ(body(&files, "/in.js"), "a()");
}

TEST_F(StaticFilesTest, TheRootItselfMayBeALink) {
  fs::create_directory_symlink(root_, base_ / "link");
  StaticFiles files((base_ / "link").string());
  EXPECT_EQ(body(&files, "/sub/a.js"), "a()");
}

TEST_F(StaticFilesTest, OnlyRegularFiles) {
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  StaticFiles files(root_.string());
  EXPECT_EQ(body(&files, "/pipe"), "404");  // and does not wait for a writer
}

TEST_F(StaticFilesTest, SeesChanges) {
  StaticFiles files(root_.string());
  EXPECT_EQ(body(&files, "/sub/a.js"), "a()");
  EXPECT_EQ(files.find("/sub/a.js"), files.find("/sub/a.js")) << "comes from memory";
  write(root_ / "sub" / "a.js", "changed()");
  EXPECT_EQ(body(&files, "/sub/a.js"), "changed()");
  fs::remove(root_ / "sub" / "a.js");
  EXPECT_EQ(body(&files, "/sub/a.js"), "404");
}

TEST_F(StaticFilesTest, RootMustBeAFolder) {
  EXPECT_THROW(StaticFiles files((base_ / "none").string()), std::runtime_error);
  EXPECT_THROW(StaticFiles files((base_ / "secret.txt").string()), std::runtime_error);
}

}  // namespace
}  // namespace ai_chat
