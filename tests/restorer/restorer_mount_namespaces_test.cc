// SPDX-License-Identifier: Apache-2.0
// Several mount namespaces of one tree: what is mounted in each, who is in which, and what is open.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <sstream>

#include "tests/support/mounts_fixture.h"

namespace crgen::test {
namespace {

class MountNamespacesTest : public MountsTest {
 protected:
  void SetUp() override {
    MountsTest::SetUp();
    if (IsSkipped()) return;
    std::ofstream(Root() + "/tmp/file") << "of the root's tmp";
    std::ofstream(folder_ + "/tmpfs/folder/file2") << "further";
    PackTmpfs();
  }
  static Json At(int id, const Json& parent, const char* place, Json more) {
    Json it = {{"id", id}, {"mountpoint", place}, {"root", "/"}, {"flags", {"MS_RELATIME"}}};
    if (!parent.is_null()) it["parent"] = parent;
    it.update(more);
    return it;
  }
  /// A copy of the root's, in which /tmp is another tmpfs, and /data of outside a part of the
  /// first.
  Json Both(const Json& more_of_first = {}, const Json& more_of_second = {}) const {
    const Json content = {{"image", "tmpfs-dev-9.tar.gz.img"}, {"offset", 0}, {"bytes", archive_}};
    const Json second = {{"namespace", 20}};
    const auto in_second = [&](Json more) {
      more.update(second);
      return more;
    };
    Json mounts = Json::array(
        {At(1, {}, "/", {{"superblock", 10}}),
         At(2, 1, "/proc", {{"superblock", 11}, {"fstype", "proc"}, {"source", "proc"}}),
         At(3, 1, "/data", {{"external", "data"}, {"superblock", 12}}),
         At(4, 1, "/copy",
            {{"superblock", 13}, {"fstype", "tmpfs"}, {"source", "shared"}, {"content", content}}),
         At(11, {}, "/", in_second({{"superblock", 10}})),
         At(12, 11, "/proc", in_second({{"superblock", 11}})),
         At(13, 11, "/data", in_second({{"superblock", 13}, {"root", "/folder"}})),
         At(14, 11, "/tmp",
            in_second({{"superblock", 14}, {"fstype", "tmpfs"}, {"source", "private"}})),
         At(15, 14, "/tmp", in_second({{"superblock", 12}, {"flags", {"MS_RDONLY"}}}))});
    if (!more_of_first.is_null()) mounts[3].update(more_of_first);
    if (!more_of_second.is_null()) mounts[6].update(more_of_second);
    return mounts;
  }
  static void Open(Plan& plan, int pid, int fd, int id, const std::string& path,
                   std::optional<int> mount = std::nullopt) {
    Json file = {{"type", "REG"}, {"id", id}, {"path", path}, {"flags", {"O_RDONLY"}}};
    if (mount) file["mount"] = *mount;
    plan.Add("OPEN_FILE", pid, {{"fd", fd}, {"file", file}});
  }
  static void OpenNamespace(Plan& plan, int pid, int fd, int id,
                            std::optional<int> number = std::nullopt) {
    Json file = {{"type", "NS"}, {"id", id}, {"namespace", "mnt"}, {"flags", {"O_RDONLY"}}};
    if (number) file["namespace_id"] = *number;
    plan.Add("OPEN_FILE", pid, {{"fd", fd}, {"file", file}});
  }
  static Json Fs(const std::string& cwd) {
    return {{"fs", {{"cwd", cwd}, {"root", "/"}, {"umask", 18}}}};
  }
  /// The root, a child in the second namespace, and a grandchild that went back.
  Plan Three(const Json& mounts) const {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", mounts}}}});
    plan.MapProgram(Pid(0));
    Open(plan, Pid(0), 3, 1, "/copy/folder/file", 4);
    Open(plan, Pid(0), 4, 2, "/tmp/file", 15);
    OpenNamespace(plan, Pid(0), 0, 5);
    OpenNamespace(plan, Pid(0), 1, 6, 20);
    plan.Fork(Pid(0), Pid(1));
    plan.Add("SET_ATTR", Pid(1), {{"attributes", {{"setns", {{"mnt", 20}}}}}});
    Open(plan, Pid(1), 5, 3, "/data/file");
    Open(plan, Pid(1), 6, 4, "/data/file", 3);
    OpenNamespace(plan, Pid(1), 2, 7);
    plan.Fork(Pid(1), Pid(2));
    plan.Add("SET_ATTR", Pid(2), {{"attributes", {{"setns", Json::object()}}}});
    plan.Resume(Pid(2), Plan::Registers(kPause), Fs("/data"));
    plan.Resume(Pid(1), Plan::Registers(kPause), Fs("/data"));
    plan.Resume(Pid(0));
    return plan;
  }
  static std::string Proc(int index) { return "/proc/" + std::to_string(Pid(index)); }
  static std::string Content(int index, int fd) {
    return TextOf(Proc(index) + "/fd/" + std::to_string(fd));
  }
  /// Mountpoint, root, options and groups, without the numbers that are others each time.
  static std::vector<std::string> TableOf(int index) {
    std::vector<std::string> lines;
    std::istringstream table(TextOf(Proc(index) + "/mountinfo"));
    for (std::string line; std::getline(table, line);) {
      std::istringstream words(line);
      std::string id, parent, device, root, place, options, word;
      words >> id >> parent >> device >> root >> place >> options;
      std::string text = place + " " + fs::path(root).filename().string();
      while (words >> word && word != "-") text += " " + word.substr(0, word.find(':'));
      lines.push_back(text);
    }
    std::ranges::sort(lines);
    return lines;
  }
};

TEST_F(MountNamespacesTest, EachHasItsOwn) {
  ASSERT_NO_FATAL_FAILURE(Restore(Three(Both()), MountArguments()));
  const auto name = [](int index) { return fs::read_symlink(Proc(index) + "/ns/mnt"); };
  EXPECT_NE(name(0), name(1));
  EXPECT_EQ(name(0), name(2));
  EXPECT_NE(name(0), fs::read_symlink("/proc/self/ns/mnt"));
  EXPECT_EQ(fs::read_symlink(Proc(0) + "/fd/0"), name(0));
  EXPECT_EQ(fs::read_symlink(Proc(0) + "/fd/1"), name(1));
  EXPECT_EQ(fs::read_symlink(Proc(1) + "/fd/2"), name(0));
  EXPECT_EQ(TableOf(0), (std::vector<std::string>{"/ root", "/copy ", "/data outside", "/proc "}));
  EXPECT_EQ(TableOf(1), (std::vector<std::string>{"/ root", "/data folder", "/proc ", "/tmp ",
                                                  "/tmp outside"}));
  EXPECT_EQ(TableOf(2), TableOf(0));
  EXPECT_EQ(Content(0, 3), "of the archive");
  EXPECT_EQ(Content(0, 4), "of outside");
  EXPECT_EQ(Content(1, 5), "of the archive");
  EXPECT_EQ(Content(1, 6), "of outside");
  EXPECT_EQ(TextOf(Proc(1) + "/cwd/file2"), "further");
  EXPECT_EQ(TextOf(Proc(2) + "/cwd/file"), "of outside");
  EXPECT_EQ(TextOf(Proc(1) + "/root/tmp/file"), "of outside");
  for (int index = 0; index < 3; ++index) {
    for (const auto& entry : fs::directory_iterator(Proc(index) + "/fd")) {
      EXPECT_LE(std::stoi(entry.path().filename()), 6) << index;
    }
  }
}

/// A volume on the file system of the root: its copy in the second namespace is no part of that.
TEST_F(MountNamespacesTest, VolumesOfOneFileSystem) {
  Json mounts = Both();
  for (Json& mount : mounts) {
    if (mount["superblock"] == 10) mount["root"] = "/root-fs";
    if (mount["superblock"] == 12) mount.update({{"superblock", 10}, {"root", "/volume"}});
  }
  ASSERT_NO_FATAL_FAILURE(Restore(Three(mounts), MountArguments()));
  EXPECT_EQ(TableOf(0), (std::vector<std::string>{"/ root", "/copy ", "/data outside", "/proc "}));
  EXPECT_EQ(TableOf(1), (std::vector<std::string>{"/ root", "/data folder", "/proc ", "/tmp ",
                                                  "/tmp outside"}));
  EXPECT_EQ(Content(0, 4), "of outside");
  EXPECT_EQ(Content(1, 6), "of outside");
}

TEST_F(MountNamespacesTest, EventsGoFromOneToTheOther) {
  const Json first = {{"shared", 1}}, second = {{"master", 1}};
  ASSERT_NO_FATAL_FAILURE(Restore(Three(Both(first, second)), MountArguments()));
  EXPECT_EQ(TableOf(0),
            (std::vector<std::string>{"/ root", "/copy  shared", "/data outside", "/proc "}));
  EXPECT_EQ(TableOf(1), (std::vector<std::string>{"/ root", "/data folder master", "/proc ",
                                                  "/tmp ", "/tmp outside"}));
}

/// What the caller has at `folder_`/outside, in a group of its own.
class CallersGroupTest : public MountNamespacesTest {
 protected:
  void SetUp() override {
    MountNamespacesTest::SetUp();
    if (IsSkipped()) return;
    fs::create_directories(Outside() + "/new");
    for (const unsigned long flag : {MS_BIND, MS_PRIVATE, MS_SHARED}) {
      ASSERT_EQ(mount(Outside().c_str(), Outside().c_str(), nullptr, flag, nullptr), 0);
    }
  }
  void TearDown() override {
    umount2((Outside() + "/new").c_str(), MNT_DETACH);
    umount2(Outside().c_str(), MNT_DETACH);
    MountNamespacesTest::TearDown();
  }
  std::string Outside() const { return folder_ + "/outside"; }
  /// /data of the first namespace shares with the caller's, /tmp/tmp of the second, a bind mount of
  /// it, does too; on /data something is mounted that is the tree's alone.
  Json Shared() const {
    Json mounts = Both();
    mounts[2].update({{"shared", 1}, {"shared_with_caller", true}});
    mounts[8].update({{"shared", 1}});
    mounts.push_back(
        At(16, 3, "/data/folder", {{"superblock", 15}, {"fstype", "tmpfs"}, {"source", "inner"}}));
    fs::create_directories(Outside() + "/folder");
    return mounts;
  }
  /// "shared:N" of what is mounted there.
  static std::string GroupAt(const std::string& table, const std::string& place) {
    std::istringstream lines(TextOf(table));
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" " + place + " ") == line.npos) continue;
      const std::size_t at = line.find("shared:");
      return at == line.npos ? "" : line.substr(at, line.find(' ', at) - at);
    }
    return "nothing is there";
  }
};

