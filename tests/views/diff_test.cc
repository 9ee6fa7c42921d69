// SPDX-License-Identifier: Apache-2.0
// Differences of dumps and of what programs end in: none where there is none, and of each kind
// exactly the line that says it.
#include "views/diff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "generator/generate.h"
#include "images/dump.h"
#include "tests/support/diff_text.h"
#include "tests/support/image_support.h"
#include "tests/support/snapshot_history.h"

namespace crgen::test {
namespace {

const PageReader kNobody;  ///< has the images

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(CRGEN_GOLDEN) + "/" + name + ".json");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return at == text.npos ? text : text.replace(at, from.size(), to);
}

// ---- one change, one line

struct Change {
  std::string plan;  ///< a golden, by name, or a program
  std::string from;  ///< its first place
  std::string to;
  std::string line;
};

std::string PlanOf(const Change& change) {
  return change.plan.starts_with('[') ? change.plan : Golden(change.plan);
}

/// One process, with what `commands` give it.
std::string One(const std::string& commands) {
  return R"([{"command": "FORK", "pid": 0, "child_pid": 5}, {"command": "SET_SID", "pid": 5})" +
         (commands.empty() ? "" : ", " + commands) + "]";
}
std::string Open(const std::string& file, const std::string& more = "") {
  return One(R"({"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {)" + file + "}" + more + "}");
}
std::string Late(const std::string& file, const std::string& state) {
  return One(R"({"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {)" + file +
             R"(}}, {"command": "SET_ATTR", "pid": 5, "attributes": {"descriptors": [{"fd": 3, )" +
             state + "}]}}");
}
const std::string kPipe =
    R"({"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {"type": "PIPE", "id": 1, "flags": ["O_RDONLY"], "pipe_id": 7}, )"
    R"("peer": {"fd": 4, "file": {"type": "PIPE", "id": 2, "flags": ["O_WRONLY"], "pipe_id": 7}}})";
const std::string kTimer =
    R"("settime_flags": [], "ticks": 0, "interval": {"sec": 0, "nsec": 0}, "value": {"sec": 9, "nsec": 0})";
const std::string kHeap =
    R"({"command": "MAP_REGION", "pid": 5, "start": "0x10000", "end": "0x14000", "prot": ["PROT_READ", "PROT_WRITE"], "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]}, )"
    R"({"command": "LOAD_PAGES", "pid": 5, "start": "0x10000", "pages": 2, "source": {"image": "pages-1.img", "offset": 0}}, )"
    R"({"command": "LOAD_PAGES", "pid": 5, "start": "0x13000", "pages": 1, "source": {"image": "pages-1.img", "offset": 8192}})";

