// SPDX-License-Identifier: Apache-2.0
#include "preflight/pty_holders.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <filesystem>

#include "preflight/open_descriptors.h"

namespace crgen::preflight {
namespace {

constexpr const char* kPtmx = "/dev/ptmx";
constexpr const char* kGone = " (deleted)";

/// Whether a file may be a slave, by what proc(5) calls it: others are not looked at, for that may
/// take its time.
bool MayBeSlave(const std::string& name) {
  const std::size_t begin = name.rfind('/') + 1;
  if (begin == 0 || begin == name.size()) return false;
  if (name.find_first_not_of("0123456789", begin) != std::string::npos) return false;
  return begin == 1 || name.substr(0, begin).ends_with("/pts/");
}

bool IsDevpts(const std::string& path) {
  struct statfs system = {};
  return statfs(path.c_str(), &system) == 0 && system.f_type == DEVPTS_SUPER_MAGIC;
}

class Looker {
 public:
  Looker() {
    struct stat folder = {};
    known_ = stat(kPtmx, &ptmx_) == 0 && stat("/dev/pts", &folder) == 0;
    instance_ = IsDevpts(kPtmx) ? ptmx_.st_dev : folder.st_dev;
  }

  /// The index of the pty of which the descriptor is an end.
  std::optional<std::uint32_t> IndexOf(const std::string& process, const std::string& fd,
                                       bool* hung_up) const {
    const std::string path = process + "/fd/" + fd;
    std::error_code error;
    std::string name = std::filesystem::read_symlink(path, error).string();
    *hung_up = name.ends_with(kGone);
    if (*hung_up) name.resize(name.size() - std::string(kGone).size());
    const bool master = name.ends_with("/ptmx");
    struct stat status = {};
    if (!known_ || (!master && !MayBeSlave(name)) || stat(path.c_str(), &status) != 0) {
      return std::nullopt;
    }
    if (!S_ISCHR(status.st_mode)) return std::nullopt;
    const auto lines = LinesOfDescriptor(process, fd, master ? "tty-index:" : "flags:");
    if (lines.empty()) return std::nullopt;
    if (master) {
      const bool same_node = status.st_dev == ptmx_.st_dev && status.st_ino == ptmx_.st_ino;
      if (status.st_dev != instance_ && !same_node) return std::nullopt;
      return static_cast<std::uint32_t>(std::strtoul(lines.front().c_str(), nullptr, 10));
    }
    const bool is_open = (std::strtoull(lines.front().c_str(), nullptr, 8) & O_PATH) == 0;
    if (!is_open || status.st_dev != instance_) return std::nullopt;
    if (major(status.st_rdev) != UNIX98_PTY_SLAVE_MAJOR) return std::nullopt;
    return minor(status.st_rdev);
  }

 private:
  struct stat ptmx_ = {};
  dev_t instance_ = 0;
  bool known_ = false;
};

}  // namespace

void PtyHolders::Look() {
  holders_.emplace();
  const Looker looker;
  ForEachDescriptor([&](const std::string& process, const std::string& fd) {
    bool hung_up = false;
    const auto index = looker.IndexOf(process, fd, &hung_up);
    if (!index || holders_->contains(*index)) return;
    holders_->emplace(*index, NameOfProcess(process) + " has it" + (hung_up ? ", hung up" : ""));
  });
}

std::string PtyHolders::Of(std::uint32_t index) {
  if (!holders_) Look();
  const auto found = holders_->find(index);
  return found == holders_->end() ? "" : found->second;
}

}  // namespace crgen::preflight
