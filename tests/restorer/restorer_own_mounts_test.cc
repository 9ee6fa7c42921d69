// SPDX-License-Identifier: Apache-2.0
// What is found by its path below the mounts of the plan's own, and never on the host's: unlinked
// files, what inotify(7) and fanotify(7) watch, terminals, a root directory.
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "tests/support/own_mounts_fixture.h"

namespace crgen::test {
namespace {

std::string Base64(const std::string& bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    unsigned word = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      word = word << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (int shift = 18; shift >= 0; shift -= 6) text += kDigits[word >> shift & 63];
  }
  for (std::size_t i = 0; i < (3 - bytes.size() % 3) % 3; ++i) text[text.size() - 1 - i] = '=';
  return text;
}

TEST_F(OwnMountsTest, UnlinkedFiles) {
  const std::pair<const char*, const char*> kPlaces[] = {{"/crgen-gone", "/"},
                                                         {"/data/crgen-gone", "/data"},
                                                         {"/tmp/crgen-gone", "/tmp"},
                                                         {"/tmp/folder/crgen-gone", "/tmp"}};
  Plan plan = Begin();
  int fd = 3;
  for (const auto& [path, mount] : kPlaces) {
    Open(plan, fd, Unlinked(path, fd));
    ++fd;
  }
  Json again = Unlinked("/tmp/crgen-gone");
  again["unlinked"] = {{"id", 5}};
  Open(plan, fd, again);
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  fd = 3;
  for (const auto& [path, mount] : kPlaces) {
    SCOPED_TRACE(path);
    EXPECT_EQ(Link(fd), std::string(path) + " (deleted)");
    EXPECT_EQ(MountOf(fd), mount);
    const std::string file = "/proc/" + Process() + "/fd/" + std::to_string(fd);
    EXPECT_EQ(TextOf(file), "hello world");
    struct stat facts = {};
    ASSERT_EQ(stat(file.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_nlink, 0u);
    EXPECT_EQ(facts.st_mode, 0100640u);
    EXPECT_EQ(facts.st_uid, 1234u);
    EXPECT_FALSE(fs::exists(Inside(path)));
    ++fd;
  }
  EXPECT_EQ(Link(fd), "/tmp/crgen-gone (deleted)");
  ExpectNoNameOf("crgen-gone");
}

/// Their times were set before the root had made the mount so.
TEST_F(OwnMountsTest, UnlinkedFilesOfAMountThatIsReadOnly) {
  Json mounts = Writable();
  for (Json& mount : mounts) {
    if (mount["mountpoint"] == "/tmp") mount["flags"].push_back("MS_RDONLY");
  }
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", mounts}}}});
  plan.MapProgram(Pid(0));
  const Json times = {{"access", {{"sec", 5}, {"nsec", 0}}},
                      {"modification", {{"sec", 1000000000}, {"nsec", 7}}}};
  Json file = Unlinked("/tmp/crgen-gone");
  file["flags"] = {"O_RDONLY"};
  file["unlinked"]["times"] = times;
  Open(plan, 3, file);
  Json fifo = {{"type", "FIFO"}, {"path", "/tmp/crgen-fifo"}, {"flags", {"O_RDWR"}}};
  fifo["pipe_id"] = 9;
  fifo["data"] = {{"image", "ghost-file-1.img"}, {"offset", 0}, {"bytes", 11}};
  fifo["unlinked"] = {{"id", 2}, {"mode", 0010640}, {"uid", 0}, {"gid", 0}, {"times", times}};
  Open(plan, 4, fifo);
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  for (int fd = 3; fd < 5; ++fd) {
    struct stat facts = {};
    ASSERT_EQ(stat(("/proc/" + Process() + "/fd/" + std::to_string(fd)).c_str(), &facts), 0);
    EXPECT_EQ(facts.st_atim.tv_sec, 5);
    EXPECT_EQ(facts.st_mtim.tv_sec, 1000000000);
    EXPECT_EQ(facts.st_mtim.tv_nsec, 7);
    EXPECT_EQ(MountOf(fd), "/tmp");
  }
  EXPECT_EQ(TextOf("/proc/" + Process() + "/fd/3"), "hello world");
}

/// A bind mount of what no name leads to: of the caller's root, and of a new tmpfs.
Json DeletedMount(int id, int parent, const char* place, const char* root) {
  return {{"id", id},
          {"parent", parent},
          {"mountpoint", place},
          {"root", root},
          {"superblock", parent == 1 ? 10 : 9},
          {"deleted", true},
          {"flags", {"MS_NOSUID", "MS_RELATIME"}}};
}

TEST_F(OwnMountsTest, OfWhatIsUnlinked) {
  for (const char* name : {"/empty", "/other"}) fs::create_directories(Root() + name);
  std::ofstream(Root() + "/shown") << "what is below";
  Json mounts = Writable();
  mounts.push_back(DeletedMount(20, 1, "/empty", "/crgen-gone"));
  mounts.push_back(DeletedMount(21, 1, "/shown", "/crgen-file"));
  mounts.push_back(DeletedMount(22, 4, "/tmp/folder/file", "/crgen-file"));
  mounts.push_back(DeletedMount(24, 1, "/other", "/crgen-gone"));
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", mounts}}}});
  plan.MapProgram(Pid(0));
  Open(plan, 3, {{"type", "REG"}, {"path", "/shown"}, {"flags", {"O_RDWR"}}});
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  const std::string table = TextOf("/proc/" + Process() + "/mountinfo");
  for (const char* root_and_place :
       {"/crgen-gone//deleted /empty ", "/crgen-file//deleted /shown ",
        "/crgen-file//deleted /tmp/folder/file ", "/crgen-gone//deleted /other "}) {
    EXPECT_NE(table.find(root_and_place), std::string::npos) << root_and_place << "\n" << table;
  }
  EXPECT_EQ(MountOf(3), "/shown");
  EXPECT_EQ(TextOf(Inside("/shown")), "");
  EXPECT_EQ(TextOf(Inside("/tmp/folder/file")), "");
  struct stat one = {}, other = {};
  ASSERT_EQ(stat(Inside("/empty").c_str(), &one), 0);
  ASSERT_EQ(stat(Inside("/other").c_str(), &other), 0);
  EXPECT_EQ(one.st_ino, other.st_ino);
  EXPECT_EQ(one.st_nlink, 0u);
  EXPECT_TRUE(fs::is_empty(Inside("/empty")));
  EXPECT_EQ(TextOf(Root() + "/shown"), "what is below");
  for (const char* name : {"crgen-gone", "crgen-file"}) ExpectNoNameOf(name);
}

/// `/tmp/file` of the host is in nobody's way, and what has that name in the tree is.
TEST_F(OwnMountsTest, UnlinkedNamesThatAreTaken) {
  const std::string of_host = "/tmp/crgen-own-mounts-test";
  std::ofstream(of_host) << "of the host";
  Plan free = Begin();
  Open(free, 3, Unlinked(of_host));
  free.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(free, MountArguments()));
  KillEverybody();
  EXPECT_EQ(TextOf(of_host), "of the host");
  fs::remove(of_host);

  struct Case {
    const char* path;
    int status;
    std::string said;
  };
  const Case kCases[] = {
      {"/file", 0, "/file is another file now: the unlinked one comes back as file.crrestore-1"},
      {"/data/file", 0, "/data/file is another file now"},
      {"/data/none/gone", 0, ""},
      {"/tmp/folder/file", 0, "/tmp/folder/file is another file now"},
      {"/copy/gone", 0, ""},
      {"/proc/sys/gone", 4,
       "the unlinked file /proc/sys/gone in a bind mount, or a proc(5), of a mount"}};
  for (const Case& it : kCases) {
    SCOPED_TRACE(it.path);
    Plan plan = Begin();
    Open(plan, 3, Unlinked(it.path));
    plan.Resume(Pid(0));
    const Outcome outcome = Run(plan, "--detach " + MountArguments());
    EXPECT_EQ(outcome.status, it.status) << outcome.errors;
    EXPECT_NE(outcome.errors.find(it.said), std::string::npos) << outcome.errors;
    KillEverybody();
  }
  EXPECT_EQ(TextOf(Root() + "/file"), "of the root");
  EXPECT_FALSE(fs::exists(folder_ + "/outside/none"));
  ExpectNoNameOf("file.crrestore-1");
}

/// A link on the way to a name leads nowhere: it could be anybody's.
TEST_F(OwnMountsTest, NoLinksOnTheWayToAName) {
  fs::create_directory_symlink("/", Root() + "/data/link");
  fs::create_directory_symlink("/", folder_ + "/outside/link");
  Plan plan = Begin();
  Open(plan, 3, Unlinked("/data/link/crgen-gone"));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach " + MountArguments());
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  ExpectNoNameOf("crgen-gone");
}

TEST_F(OwnMountsTest, HardLinksOfTheDumper) {
  std::ofstream(folder_ + "/outside/link_remap.1") << "linked";
  fs::create_hard_link(folder_ + "/outside/link_remap.1", folder_ + "/outside/kept");
  const auto plan = [&](bool fails) {
    Plan made = Begin();
    Open(made, 3,
         {{"type", "REG"},
          {"path", "/data/was"},
          {"flags", {"O_RDONLY"}},
          {"opened_by", "/data/link_remap.1"}});
    if (fails) {
      Open(made, 4, {{"type", "REG"}, {"path", "/tmp/none"}, {"flags", {"O_RDONLY"}}});
    }
    made.Resume(Pid(0));
    return made;
  };
  EXPECT_EQ(Run(plan(true), "--detach " + MountArguments()).status, 5);
  EXPECT_TRUE(fs::exists(folder_ + "/outside/link_remap.1"));
  ASSERT_NO_FATAL_FAILURE(Restore(plan(false), MountArguments()));
  EXPECT_EQ(Link(3), "/data/was (deleted)");
  EXPECT_EQ(MountOf(3), "/data");
  EXPECT_FALSE(fs::exists(folder_ + "/outside/link_remap.1"));
  EXPECT_FALSE(fs::exists(folder_ + "/outside/was"));
}

TEST_F(OwnMountsTest, Inotify) {
  const std::vector<std::string> places = {"/", "/data", "/tmp/folder", "/dev/pts"};
  Plan plan = Begin();
  Open(plan, 3, {{"type", "INOTIFY"}, {"flags", {"O_RDONLY", "O_NONBLOCK"}}});
  Json watches = Json::array();
  for (std::size_t i = 0; i < places.size(); ++i) {
    watches.push_back({{"wd", 7 + i}, {"mask", {"IN_CREATE", "IN_OPEN"}}, {"path", places[i]}});
  }
  Late(plan, {{"fd", 3}, {"watches", watches}});
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  const int inotify = Shared(3);
  for (std::size_t i = 0; i < places.size(); ++i) {
    SCOPED_TRACE(places[i]);
    char buffer[4096];
    EXPECT_EQ(read(inotify, buffer, sizeof buffer), -1) << "the restore is among the events";
    close(open(Inside(places[i] + "/.").c_str(), O_RDONLY | O_DIRECTORY));
    ASSERT_GT(read(inotify, buffer, sizeof buffer), 0);
    inotify_event event;
    std::memcpy(&event, buffer, sizeof event);
    EXPECT_EQ(event.wd, static_cast<int>(7 + i));
  }
  close(inotify);
}

TEST_F(OwnMountsTest, WatchesOfWhatIsNotThere) {
  const std::pair<const char*, int> kCases[] = {{"/none", 3}, {"/data/none", 3}, {"/tmp/none", 5}};
  for (const auto& [path, status] : kCases) {
    Plan plan = Begin();
    Open(plan, 3, {{"type", "INOTIFY"}, {"flags", {"O_RDONLY"}}});
    const Json watch = {{"wd", 1}, {"mask", {"IN_OPEN"}}, {"path", path}};
    Late(plan, {{"fd", 3}, {"watches", Json::array({watch})}});
    plan.Resume(Pid(0));
    const Outcome outcome = Run(plan, "--detach " + MountArguments());
    EXPECT_EQ(outcome.status, status) << path << ": " << outcome.errors;
    EXPECT_EQ(Left(), std::vector<int>());
  }
}

/// By its handle, where another file has the path by now: in the file system that is given.
TEST_F(OwnMountsTest, InotifyOfWhatHasAnotherName) {
  const std::string file = folder_ + "/outside/watched";
  std::ofstream(file) << "watched";
  struct {
    file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
  } handle = {};
  handle.head.handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  struct stat facts = {};
  ASSERT_EQ(name_to_handle_at(AT_FDCWD, file.c_str(), &handle.head, &mount, 0), 0);
  ASSERT_EQ(stat(file.c_str(), &facts), 0);
  fs::rename(file, folder_ + "/outside/renamed");
  std::ofstream(file) << "another";
  const std::string bytes(reinterpret_cast<char*>(handle.head.f_handle), handle.head.handle_bytes);
  Plan plan = Begin();
  Open(plan, 3, {{"type", "INOTIFY"}, {"flags", {"O_RDONLY", "O_NONBLOCK"}}});
  const Json watch = {{"wd", 1},
                      {"mask", {"IN_OPEN"}},
                      {"path", "/data/watched"},
                      {"handle",
                       {{"device", 123456},  // of the machine of the dump
                        {"inode", facts.st_ino},
                        {"type", handle.head.handle_type},
                        {"bytes", Base64(bytes)}}}};
  Late(plan, {{"fd", 3}, {"watches", Json::array({watch})}});
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  const int inotify = Shared(3);
  inotify_event event = {};
  close(open(file.c_str(), O_RDONLY));
  EXPECT_EQ(read(inotify, &event, sizeof event), -1);
  close(open((folder_ + "/outside/renamed").c_str(), O_RDONLY));
  EXPECT_EQ(read(inotify, &event, sizeof event), static_cast<ssize_t>(sizeof event));
  close(inotify);
}

/// The root and the mounts of a container's configuration, where no option says otherwise.
TEST_F(OwnMountsTest, OfAConfiguration) {
  const auto configure = [&](const std::string& mounts) {
    std::ofstream(folder_ + "/config.json")
        << R"({"root": {"path": "root"}, "mounts": )" << mounts << "}";
  };
  const std::string oci = "--oci " + folder_ + "/config.json ";
  Json mounts = Writable();
  for (Json& mount : mounts) {
    if (mount.contains("external")) mount["external"] = "/data";  // as engines have it
  }
  const Plan plan = PlanWith({{"mounts", mounts}});
  configure(R"([{"destination": "/data", "type": "none", "options": ["rbind"],
                 "source": "outside"}, {"destination": "/proc", "type": "proc"},
                {"destination": "/of-no-plan", "type": "bind", "source": "/no/such"}])");
  ASSERT_NO_FATAL_FAILURE(Restore(plan, oci));
  EXPECT_EQ(TextOf(Inside("/file")), "of the root");
  EXPECT_EQ(TextOf(Inside("/data/file")), "of outside");
  KillEverybody();
  ASSERT_NO_FATAL_FAILURE(Restore(plan, oci + "--external mnt[/data]:" + folder_ + "/tmpfs"));
  EXPECT_FALSE(fs::exists(Inside("/data/file")));
  EXPECT_TRUE(fs::exists(Inside("/data/folder")));
  KillEverybody();

  const std::pair<const char*, const char*> kWrong[] = {
      {R"([{"destination": "/data", "type": "bind", "source": "none"}])", "--oci, mount /data: "},
      {"[]", "what is mounted at /data comes from outside, and is not given"}};
  for (const auto& [text, said] : kWrong) {
    configure(text);
    const Outcome outcome = Run(plan, "--detach " + oci);
    EXPECT_EQ(outcome.status, 3);
    EXPECT_NE(outcome.errors.find(said), std::string::npos) << outcome.errors;
  }
  const std::pair<const char*, const char*> kNone[] = {
      {"{}", "mounts: expected an array"},
      {"[7]", "mounts[0]: expected an object"},
      {R"([{"destination": "data", "type": "bind", "source": "x"}])",
       "mounts[0]: destination: \"data\", expected a path that begins with /"},
      {R"([{"destination": "/data", "type": "bind"}])", "mounts[0]: lacks \"source\""},
      {"[", "expected a JSON object, as config.json is"}};
  for (const auto& [text, said] : kNone) {
    configure(text);
    const Outcome outcome = Run(plan, "--detach " + oci);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.errors.find(said), std::string::npos) << outcome.errors;
  }
  EXPECT_EQ(Run(plan, "--detach --oci /no/such").status, 2);
}

