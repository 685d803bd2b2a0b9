// SPDX-License-Identifier: MIT
// `export`: what was recorded here, read back by the tools that people have.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>

#include "live_end.h"
#include "unit/temp_dir.h"

namespace bindtrace {
namespace {

constexpr const char* kHostileArgument = "=cmd|' /C calc'!A0\x1b[31m\n\xff\",'); DROP TABLE events;--";

class Exporting : public Ending {
  protected:
    // A conflict, and a program with a hostile command line.
    void SetUp() override {
        Bindtrace bindtrace({"record", "-o", capture(), "--json", "--netns", netns_.inum_text()});
        ASSERT_TRUE(bindtrace.attached());
        netns_.run([&] {
            Socket server(Kind::tcp);
            ASSERT_EQ(server.bind("127.0.0.1", 7200), 0);
            ASSERT_EQ(server.listen(), 0);
            in_child([] { EXPECT_EQ(Socket(Kind::tcp).bind("0.0.0.0", 7200), EADDRINUSE); });
            EXPECT_EQ(Socket(Kind::tcp).bind("10.99.98.97", 7202), EADDRNOTAVAIL);
            in_program({own_program(), "--bind-and-exit", "127.0.0.1", "7203", kHostileArgument});
            // The server keeps its socket until bindtrace has looked for the holder.
            ASSERT_NE(bindtrace.wait_for([](const Line& line) { return line.json["result"] == "EADDRINUSE"; }),
                      nullptr);
        });
        const auto output = bindtrace.stop(SIGTERM);
        ASSERT_EQ(output.code, 0) << output.errors;
    }

