// SPDX-License-Identifier: Apache-2.0
// Plans whose root has mounts of its own, with files that only those lead to.
#pragma once

#include <sys/syscall.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/mounts_fixture.h"

namespace crgen::test {

class OwnMountsTest : public MountsTest {
 protected:
  void SetUp() override {
    MountsTest::SetUp();
    if (IsSkipped()) return;
    std::ofstream(folder_ + "/ghost-file-1.img") << "hello world";
    for (const char* name : {"tmp/folder", "copy"}) fs::create_directories(folder_ + "/" + name);
  }
  /// MountsTest::Mounts() with a tmpfs that can be written.
  Json Writable() const {
    Json mounts = Mounts();
    for (Json& mount : mounts) {
      if (mount["mountpoint"] == "/tmp") mount.erase("sb_flags");
    }
    return mounts;
  }
  Plan Begin() const {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", Writable()}}}});
    plan.MapProgram(Pid(0));
    return plan;
  }
  static void Open(Plan& plan, int fd, Json file) {
    file["id"] = fd;
    plan.Add("OPEN_FILE", Pid(0), {{"fd", fd}, {"file", std::move(file)}});
  }
  static Json Unlinked(const std::string& path, int id = 1) {
    const Json source = {{"image", "ghost-file-1.img"}, {"offset", 0}};
    return {{"type", "REG"},
            {"path", path},
            {"flags", {"O_RDWR"}},
            {"unlinked",
             {{"id", id},
              {"mode", 0100640},
              {"uid", 1234},
              {"gid", 1235},
              {"size", 11},
              {"content", Json::array({{{"at", 0}, {"source", source}, {"bytes", 11}}})}}}};
  }
  static void Late(Plan& plan, Json entry) {
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"descriptors", Json::array({entry})}}}});
  }
  /// What is neither in the root, nor in what is given, nor where the host has that path.
  void ExpectNoNameOf(const std::string& name) const {
    for (const fs::path& place :
         {fs::path(Root()), fs::path(Root() + "/tmp"), fs::path(folder_ + "/outside"),
          fs::path("/"), fs::path("/tmp")}) {
      EXPECT_FALSE(fs::exists(fs::symlink_status(place / name))) << place;
    }
  }
  static std::string Link(int fd) {
    return fs::read_symlink("/proc/" + Process() + "/fd/" + std::to_string(fd));
  }
  /// The mount of a descriptor, by its number in fdinfo, as mountinfo has it.
  static std::string MountOf(int fd) {
    std::ifstream info("/proc/" + Process() + "/fdinfo/" + std::to_string(fd));
    std::string word, number;
    while (info >> word && word != "mnt_id:") {
    }
    info >> number;
    std::istringstream table(TextOf("/proc/" + Process() + "/mountinfo"));
    for (std::string line; std::getline(table, line);) {
      std::istringstream words(line);
      std::string id, parent, device, root, place;
      words >> id >> parent >> device >> root >> place;
      if (id == number) return place;
    }
    return "none of its mounts";
  }
  /// What the restored process has at `fd`.
  static int Shared(int fd) {
    const auto process = static_cast<int>(syscall(SYS_pidfd_open, Pid(0), 0));
    const auto shared = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    return shared;
  }
  static std::string Inside(const std::string& path) {
    return "/proc/" + Process() + "/root" + path;
  }
};

}  // namespace crgen::test
