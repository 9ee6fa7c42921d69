// SPDX-License-Identifier: Apache-2.0
// Plans with a mount namespace of their own, and what the caller of a restore gives for it.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/restorer_support.h"

namespace crgen::test {

namespace fs = std::filesystem;
using Plan = PlanBuilder;

inline std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A root file system, what is mounted in it from outside, and an archive for a tmpfs.
class MountsTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    for (const char* name :
         {"proc", "sys", "tmp", "data", "dev/pts", "dev/mqueue", "copy", "groups"}) {
      fs::create_directories(Root() + "/" + name);
    }
    fs::create_directories(folder_ + "/outside");
    std::ofstream(Root() + "/file") << "of the root";
    std::ofstream(folder_ + "/outside/file") << "of outside";
    fs::create_directories(folder_ + "/tmpfs/folder");
    std::ofstream(folder_ + "/tmpfs/folder/file") << "of the archive";
    PackTmpfs();
  }
  void PackTmpfs() {
    Must("tar -C " + folder_ + "/tmpfs -czf " + folder_ + "/tmpfs-dev-9.tar.gz.img .");
    archive_ = fs::file_size(folder_ + "/tmpfs-dev-9.tar.gz.img");
  }

  static void Must(const std::string& command) { ASSERT_EQ(system(command.c_str()), 0) << command; }
  std::string Root() const { return folder_ + "/root"; }
  static std::string Process() { return std::to_string(Pid(0)); }

  /// One process with these namespaces, and perhaps a file and directories.
  Plan PlanWith(const Json& namespaces, const std::string& file = "", const Json& more = {}) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", namespaces}});
    plan.MapProgram(Pid(0));
    if (!file.empty()) {
      plan.Add("OPEN_FILE", Pid(0),
               {{"fd", 0},
                {"file", {{"type", "REG"}, {"id", 1}, {"path", file}, {"flags", {"O_RDONLY"}}}}});
    }
    plan.Resume(Pid(0), Plan::Registers(kPause), more.is_null() ? Json::object() : more);
    return plan;
  }

  void Restore(const Plan& plan, const std::string& arguments = "") {
    const Outcome outcome = Run(plan, "--detach " + arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
  }

  Json Mounts() const {
    const auto mount = [](int id, int parent, const char* place, Json more) {
      Json it = {{"id", id}, {"parent", parent}, {"mountpoint", place}, {"root", "/"}};
      it["flags"] = {"MS_NOSUID", "MS_RELATIME"};
      it.update(more);
      return it;
    };
    return Json::array(
        {{{"id", 1},
          {"mountpoint", "/"},
          {"root", "/"},
          {"superblock", 10},
          {"flags", {"MS_RELATIME"}}},
         mount(2, 1, "/proc", {{"superblock", 11}, {"fstype", "proc"}, {"source", "proc"}}),
         mount(3, 2, "/proc/sys",
               {{"superblock", 11}, {"root", "/sys"}, {"flags", {"MS_RDONLY", "MS_RELATIME"}}}),
         mount(4, 1, "/tmp",
               {{"superblock", 9},
                {"fstype", "tmpfs"},
                {"source", "scratch"},
                {"options", "size=64k,mode=1777"},
                {"sb_flags", {"MS_RDONLY"}},
                {"content",
                 {{"image", "tmpfs-dev-9.tar.gz.img"}, {"offset", 0}, {"bytes", archive_}}}}),
         mount(5, 1, "/data", {{"external", "data"}, {"flags", {"MS_NOEXEC", "MS_NOATIME"}}}),
         mount(6, 1, "/dev/pts",
               {{"superblock", 12},
                {"fstype", "devpts"},
                {"options", "gid=5,mode=620,ptmxmode=666,newinstance"}}),
         mount(7, 1, "/dev/mqueue", {{"superblock", 13}, {"fstype", "mqueue"}}),
         mount(8, 1, "/sys", {{"superblock", 14}, {"fstype", "sysfs"}}),
         mount(9, 1, "/copy", {{"superblock", 10}, {"root", "/dev"}}),
         // Of what the one below it hides, and is on that.
         mount(10, 3, "/proc/sys/net", {{"superblock", 11}, {"root", "/sys/net"}})});
  }
  std::string MountArguments() const {
    return "--root " + Root() + " --external mnt[data]:" + folder_ + "/outside ";
  }

  std::uintmax_t archive_ = 0;
};

}  // namespace crgen::test
