// SPDX-License-Identifier: Apache-2.0
#include "preflight/watched_inodes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "preflight/doing.h"
#include "preflight/host_files.h"

namespace crgen::preflight {
namespace {

struct HandleBuffer {
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ];
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes); }
};

/// "\\040" is a space: mountinfo of proc(5).
std::string Unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      plain += text[i];
      continue;
    }
    plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
    i += 3;
  }
  return plain;
}

}  // namespace

WatchedInodes::~WatchedInodes() {
  for (const auto& [device, fd] : descriptors_) {
    if (fd >= 0) close(fd);
  }
}

void WatchedInodes::ReadMounts() {
  if (read_) return;
  read_ = true;
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    int id = 0, parent = 0;
    std::uint64_t major = 0, minor = 0;
    char colon = 0;
    std::string root, place;
    if (!(words >> id >> parent >> major >> colon >> minor >> root >> place)) continue;
    mounts_[id] = {major << 20 | minor, Unescaped(place)};
  }
}

bool WatchedInodes::Is(int fd, const InodeHandle& handle) {
  struct stat status = {};
  HandleBuffer found = {};
  found.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (fstat(fd, &status) != 0 || status.st_ino != handle.inode ||
      name_to_handle_at(fd, "", found.get(), &mount, AT_EMPTY_PATH) != 0) {
    return false;
  }
  const std::string& wanted = handle.bytes.bytes;
  if (found.get()->handle_type != handle.type || found.get()->handle_bytes != wanted.size() ||
      std::memcmp(found.get()->f_handle, wanted.data(), wanted.size()) != 0) {
    return false;
  }
  if (!root_.IsOwn()) return true;  // the file systems that are given have numbers of their own
  ReadMounts();
  const auto at = mounts_.find(mount);
  return at == mounts_.end() || at->second.device == handle.device;
}

/// A descriptor on a mount of that file system.
int WatchedInodes::MountOf(std::uint64_t device) {
  const auto [known, fresh] = descriptors_.try_emplace(device, -1);
  if (!fresh) return known->second;
  ReadMounts();
  for (const auto& [id, mount] : mounts_) {
    if (mount.device != device) continue;
    const Doing doing("opening it", mount.place);
    const int fd = open(mount.place.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) return known->second = fd;
  }
  return -1;
}

/// Likewise, of what is given for the plan's mounts.
int WatchedInodes::MountInTree(std::uint64_t device, const std::optional<Text>& path) {
  const int place = path ? root_.FileSystemOf(path->bytes) : root_.FileSystemOf(device);
  return place < 0 ? -1 : Reopen(place, O_RDONLY | O_NONBLOCK);
}

WatchedInodes::Found WatchedInodes::ByHandle(const InodeHandle& handle,
                                             const std::optional<Text>& path) {
  const std::string name = "inode " + std::to_string(handle.inode) + " of device " +
                           std::to_string(handle.device >> 20) + ":" +
                           std::to_string(handle.device & 0xfffff);
  const int mount = root_.IsOwn() ? MountOf(handle.device) : MountInTree(handle.device, path);
  if (mount < 0) return {-1, name + ": this device is not mounted"};
  HandleBuffer wanted = {};
  wanted.get()->handle_bytes = static_cast<unsigned>(handle.bytes.bytes.size());
  wanted.get()->handle_type = handle.type;
  std::memcpy(wanted.get()->f_handle, handle.bytes.bytes.data(), handle.bytes.bytes.size());
  const Doing doing("looking at it", name);
  const int fd = open_by_handle_at(mount, wanted.get(), O_PATH | O_CLOEXEC);
  const int problem = errno;
  if (!root_.IsOwn()) close(mount);
  errno = problem;
  if (fd < 0) return {-1, name + ": " + std::strerror(errno)};
  struct stat status = {};
  if (fstat(fd, &status) == 0 && status.st_ino == handle.inode) return {fd, ""};
  close(fd);
  return {-1, name + ": its handle leads to another inode"};
}

WatchedInodes::Found WatchedInodes::Find(const std::optional<Text>& path,
                                         const std::optional<InodeHandle>& handle) {
  int there = -1, error = 0;
  for (const int flags : {0, O_NOFOLLOW}) {
    if (!path) break;
    const int fd = root_.Open(path->bytes, flags);
    if (fd < 0) error = errno;
    if (fd >= 0 && (!handle || Is(fd, *handle))) {
      if (there >= 0) close(there);
      return {fd, ""};
    }
    if (fd >= 0 && there < 0) {
      there = fd;
    } else if (fd >= 0) {
      close(fd);
    }
  }
  if (!handle) return {-1, path->bytes + ": " + PathErrorText(error)};
  Found by_handle = ByHandle(*handle, path);
  if (by_handle.fd < 0 && there >= 0) {
    return {there, path->bytes + " is another inode than when it was dumped"};
  }
  if (there >= 0) close(there);
  return by_handle;
}

}  // namespace crgen::preflight