    std::string capture() const { return dir_ / "x.btcap"; }
    Ended exported(const std::string& format, const std::string& to, const Words& more = {}) const {
        Words words = {"export", capture(), "--to", format, "-o", to};
        words.insert(words.end(), more.begin(), more.end());
        return run_bindtrace(words);
    }
    static std::string content(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    static std::string python(const std::string& script, const std::string& argument) {
        const Ended ended = run({"/usr/bin/python3", "-c", script, argument});
        EXPECT_EQ(ended.code, 0) << ended.errors;
        return ended.out;
    }

    TempDir dir_;
};

TEST_F(Exporting, JsonLinesAreWhatReplayTells) {
    const Ended replayed = run_bindtrace({"replay", "--json", capture()});
    EXPECT_NE(replayed.out.find("EADDRINUSE"), std::string::npos);
    EXPECT_EQ(exported("jsonl", "-").out, replayed.out);
    const std::string file = dir_ / "x.jsonl";
    ASSERT_EQ(exported("jsonl", file).code, 0);
    EXPECT_EQ(content(file), replayed.out);
    struct stat status {};
    ASSERT_EQ(stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(Exporting, CsvIsReadByPython) {
    const std::string file = dir_ / "x.csv";
    ASSERT_EQ(exported("csv", file).code, 0);
    EXPECT_EQ(python("import csv, sys\n"
                     "rows = list(csv.DictReader(open(sys.argv[1], newline='')))\n"
                     "assert all(None not in row and None not in row.values() for row in rows)\n"
                     "assert all(not (v and v[0] in '=+-@\\t\\r') for row in rows for v in row.values())\n"
                     "assert any('DROP TABLE' in row['cmdline'] for row in rows)\n"
                     "for row in rows:\n"
                     "    if row['result'] == 'EADDRINUSE':\n"
                     "        print(row['port'], row['cause'], row['holder_comm'], row['holder_local_addr'])\n",
                     file),
              "7200 listener live_tests 127.0.0.1\n");
}

TEST_F(Exporting, SqliteViewsTellTheConflictAndItsHolder) {
    const std::string file = dir_ / "x.db";
    const Ended ended = exported("sqlite", file);
    ASSERT_EQ(ended.code, 0) << ended.errors;
    EXPECT_EQ(
        python("import sqlite3, sys\n"
               "db = sqlite3.connect(sys.argv[1])\n"
               "print(db.execute('pragma integrity_check').fetchone()[0])\n"
               "print(*db.execute('select port, cause, holder_comm, holder_state, advice is not null '\n"
               "                  'from conflicts where port = 7200').fetchall())\n"
               "print(*db.execute('select local_addr, comm, until_ns > from_ns from holders_at '\n"
               "                  'where local_port = 7200').fetchall())\n"
               "print(*db.execute('select type, result from port_history where port_held = 7200 '\n"
               "                  'or port_asked_for = 7200 order by event').fetchall())\n"
               "print(*db.execute(\"select count(*) from processes where cmdline like '%DROP TABLE%'\").fetchall())\n",
               file),
        "ok\n"
        "(7200, 'listener', 'live_tests', 'LISTEN', 1)\n"
        "('127.0.0.1', 'live_tests', 1)\n"
        "('bind', 'ok') ('listen', 'ok') ('bind', 'EADDRINUSE') ('release', None)\n"
        "(1,)\n");
    struct stat status {};
    ASSERT_EQ(stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
}

// By a decoder that is not ours: the fields are those of TracePacket, TrackEvent and TrackDescriptor.
TEST_F(Exporting, PerfettoIsReadByProtoc) {
    const std::string file = dir_ / "x.pftrace";
    ASSERT_EQ(exported("perfetto", file).code, 0);
    const Ended decoded = run({"/bin/sh", "-c", "exec protoc --decode_raw <\"$0\"", file});
    ASSERT_EQ(decoded.code, 0) << decoded.errors;
    EXPECT_TRUE(decoded.out.starts_with("1 {\n  10: 1\n  13: 1\n}\n")) << decoded.out.substr(0, 200);
    EXPECT_NE(decoded.out.find("    2: \"tcp 7200\"\n    5: "), std::string::npos) << "a track with its parent";
    EXPECT_NE(decoded.out.find("    23: \"EADDRINUSE live_tests["), std::string::npos) << "a refusal's name";
    EXPECT_NE(decoded.out.find("      10: \"cause\"\n      6: \"listener\"\n"), std::string::npos) << "an annotation";
}

TEST_F(Exporting, RedactedNothingOfItIsLeft) {
    std::string host(256, '\0');
    ASSERT_EQ(gethostname(host.data(), host.size()), 0);
    host.resize(host.find('\0'));
    for (const std::string format : {"jsonl", "csv", "perfetto", "sqlite"}) {
        const std::string plain = dir_ / ("plain." + format), redacted = dir_ / ("redacted." + format);
        ASSERT_EQ(exported(format, plain).code, 0);
        ASSERT_EQ(exported(format, redacted, {"--redact", "--comm", "live_tests"}).code, 0);
        EXPECT_NE(content(plain).find("10.99.98.97"), std::string::npos) << "this test would find nothing";
        EXPECT_NE(content(redacted).find("listener"), std::string::npos) << "filters look at what was recorded";
        for (const std::string& original : {std::string("live_tests"), std::string("10.99.98.97"),
                                            std::string("DROP TABLE"), std::string("\"root\""), host}) {
            EXPECT_EQ(content(redacted).find(original), std::string::npos) << format << " " << original;
        }
    }
}

TEST_F(Exporting, WhatIsThereIsKept) {
    for (const std::string format : {"jsonl", "csv", "perfetto", "sqlite"}) {
        const std::string file = dir_.write("there." + format, "precious");
        const Ended refused = exported(format, file);
        EXPECT_EQ(refused.code, 1);
        EXPECT_NE(refused.errors.find("--force"), std::string::npos) << refused.errors;
        EXPECT_EQ(content(file), "precious");
        EXPECT_EQ(exported(format, file, {"--force"}).code, 0);
        EXPECT_NE(content(file), "precious");
        const std::string link = dir_ / ("link." + format);
        ASSERT_EQ(symlink(file.c_str(), link.c_str()), 0);
        EXPECT_EQ(exported(format, link, {"--force"}).code, 1) << "a link is not followed";
    }
    const std::string before = content(capture());
    EXPECT_EQ(exported("jsonl", capture(), {"--force"}).code, 2);
    EXPECT_EQ(content(capture()), before);
    EXPECT_EQ(exported("sqlite", "-").code, 2);
    EXPECT_EQ(exported("pcap", "-").code, 2);
}

TEST_F(Exporting, OfADamagedCaptureWhatIsIntact) {
    const std::string whole = content(capture());
    dir_.write("x.btcap", whole.substr(0, whole.size() - 10));
    for (const std::string format : {"jsonl", "csv", "perfetto", "sqlite"}) {
        const std::string file = dir_ / ("cut." + format);
        EXPECT_EQ(exported(format, file).code, 4) << format;
        EXPECT_NE(content(file).find("listener"), std::string::npos) << format;
    }
}

TEST_F(Exporting, AFullDiskIsAClearError) {
    const std::string disk = dir_ / "disk";
    ASSERT_EQ(mkdir(disk.c_str(), 0700), 0);
    ASSERT_EQ(mount("none", disk.c_str(), "tmpfs", 0, "size=4k"), 0);
    for (const std::string format : {"jsonl", "csv", "perfetto", "sqlite"}) {
        const std::string filler = disk + "/filler", file = disk + "/" + format;
        std::ofstream(filler) << std::string(4096, 'x');
        const Ended ended = exported(format, file);
        EXPECT_EQ(ended.code, 1) << format;
        EXPECT_NE(ended.errors.find("full"), std::string::npos) << format << ": " << ended.errors;
        EXPECT_EQ(access((disk + "/sqlite").c_str(), F_OK), -1) << "half a database";
        unlink(file.c_str());
    }
    umount2(disk.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace bindtrace