const Change kChanges[] = {
    // Processes.
    {"zombies", R"("status": {"code": 200})", R"("status": {"code": 201})",
     "31602: state zombie, exit status 200, then zombie, exit status 201"},
    {"["
     R"({"command": "FORK", "pid": 0, "child_pid": 5}, {"command": "FORK", "pid": 5, "child_pid": 6}, {"command": "SET_PGID", "pid": 6, "pgid": 6})"
     "]",
     R"(, {"command": "SET_PGID", "pid": 6, "pgid": 6})", "", "6: group 6, then 0"},
    {"["
     R"({"command": "FORK", "pid": 0, "child_pid": 5}, {"command": "FORK", "pid": 5, "child_pid": 6})"
     "]",
     R"(, {"command": "FORK", "pid": 5, "child_pid": 6})", "", "6: a process, then none"},
    {One(""), R"(, {"command": "SET_SID", "pid": 5})",
     R"(, {"command": "SET_SID", "pid": 5}, {"command": "CREATE_THREAD", "pid": 5, "tid": 7})",
     "5: thread 7: none, then a thread"},
    {One(""), R"(, {"command": "SET_SID", "pid": 5})",
     R"(, {"command": "SET_SID", "pid": 5}, {"command": "SET_ATTR", "pid": 5, "attributes": {"child_subreaper": true}})",
     "5: subreaper false, then true"},
    {"["
     R"({"command": "FORK", "pid": 0, "child_pid": 5}, {"command": "FORK", "pid": 5, "child_pid": 6})"
     "]",
     R"("child_pid": 6)", R"("child_pid": 6, "flags": ["CLONE_FILES"])",
     "6: descriptor table of its own, then shared with 5"},
    // Descriptors.
    {"shared_fds", R"("pos": 5)", R"("pos": 6)", "31100: fd 3: position 5, then 6"},
    {"shared_fds", R"(fds/a", "pos": 5)", R"(fds/A", "pos": 5)",
     R"(31100: fd 3: path "/tmp/crgen-fixture/shared_fds/a", then "/tmp/crgen-fixture/shared_fds/A")"},
    {"shared_fds", R"("new_fd": 20, "cloexec": true)", R"("new_fd": 20)",
     "31101: fd 20: cloexec true, then false"},
    {Open(R"("type": "REG", "id": 1, "flags": ["O_RDONLY"], "path": "/a")"), "O_RDONLY", "O_RDWR",
     "5: fd 3: flags O_RDONLY, then O_RDWR"},
    {Open(R"("type": "REG", "id": 1, "flags": ["O_RDONLY"], "path": "/a")"), R"("id": 1)",
     R"("id": 2)", "5: fd 3: id 1, then 2"},
    {Open(R"("type": "EVENTFD", "id": 1, "flags": ["O_RDWR"], "counter": 4)"), R"("counter": 4)",
     R"("counter": 5)", "5: fd 3: counter 4, then 5"},
    {Open(R"("type": "EVENTFD", "id": 1, "flags": ["O_RDWR"], "counter": 4)"),
     R"("type": "EVENTFD", "id": 1, "flags": ["O_RDWR"], "counter": 4)",
     R"("type": "REG", "id": 1, "flags": ["O_RDONLY"], "path": "/a")",
     "5: fd 3: EVENTFD counter 4 O_RDWR, then REG /a O_RDONLY"},
    {Open(R"("type": "SIGNALFD", "id": 1, "flags": ["O_RDWR"], "mask": "0x1")"), R"("0x1")",
     R"("0x3")", "5: fd 3: mask 0x1, then 0x3"},
    {One(kPipe), R"("pipe_id": 7})", R"("pipe_id": 7, "capacity": 8192})",
     "5: fd 3: capacity none, then 8192"},
    {One(R"({"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {"type": "REG", "id": 1, "flags": ["O_RDONLY"], "path": "/a"}}, {"command": "DUP_FD", "pid": 5, "old_fd": 3, "new_fd": 4})"),
     R"({"command": "DUP_FD", "pid": 5, "old_fd": 3, "new_fd": 4})",
     R"({"command": "OPEN_FILE", "pid": 5, "fd": 4, "file": {"type": "REG", "id": 2, "flags": ["O_RDONLY"], "path": "/a"}})",
     "5: fd 4: id 1, then 2\n5: fd 4: description shared with fd 3, then of its own"},
    {Late(R"("type": "TIMERFD", "id": 1, "flags": ["O_RDWR"], "clock": "CLOCK_MONOTONIC")", kTimer),
     R"("sec": 9)", R"("sec": 8)", "5: fd 3: value.sec 9, then 8"},
    {Late(R"("type": "REG", "id": 1, "flags": ["O_RDWR"], "path": "/a")",
          R"("locks": [{"kind": "POSIX", "type": "F_WRLCK", "start": 0, "length": 10}])"),
     R"("type": "F_WRLCK")", R"("type": "F_RDLCK")",
     "5: fd 3: lock POSIX from 0 to 9 of 5 F_WRLCK, then F_RDLCK"},
    {Late(R"("type": "REG", "id": 1, "flags": ["O_RDWR"], "path": "/a")",
          R"("owner": {"type": "F_OWNER_PID", "pid": 5, "uid": 0, "euid": 0})"),
     R"("uid": 0)", R"("uid": 1)", "5: fd 3: owner.uid 0, then 1"},
    // Memory.
    {One(kHeap), R"("0x14000")", R"("0x15000")",
     "5: region 10000-14000: end 0x14000, then 0x15000"},
    {One(kHeap), R"("flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"])",
     R"("flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"], "madvise": ["MADV_DONTDUMP"])",
     "5: region 10000-14000: advice none, then MADV_DONTDUMP"},
    {One(kHeap),
     R"(, {"command": "LOAD_PAGES", "pid": 5, "start": "0x13000", "pages": 1, "source": {"image": "pages-1.img", "offset": 8192}})",
     R"(, {"command": "PROTECT_REGION", "pid": 5, "start": "0x13000", "end": "0x14000", "prot": ["PROT_READ"]})",
     "5: region 10000-14000: end 0x14000, then 0x13000\n"
     "5: region 13000-14000: none, then r--p\n"
     "5: 1 page changed: 13000-14000"},
    {One(kHeap), R"("pages": 2,)", R"("pages": 1,)", "5: 1 page changed: 11000-12000"},
    {One(R"({"command": "MAP_REGION", "pid": 5, "start": "0x10000", "end": "0x14000", "prot": ["PROT_READ", "PROT_WRITE"], "flags": ["MAP_SHARED", "MAP_ANONYMOUS"], "shmem": {"id": 9, "offset": 0, "size": 16384}})"),
     R"("size": 16384)", R"("size": 20480)", "5: region 10000-14000: shmem.size 16384, then 20480"},
    {One(R"({"command": "MAP_REGION", "pid": 5, "start": "0x10000", "end": "0x14000", "prot": ["PROT_READ", "PROT_WRITE"], "flags": ["MAP_SHARED", "MAP_ANONYMOUS"], "shmem": {"id": 9, "offset": 0, "size": 16384}})"),
     R"("id": 9)", R"("id": 8)", "5: region 10000-14000: object 9, then 8"},
    // Attributes.
    {"state", R"("umask": )", R"("umask": 1)", ""},
    {One(R"({"command": "SET_ATTR", "pid": 5, "attributes": {"comm": "a"}})"), R"("a")", R"("b")",
     R"(5: comm "a", then "b")"},
    {One(R"({"command": "SET_ATTR", "pid": 5, "attributes": {"rlimits": [{"resource": "RLIMIT_CPU", "cur": 1, "max": 2}, {"resource": "RLIMIT_FSIZE", "cur": 1, "max": 2}]}})"),
     R"("RLIMIT_FSIZE", "cur": 1)", R"("RLIMIT_FSIZE", "cur": 2)",
     "5: rlimits[RLIMIT_FSIZE].cur 1, then 2"},
    {One(R"({"command": "SET_ATTR", "pid": 5, "attributes": {"sigactions": [{"signal": "SIGTERM", "handler": "0x1", "flags": [], "restorer": "0x0", "mask": "0x0"}]}})"),
     R"(, {"command": "SET_ATTR", "pid": 5, "attributes": {"sigactions": [{"signal": "SIGTERM", "handler": "0x1", "flags": [], "restorer": "0x0", "mask": "0x0"}]}})",
     "",
     "5: sigactions[SIGTERM] {signal SIGTERM, handler 0x1, flags none, restorer 0x0, mask 0x0}, "
     "then none"},
    {One(R"({"command": "CREATE_THREAD", "pid": 5, "tid": 7}, {"command": "SET_ATTR", "pid": 5, "tid": 7, "attributes": {"signal_mask": "0x1"}})"),
     R"("0x1")", R"("0x2")", "5: thread 7: signal_mask 0x1, then 0x2"},
};