TEST_F(CallersGroupTest, EventsGoBothWays) {
  const Plan plan = Three(Shared());
  const std::string own = TextOf("/proc/self/mountinfo");
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  EXPECT_EQ(TextOf("/proc/self/mountinfo"), own);
  const std::string group = GroupAt("/proc/self/mountinfo", Outside());
  EXPECT_TRUE(group.starts_with("shared:")) << group;
  EXPECT_EQ(GroupAt(Proc(0) + "/mountinfo", "/data"), group);
  EXPECT_EQ(GroupAt(Proc(1) + "/mountinfo", "/tmp"), "");
  EXPECT_NE(TextOf(Proc(1) + "/mountinfo").find(" " + group + " "), std::string::npos);
  EXPECT_NE(TextOf(Proc(0) + "/mountinfo").find(" - tmpfs inner "), std::string::npos);
  EXPECT_EQ(TextOf(Proc(1) + "/mountinfo").find(" - tmpfs inner "), std::string::npos);
  ASSERT_EQ(mount("event", (Outside() + "/new").c_str(), "tmpfs", 0, nullptr), 0);
  for (int index = 0; index < 2; ++index) {
    EXPECT_NE(TextOf(Proc(index) + "/mountinfo").find(" - tmpfs event "), std::string::npos);
  }
  KillEverybody();
}