/// A mark on a mount is on the tree's own, not on that of which it is a copy.
TEST_F(OwnMountsTest, FanotifyOfAMount) {
  Plan plan = Begin();
  Open(plan, 3,
       {{"type", "FANOTIFY"},
        {"flags", {"O_RDWR", "O_NONBLOCK"}},
        {"init_flags", {"FAN_NONBLOCK"}},
        {"event_flags", {"O_RDONLY"}}});
  const Json mark = {{"type", "FAN_MARK_MOUNT"},
                     {"mask", {"FAN_OPEN"}},
                     {"ignored_mask", Json::array()},
                     {"flags", Json::array()},
                     {"path", "/data"}};
  Late(plan, {{"fd", 3}, {"marks", Json::array({mark})}});
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  const int group = Shared(3);
  fanotify_event_metadata event = {};
  close(open((folder_ + "/outside/file").c_str(), O_RDONLY));
  EXPECT_EQ(read(group, &event, sizeof event), -1);
  close(open(Inside("/data/file").c_str(), O_RDONLY));
  EXPECT_EQ(read(group, &event, sizeof event), static_cast<ssize_t>(sizeof event));
  close(event.fd);
  close(group);
}

/// By their path in the root that is given, and in a tmpfs with its content.
TEST_F(OwnMountsTest, Terminals) {
  constexpr unsigned kMajor = 4, kMinor = 1;
  const int device = open("/dev/tty1", O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (device < 0) GTEST_SKIP() << "there is no /dev/tty1";
  close(device);
  const auto make = [&](const std::string& path, unsigned minor) {
    ASSERT_EQ(mknod(path.c_str(), S_IFCHR | 0600, makedev(kMajor, minor)), 0);
  };
  make(Root() + "/dev/crgen-tty", kMinor);
  make(Root() + "/dev/crgen-other", kMinor + 1);
  make(folder_ + "/tmpfs/crgen-tty", kMinor);
  make(folder_ + "/tmpfs/crgen-other", kMinor + 1);
  PackTmpfs();
  const auto plan = [&](const std::string& path) {
    Plan made = Begin();
    Open(made, 3,
         {{"type", "TTY"},
          {"flags", {"O_RDWR"}},
          {"tty_id", 1},
          {"driver", "vt"},
          {"path", path},
          {"rdev", makedev(kMajor, kMinor)}});
    made.Resume(Pid(0));
    return made;
  };
  for (const auto& [folder, status] : {std::pair("/dev", 3), std::pair("/tmp", 5)}) {
    SCOPED_TRACE(folder);
    const std::string path = std::string(folder) + "/crgen-tty";
    ASSERT_NO_FATAL_FAILURE(Restore(plan(path), MountArguments()));
    EXPECT_EQ(Link(3), path);
    EXPECT_EQ(MountOf(3), folder == std::string("/dev") ? "/" : folder);
    KillEverybody();
    EXPECT_EQ(Run(plan(path + "-none"), "--detach " + MountArguments()).status, status);
    const Outcome other =
        Run(plan(std::string(folder) + "/crgen-other"), "--detach " + MountArguments());
    EXPECT_EQ(other.status, status) << other.errors;
    EXPECT_NE(other.errors.find("another device"), std::string::npos) << other.errors;
  }
  EXPECT_EQ(Run(plan("/copy/tty"), "--detach " + MountArguments()).status, 4);
}

TEST_F(OwnMountsTest, ARootBelowTheRoot) {
  const Json directories = {{"fs", {{"cwd", "/data"}, {"root", "/tmp/folder"}, {"umask", 18}}}};
  Plan plan = Begin();
  Open(plan, 3, Unlinked("/tmp/crgen-gone"));
  plan.Resume(Pid(0), Plan::Registers(kPause), directories);
  ASSERT_NO_FATAL_FAILURE(Restore(plan, MountArguments()));
  EXPECT_EQ(TextOf(Inside("/file")), "of the archive");
  EXPECT_EQ(TextOf("/proc/" + Process() + "/cwd/file"), "of outside");
  EXPECT_EQ(TextOf("/proc/" + Process() + "/fd/3"), "hello world");
}

/// Whichever call fails, nothing is left: neither a name, nor a mount.
TEST_F(OwnMountsTest, NothingIsLeftOfFailures) {
  fs::create_directories(Root() + "/empty");
  Json mounts = Writable();
  mounts.push_back(DeletedMount(20, 1, "/empty", "/crgen-mounted"));
  mounts.push_back(DeletedMount(21, 4, "/tmp/folder/file", "/crgen-mounted"));
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", mounts}}}});
  plan.MapProgram(Pid(0));
  Open(plan, 3, Unlinked("/crgen-gone", 1));
  Open(plan, 4, Unlinked("/data/crgen-gone", 2));
  Open(plan, 5, Unlinked("/tmp/crgen-gone", 3));
  Json other = Unlinked("/tmp/crgen-other");
  other["unlinked"] = {{"id", 4}, {"link_of", 3}};
  Open(plan, 7, other);
  std::ofstream(folder_ + "/outside/link_remap.1") << "linked";
  fs::create_hard_link(folder_ + "/outside/link_remap.1", folder_ + "/outside/kept");
  Open(plan, 8,
       {{"type", "REG"},
        {"path", "/data/crgen-was"},
        {"flags", {"O_RDONLY"}},
        {"opened_by", "/data/link_remap.1"}});
  Open(plan, 6, {{"type", "INOTIFY"}, {"flags", {"O_RDONLY"}}});
  const Json in_new = {{"wd", 1}, {"mask", {"IN_OPEN"}}, {"path", "/tmp/folder"}};
  const Json in_given = {{"wd", 2}, {"mask", {"IN_OPEN"}}, {"path", "/data/file"}};
  Late(plan, {{"fd", 6}, {"watches", Json::array({in_new, in_given})}});
  plan.Resume(Pid(0));
  const std::string own = TextOf("/proc/self/mountinfo");
  const auto look = [&](const Outcome& outcome) {
    EXPECT_EQ(TextOf("/proc/self/mountinfo"), own);
    for (const char* name : {"crgen-gone", "crgen-other", "crgen-was", "crgen-mounted"}) {
      ExpectNoNameOf(name);
    }
    EXPECT_EQ(fs::exists(folder_ + "/outside/link_remap.1"), outcome.status != 0);
    if (outcome.status != 0) return;
    KillEverybody();
    fs::create_hard_link(folder_ + "/outside/kept", folder_ + "/outside/link_remap.1");
  };
  EXPECT_GT(FailEachCall(plan, "--detach " + MountArguments(), look), 100);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