TEST(DiffTest, SaysEachChangeInItsOwnLine) {
  for (const Change& change : kChanges) {
    if (change.line.empty()) continue;
    const std::string plan = PlanOf(change);
    const std::string changed = Replaced(plan, change.from, change.to);
    EXPECT_EQ(PlanLines(plan, changed), change.line + "\n") << change.from << " -> " << change.to;
  }
}

/// Whatever is before and after changes sides, and nothing else.
TEST(DiffTest, SaysTheSameTheOtherWayRound) {
  for (const Change& change : kChanges) {
    if (change.line.empty()) continue;
    const Snapshot before = EndOf(PlanOf(change));
    const Snapshot after = EndOf(Replaced(PlanOf(change), change.from, change.to));
    Diagnostics diag;
    DiffOptions options;
    options.same_images = true;
    const DiffSide a = {{before, kNothing, kNobody}, "A"}, b = {{after, kNothing, kNobody}, "B"};
    const Differences there = Diff(a, b, options, diag);
    const Differences back = Diff(b, a, options, diag);
    ASSERT_EQ(there.list.size(), back.list.size()) << change.line;
    for (std::size_t i = 0; i < there.list.size(); ++i) {
      EXPECT_EQ(there.list[i].before, back.list[i].after) << change.line;
      EXPECT_EQ(there.list[i].after, back.list[i].before) << change.line;
    }
  }
}