TEST_F(CallersGroupTest, NothingIsLeftOfFailures) {
  const Plan plan = Three(Shared());
  const std::string own = TextOf("/proc/self/mountinfo");
  const auto look = [&](const Outcome& outcome) {
    EXPECT_EQ(TextOf("/proc/self/mountinfo"), own);
    if (outcome.status == 0) KillEverybody();
  };
  EXPECT_GT(FailEachCall(plan, "--detach " + MountArguments(), look), 100);
}

TEST_F(CallersGroupTest, WhatIsGivenMustHaveOne) {
  ASSERT_EQ(mount(nullptr, Outside().c_str(), nullptr, MS_PRIVATE, nullptr), 0);
  const Outcome outcome = Run(Three(Shared()), "--detach " + MountArguments());
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("the mount from outside at /data shares events with those of "
                                "outside, and what is given for mnt[data] shares none (mount "
                                "--make-shared, of what it is on)"),
            std::string::npos)
      << outcome.errors;
}

/// Its events come from outside, if there are any.
TEST_F(CallersGroupTest, AMasterOfOutsideIsWhatIsGiven) {
  Json mounts = Both();
  mounts[2].update({{"master", 7}});
  const std::string warning = "what is given for the mounts at /data shares no events";
  for (const bool shares : {true, false}) {
    const unsigned long flag = shares ? MS_SHARED : MS_PRIVATE;
    ASSERT_EQ(mount(nullptr, Outside().c_str(), nullptr, flag, nullptr), 0);
    const Outcome outcome = Run(Three(mounts), "--detach " + MountArguments());
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    EXPECT_EQ(outcome.errors.find(warning) == std::string::npos, shares) << outcome.errors;
    EXPECT_EQ(TableOf(0)[2], shares ? "/data outside master" : "/data outside");
    KillEverybody();
  }
}

