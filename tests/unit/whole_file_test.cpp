// SPDX-License-Identifier: MIT
// A file is there as a whole, or as it was.
#include "sink/whole_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "temp_dir.h"

namespace bindtrace {
namespace {

std::string content(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t files_in(const TempDir& dir) {
    const auto entries = std::filesystem::directory_iterator(dir.path());
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

TEST(WholeFile, IsMadeForItsOwnerAlone) {
    const TempDir dir;
    const auto file = WholeFile::at(dir / "x.html", false);
    ASSERT_TRUE(file) << file.error().what;
    EXPECT_EQ(files_in(dir), 0u) << "nothing is made before there is something to write";
    ASSERT_TRUE(file->write("text"));
    EXPECT_EQ(content(dir / "x.html"), "text");
    struct stat status {};
    ASSERT_EQ(stat((dir / "x.html").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
    EXPECT_EQ(files_in(dir), 1u);
}

TEST(WholeFile, KeepsWhatIsThereUnlessToldOtherwise) {
    const TempDir dir;
    const std::string path = dir.write("x.html", "old");
    EXPECT_FALSE(WholeFile::at(path, false));
    const auto file = WholeFile::at(path, true);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("new"));
    EXPECT_EQ(content(path), "new");
    EXPECT_EQ(files_in(dir), 1u);
}

TEST(WholeFile, KeepsWhatCameMeanwhile) {
    const TempDir dir;
    const auto file = WholeFile::at(dir / "x.html", false);
    ASSERT_TRUE(file);
    dir.write("x.html", "theirs");
    EXPECT_FALSE(file->write("ours"));
    EXPECT_EQ(content(dir / "x.html"), "theirs");
    EXPECT_EQ(files_in(dir), 1u);
}

TEST(WholeFile, FollowsNoLinkAndWritesToNoDirectory) {
    const TempDir dir;
    const std::string target = dir.write("target", "kept");
    std::filesystem::create_symlink(target, dir / "link");
    EXPECT_FALSE(WholeFile::at(dir / "link", true));
    EXPECT_FALSE(WholeFile::at(dir.path(), true));
    EXPECT_FALSE(WholeFile::at(dir / "no/x.html", true));
    EXPECT_EQ(content(target), "kept");
}

TEST(WholeFile, LeavesNothingWhereItDoesNotFit) {
    const TempDir dir;
    const std::string path = dir.write("x.html", "old");
    const auto file = WholeFile::at(path, true);
    ASSERT_TRUE(file);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit small = before;
    small.rlim_cur = 4096;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const Status written = file->write(std::string(100'000, 'x'));
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, EFBIG);
    EXPECT_EQ(content(path), "old");
    EXPECT_EQ(files_in(dir), 1u);
}

}  // namespace
}  // namespace bindtrace