TEST(DiffTest, KeepsToOneProcess) {
  const std::string plan = Golden("shared_fds");
  const std::string changed = Replaced(plan, R"("pos": 5)", R"("pos": 6)");
  DiffOptions options;
  options.pid = 31101;
  EXPECT_EQ(PlanLines(plan, changed, options), "no difference\n");
  options.pid = 31100;
  EXPECT_EQ(PlanLines(plan, changed, options), "31100: fd 3: position 5, then 6\n");
}

// ---- pages

Result ReadNumbered(const std::string& image, std::uint64_t offset, std::span<char> out,
                    Diagnostics&) {
  for (std::uint64_t i = 0; i < out.size(); ++i) {
    const std::uint64_t page = (offset + i) / kPageSize;
    out[i] = image == "zero.img"
                 ? 0
                 : static_cast<char>(image == "other.img" && page == 1 ? 77 : page + 1);
  }
  return Result::kOk;
}

TEST(DiffTest, ComparesPagesByWhatTheyHold) {
  const std::string plan = One(kHeap);
  const Snapshot before = EndOf(plan);
  const auto lines = [&](const std::string& image) {
    const Snapshot after = EndOf(Replaced(plan, R"("pages-1.img", "offset": 0)", image));
    return DiffLines(before, after, {}, ReadNumbered, ReadNumbered);
  };
  EXPECT_EQ(lines(R"("same.img", "offset": 0)"), "no difference\n");
  EXPECT_EQ(lines(R"("other.img", "offset": 0)"), "5: 1 page changed: 11000-12000\n");
  EXPECT_EQ(lines(R"("zero.img", "offset": 0)"), "5: 2 pages changed: 10000-12000\n");
  // Nobody loads what is zero anyway.
  const std::string zeros =
      Replaced(plan, R"("pages-1.img", "offset": 0)", R"("zero.img", "offset": 0)");
  const std::string none = Replaced(
      plan,
      R"({"command": "LOAD_PAGES", "pid": 5, "start": "0x10000", "pages": 2, "source": {"image": "pages-1.img", "offset": 0}}, )",
      "");
  EXPECT_EQ(DiffLines(EndOf(zeros), EndOf(none), {}, ReadNumbered, ReadNumbered),
            "no difference\n");
  EXPECT_EQ(DiffLines(EndOf(none), EndOf(zeros), {}, ReadNumbered, ReadNumbered),
            "no difference\n");
}

TEST(DiffTest, SaysOnceThatItHasNoImages) {
  const Snapshot end = EndOf(One(kHeap));
  EXPECT_EQ(DiffLines(end, end),
            "no difference in what was compared\nnot compared: the content of 3 pages, for want of "
            "the images of A, B\n");
  EXPECT_EQ(DiffLines(end, end, {}, ReadNumbered),
            "no difference in what was compared\nnot compared: the content of 3 pages, for want of "
            "the images of B\n");
}