/// Whichever call fails, nothing is left.
TEST_F(MountNamespacesTest, NothingIsLeftOfFailures) {
  const std::string own = TextOf("/proc/self/mountinfo");
  const auto look = [&](const Outcome& outcome) {
    EXPECT_EQ(TextOf("/proc/self/mountinfo"), own);
    if (outcome.status == 0) KillEverybody();
  };
  const Json first = {{"shared", 1}}, second = {{"master", 1}};
  EXPECT_GT(FailEachCall(Three(Both(first, second)), "--detach " + MountArguments(), look), 100);
}

/// In bind mounts of what the caller gives, and of a new file system.
TEST_F(MountNamespacesTest, UnlinkedFiles) {
  std::ofstream(folder_ + "/ghost-file-1.img") << "hello world";
  struct Place {
    const char* path;
    int mount;
    const char* mode;
  };
  constexpr Place kPlaces[] = {{"/crgen-gone", 11, "O_RDWR"},
                               {"/data/crgen-gone", 13, "O_RDWR"},
                               {"/gone/with/crgen-gone", 11, "O_RDWR"},
                               {"/tmp/crgen-gone", 15, "O_RDONLY"}};
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", Both()}}}});
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  plan.Add("SET_ATTR", Pid(1), {{"attributes", {{"setns", {{"mnt", 20}}}}}});
  int fd = 3;
  for (const Place& it : kPlaces) {
    const Json source = {{"image", "ghost-file-1.img"}, {"offset", 0}};
    const Json content = Json::array({{{"at", 0}, {"source", source}, {"bytes", 11}}});
    const Json unlinked = {{"id", fd},    {"mode", 0100640}, {"uid", 0},
                           {"gid", 1235}, {"size", 11},      {"content", content}};
    plan.Add("OPEN_FILE", Pid(1),
             {{"fd", fd},
              {"file",
               {{"type", "REG"},
                {"id", fd},
                {"path", it.path},
                {"flags", {it.mode}},
                {"mount", it.mount},
                {"unlinked", unlinked}}}});
    ++fd;
  }
  // Another name of the second one, through the mount of its file system in the other namespace.
  const Json again = {{"id", 9}, {"link_of", 4}};
  plan.Add("OPEN_FILE", Pid(1),
           {{"fd", fd},
            {"file",
             {{"type", "REG"},
              {"id", fd},
              {"path", "/copy/crgen-other"},
              {"flags", {"O_RDONLY"}},
              {"mount", 4},
              {"unlinked", again}}}});
  plan.Resume(Pid(1), Plan::Registers(kPause), Fs("/"));
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  for (fd = 3; fd < 7; ++fd) {
    EXPECT_EQ(Content(1, fd), "hello world");
    EXPECT_EQ(fs::read_symlink(Proc(1) + "/fd/" + std::to_string(fd)),
              kPlaces[fd - 3].path + std::string(" (deleted)"));
  }
  struct stat one = {}, other = {};
  ASSERT_EQ(stat((Proc(1) + "/fd/4").c_str(), &one), 0);
  ASSERT_EQ(stat((Proc(1) + "/fd/7").c_str(), &other), 0);
  EXPECT_EQ(one.st_ino, other.st_ino);
  EXPECT_EQ(other.st_nlink, 0u);
  EXPECT_EQ(fs::read_symlink(Proc(1) + "/fd/7"), "/copy/crgen-other (deleted)");
  EXPECT_FALSE(fs::exists(Root() + "/crgen-gone") || fs::exists(Root() + "/gone") ||
               fs::exists(folder_ + "/outside/crgen-gone"));
  KillEverybody();
  const std::string own = TextOf("/proc/self/mountinfo");
  const auto look = [&](const Outcome& outcome) {
    EXPECT_EQ(TextOf("/proc/self/mountinfo"), own);
    EXPECT_FALSE(fs::exists(Root() + "/crgen-gone") || fs::exists(Root() + "/gone") ||
                 fs::exists(folder_ + "/outside/crgen-gone"));
    if (outcome.status == 0) KillEverybody();
  };
  EXPECT_GT(FailEachCall(plan, "--detach " + MountArguments(), look), 100);
}

