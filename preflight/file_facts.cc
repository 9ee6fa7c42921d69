// SPDX-License-Identifier: Apache-2.0
#include "preflight/file_facts.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "preflight/host_files.h"

namespace crgen {
namespace {

/// What the descriptor is of; empty: it has no name.
std::string NameOf(int fd) {
  char text[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), text, sizeof text);
  return size > 0 && *text == '/' ? std::string(text, static_cast<std::size_t>(size)) : "";
}

std::string NameBelow(int root, int fd) {
  std::string name = NameOf(fd);
  if (root < 0) return name;
  const std::string folder = NameOf(root);
  if (folder == "/" || !name.starts_with(folder)) return name;
  return name.size() == folder.size() ? "/" : name.substr(folder.size());
}

}  // namespace

FileFacts LookAtFile(int root, const std::string& path) {
  FileFacts facts;
  const int fd = root < 0 ? OpenPath(AT_FDCWD, path, 0, RESOLVE_NO_MAGICLINKS)
                          : OpenPath(root, path, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  struct stat status = {};
  if (fd < 0 || fstat(fd, &status) != 0) {
    facts.error = errno;
    if (fd >= 0) close(fd);
    return facts;
  }
  facts.mode = status.st_mode;
  facts.size = static_cast<std::uint64_t>(status.st_size);
  facts.leads_to = NameBelow(root, fd);
  const int readable = S_ISREG(status.st_mode) ? Reopen(fd, O_RDONLY) : -1;
  if (readable >= 0) {
    facts.build_id = BuildId(readable);
    close(readable);
  }
  close(fd);
  return facts;
}

bool SameBuildId(const std::string& here, const std::string& dumped) {
  if (here.empty() || !dumped.starts_with(here)) return false;
  return dumped.size() - here.size() < 4 &&
         dumped.find_first_not_of('\0', here.size()) == std::string::npos;
}

}  // namespace crgen