/// The same place of two images, with other bytes.
TEST(DiffTest, ComparesWhatIsQueuedByWhatItIs) {
  const Snapshot end = EndOf(Golden("pipeline"));
  const PageReader other = [](const std::string&, std::uint64_t, std::span<char> out,
                              Diagnostics&) {
    std::ranges::fill(out, 'x');
    return Result::kOk;
  };
  EXPECT_EQ(DiffLines(end, end, {}, other, other), "no difference\n");
  EXPECT_NE(DiffLines(end, end, {}, ReadNumbered, other).find("as many other bytes"),
            std::string::npos);
}

// ---- the same meaning

TEST(DiffTest, KnowsObjectsByOtherNumbers) {
  DiffOptions same;
  same.same_meaning = true;
  std::string renamed = One(kPipe);
  for (const char* id : {R"("pipe_id": 7)", R"("pipe_id": 7)"})
    renamed = Replaced(renamed, id, R"("pipe_id": 8)");
  EXPECT_EQ(PlanLines(One(kPipe), renamed),
            "5: fd 3: pipe_id 7, then 8\n5: fd 4: pipe_id 7, then 8\n");
  EXPECT_EQ(PlanLines(One(kPipe), renamed, same), "no difference\n");
  // Two pipes are not one.
  const std::string second = Replaced(
      Replaced(Replaced(Replaced(kPipe, "\"fd\": 3", "\"fd\": 5"), "\"fd\": 4", "\"fd\": 6"),
               "\"id\": 1", "\"id\": 3"),
      "\"id\": 2", "\"id\": 4");
  const std::string other = Replaced(Replaced(second, "\"pipe_id\": 7", "\"pipe_id\": 9"),
                                     "\"pipe_id\": 7", "\"pipe_id\": 9");
  const std::string two = One(kPipe + ", " + other);
  const std::string crossed = One(
      kPipe + ", " + other +
      R"(, {"command": "DUP_FD", "pid": 5, "old_fd": 4, "new_fd": 7}, {"command": "DUP_FD", "pid": 5, "old_fd": 6, "new_fd": 4}, {"command": "DUP_FD", "pid": 5, "old_fd": 7, "new_fd": 6}, {"command": "CLOSE_FD", "pid": 5, "fd": 7})");
  EXPECT_EQ(PlanLines(two, two, same), "no difference\n");
  EXPECT_EQ(PlanLines(two, crossed, same),
            "5: fd 4: pipe_id 7, then 9\n5: fd 6: pipe_id 9, then 7\n");
  const std::string unlinked = Golden("pipeline");
  const std::string again =
      Replaced(unlinked, R"("unlinked": {"id": 1,)", R"("unlinked": {"id": 4,)");
  EXPECT_NE(PlanLines(unlinked, again).find("unlinked.id 1, then 4"), std::string::npos);
  EXPECT_EQ(PlanLines(unlinked, again, same), "no difference\n");
}

/// Files without a name are the same ones wherever they are referred to.
TEST(DiffTest, KnowsUnlinkedFilesByOtherNumbers) {
  DiffOptions same;
  same.same_meaning = true;
  const auto plan = [](int folder, int file, int working, int watched) {
    const auto open = [](int fd, int id, const std::string& flags, const std::string& more) {
      return R"({"command": "OPEN_FILE", "pid": 5, "fd": )" + std::to_string(fd) +
             R"(, "file": {"type": "REG", "id": )" + std::to_string(fd) + R"(, "path": "/gone)" +
             std::to_string(fd) + R"(", "flags": [)" + flags + R"(], "unlinked": {"id": )" +
             std::to_string(id) + R"(, "uid": 0, "gid": 0, )" + more + "}}}, ";
    };
    return One(
        open(3, folder, R"("O_RDONLY", "O_DIRECTORY")", R"("mode": 16877)") +
        open(4, file, R"("O_RDWR")", R"("mode": 33188, "size": 0)") +
        R"({"command": "OPEN_FILE", "pid": 5, "fd": 6, "file": {"type": "INOTIFY", "id": 6, "flags": ["O_RDONLY"]}}, )"
        R"({"command": "SET_ATTR", "pid": 5, "attributes": {"fs": {"cwd": "/gone3", "root": "/", "cwd_unlinked": )" +
        std::to_string(working) +
        R"(}, "descriptors": [{"fd": 6, "watches": [{"wd": 1, "mask": ["IN_MODIFY"], "unlinked": )" +
        std::to_string(watched) + "}]}]}}");
  };
  EXPECT_EQ(PlanLines(plan(1, 2, 1, 2), plan(1, 2, 1, 2)), "no difference\n");
  EXPECT_EQ(PlanLines(plan(1, 2, 1, 2), plan(7, 1, 7, 1), same), "no difference\n");
  EXPECT_EQ(PlanLines(plan(1, 2, 1, 2), plan(1, 2, 1, 1), same),
            "5: fd 6: watches[1].unlinked 2, then 1\n");
}