/// The supervisor sets watches by the names of the namespace that they lie in.
TEST_F(MountNamespacesTest, Watches) {
  const auto program = [&](const Json& watch) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", Both()}}}});
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3}, {"file", {{"type", "INOTIFY"}, {"id", 1}, {"flags", {"O_RDONLY"}}}}});
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 4},
              {"file",
               {{"type", "FANOTIFY"},
                {"id", 2},
                {"flags", {"O_RDWR"}},
                {"init_flags", Json::array()},
                {"event_flags", {"O_RDONLY"}}}}});
    plan.Fork(Pid(0), Pid(1));
    plan.Add("SET_ATTR", Pid(1), {{"attributes", {{"setns", {{"mnt", 20}}}}}});
    const Json mark = {
        {"type", "FAN_MARK_MOUNT"}, {"mask", {"FAN_OPEN"}}, {"path", "/tmp"}, {"mount", 15}};
    plan.Add("SET_ATTR", Pid(0),
             {{"attributes",
               {{"descriptors", Json::array({{{"fd", 3}, {"watches", Json::array({watch})}},
                                             {{"fd", 4}, {"marks", Json::array({mark})}}})}}}});
    plan.Resume(Pid(1), Plan::Registers(kPause), Fs("/"));
    plan.Resume(Pid(0));
    return plan;
  };
  Json watch = {{"wd", 1}, {"mask", {"IN_OPEN"}}, {"path", "/data/file2"}, {"mount", 13}};
  ASSERT_NO_FATAL_FAILURE(Restore(program(watch), MountArguments()));
  struct stat facts = {};
  ASSERT_EQ(stat((Proc(1) + "/root/data/file2").c_str(), &facts), 0);
  std::ostringstream inode;
  inode << "inotify wd:1 ino:" << std::hex << facts.st_ino << " ";
  const std::string watched = TextOf(Proc(0) + "/fdinfo/3");
  EXPECT_NE(watched.find(inode.str()), std::string::npos) << watched;
  const std::string marked = TextOf(Proc(0) + "/fdinfo/4");
  EXPECT_NE(marked.find("fanotify mnt_id:"), std::string::npos) << marked;
  KillEverybody();

  // What is given must be what was watched.
  watch["path"] = "/tmp/file";
  watch["mount"] = 15;
  watch["handle"] = {{"device", 1}, {"inode", 7}, {"type", 1}, {"bytes", "AQIDBA=="}};
  const Outcome outcome = Run(program(watch), "--detach " + MountArguments());
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("watch"), std::string::npos) << outcome.errors;
}

TEST_F(MountNamespacesTest, WhatIsNotFoundThere) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", Both()}}}});
  plan.MapProgram(Pid(0));
  Open(plan, Pid(0), 3, 1, "/data/file3", 13);
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach " + MountArguments());
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("open data/file3: ENOENT"), std::string::npos) << outcome.errors;
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