/// What is handed over is opened once more.
TEST(DiffTest, TakesPipesForTheSameHoweverTheyWereOpened) {
  DiffOptions same;
  same.same_meaning = true;
  const std::string plan = One(
      R"({"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {"type": "PIPE", "id": 1, "flags": ["O_RDONLY"], "pipe_id": 7, "external": "pipe:[7]"}})");
  const std::string opened = Replaced(plan, R"(["O_RDONLY"])", R"(["O_RDONLY", "O_LARGEFILE"])");
  EXPECT_EQ(PlanLines(plan, opened), "5: fd 3: flags O_RDONLY, then O_RDONLY|O_LARGEFILE\n");
  EXPECT_EQ(PlanLines(plan, opened, same), "no difference\n");
  EXPECT_EQ(PlanLines(opened, plan, same), "no difference\n");
}

TEST(DiffTest, LetsClocksGoOn) {
  DiffOptions same;
  same.same_meaning = true;
  const std::string plan = Late(
      R"("type": "TIMERFD", "id": 1, "flags": ["O_RDWR"], "clock": "CLOCK_MONOTONIC")", kTimer);
  const auto lines = [&](const std::string& value, std::uint64_t tolerance) {
    same.tolerance = tolerance;
    return PlanLines(plan, Replaced(plan, R"("value": {"sec": 9, "nsec": 0})", value), same);
  };
  EXPECT_EQ(lines(R"("value": {"sec": 5, "nsec": 0})", 4), "no difference\n");
  EXPECT_EQ(lines(R"("value": {"sec": 5, "nsec": 0})", 3), "5: fd 3: value.sec 9, then 5\n");
  // Disarmed is no point in time.
  EXPECT_EQ(lines(R"("value": {"sec": 0, "nsec": 0})", 60), "5: fd 3: value.sec 9, then 0\n");
  const std::string state = Golden("state");
  EXPECT_EQ(PlanLines(state, Replaced(state, R"("sec": 2984)", R"("sec": 2994)"), same),
            "no difference\n");
  same.tolerance = 9;
  EXPECT_EQ(PlanLines(state, Replaced(state, R"("sec": 2984)", R"("sec": 2994)"), same),
            "31800: time.monotonic.sec 2984, then 2994\n");
}

TEST(DiffTest, LeavesOutClocksOfConnections) {
  const auto connection = [](std::uint32_t timestamp, std::uint32_t wl1, std::uint32_t mss) {
    Snapshot dump = EndOf(One(kHeap));
    auto socket = std::make_shared<File>();
    InetSocket body;
    TcpStream stream;
    stream.timestamp = timestamp;
    stream.window = TcpWindow{wl1, 1, 1, 1, 1};
    stream.mss = mss;
    body.stream = stream;
    socket->body = std::move(body);
    dump.files.push_back(socket);
    dump.tables.at(dump.processes.front().table)
        .slots.push_back({3, false, FileIndex(dump.files.size() - 1)});
    return dump;
  };
  DiffOptions options;
  options.same_images = true;
  EXPECT_EQ(DiffLines(connection(1, 2, 3), connection(4, 5, 3), options),
            "5: fd 3: stream.timestamp 1, then 4\n5: fd 3: stream.window.snd_wl1 2, then 5\n");
  options.same_meaning = true;
  EXPECT_EQ(DiffLines(connection(1, 2, 3), connection(4, 5, 3), options), "no difference\n");
  EXPECT_EQ(DiffLines(connection(1, 2, 3), connection(4, 5, 6), options),
            "5: fd 3: stream.mss 3, then 6\n");
}

/// In what order commands of different processes stand is no matter.
TEST(DiffTest, TakesIndependentCommandsInAnyOrder) {
  const std::string fork =
      R"({"command": "FORK", "pid": 0, "child_pid": 5}, {"command": "FORK", "pid": 5, "child_pid": 6}, )";
  const std::string one =
      R"({"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {"type": "REG", "id": 1, "flags": ["O_RDONLY"], "path": "/a"}})";
  const std::string other = R"({"command": "SET_SID", "pid": 6})";
  for (const bool same_meaning : {false, true}) {
    DiffOptions options;
    options.same_meaning = same_meaning;
    EXPECT_EQ(PlanLines("[" + fork + one + ", " + other + "]",
                        "[" + fork + other + ", " + one + "]", options),
              "no difference\n");
  }
}

// ---- against another judge

/// Of random worlds: nothing between a world and its own program; and between a world and the same
/// some steps later something, unless the judge of programs finds nothing either.
/// What is queued is nowhere in a dump that was made: at each place are other bytes.
PageReader WithQueues(PageReader pages) {
  return
      [=](const std::string& image, std::uint64_t offset, std::span<char> out, Diagnostics& diag) {
        if (image != "pipes-data.img") return pages(image, offset, out, diag);
        for (std::uint64_t i = 0; i < out.size(); ++i)
          out[i] = static_cast<char>((offset + i) % 251);
        return Result::kOk;
      };
}

TEST(DiffTest, AgreesWithTheComparisonOfPrograms) {
  std::size_t equal = 0, different = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    HistoryOptions options = {seed, static_cast<int>(10 + seed * 7 % 90),
                              static_cast<int>(2 + seed % 5)};
    const MadeDump one = History(options).Run();
    ++options.steps;
    MadeDump later = History(options).Run();
    const PageReader read = WithQueues(one.images.Reader());
    const PageReader read_later = WithQueues(later.images.Reader());
    Program program;
    Diagnostics diag;
    if (GenerateProgram(one.snapshot, {}, read, &program, diag) != GenerateOutcome::kOk) continue;
    const SimulatedState state = StateOf(program);
    const Snapshot end = SnapshotOf(state);
    EXPECT_EQ(DiffLines(one.snapshot, end, {}, read, read), "no difference\n") << seed;
    Diagnostics self;
    EXPECT_EQ(CompareWithSnapshot(state, end, read, self), Result::kOk) << seed << TextOf(self);
    // The judge has one reader for both sides: their images have names of their own.
    constexpr std::string_view kLater = "later/";
    for (std::string& image : later.snapshot.page_images) image = std::string(kLater) + image;
    const PageReader both = [&](const std::string& image, std::uint64_t offset, std::span<char> out,
                                Diagnostics& d) {
      if (!image.starts_with(kLater)) return read(image, offset, out, d);
      return read_later(image.substr(kLater.size()), offset, out, d);
    };
    Diagnostics verdict, unreadable;
    const bool same = Succeeded(CompareWithSnapshot(state, later.snapshot, both, verdict));
    Differences found = Diff({{one.snapshot, kNothing, read}, "A"},
                             {{later.snapshot, kNothing, both}, "B"}, {}, unreadable);
    // The judge knows descriptions by whatever number.
    std::erase_if(found.list, [](const Difference& it) { return it.field == "id"; });
    EXPECT_EQ(same, found.list.empty()) << seed << TextOf(verdict) << DiffText(found, {});
    ++(same ? equal : different);
  }
  EXPECT_GT(equal, 10U);
  EXPECT_GT(different, 50U);
}

}  // namespace
}  // namespace crgen::test
