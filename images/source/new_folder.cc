// SPDX-License-Identifier: Apache-2.0
#include "images/source/new_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace crgen {

NewFolder::~NewFolder() {
  if (folder_.get() < 0 || kept_) return;
  for (const std::string& name : files_) unlinkat(folder_.get(), name.c_str(), 0);
  while (!folders_.empty()) {
    unlinkat(folder_.get(), folders_.back().c_str(), AT_REMOVEDIR);
    folders_.pop_back();
  }
  rmdir(path_.c_str());
}

Result NewFolder::Fail(const std::string& name, Diagnostics& diag) const {
  const int error = errno;
  return diag.Fail(
      path_ + (name.empty() ? "" : "/" + name),
      error == EEXIST ? "exists; expected the name of a new folder" : std::strerror(error));
}

Result NewFolder::Create(Diagnostics& diag) {
  while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
  if (mkdir(path_.c_str(), 0700) != 0) return Fail("", diag);
  folder_ = ScopedFd(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (folder_.get() < 0 || fstat(folder_.get(), &info) != 0) return Fail("", diag);
  if (info.st_uid == geteuid()) return Result::kOk;
  folder_ = ScopedFd();  // not ours to empty
  return diag.Fail(path_, "was replaced by somebody else");
}

Result NewFolder::Begin(const std::string& name, Diagnostics& diag) {
  file_name_ = name;
  for (std::size_t end = name.find('/'); end != name.npos; end = name.find('/', end + 1)) {
    const std::string folder = name.substr(0, end);
    if (mkdirat(folder_.get(), folder.c_str(), 0700) == 0) {
      folders_.push_back(folder);
    } else if (errno != EEXIST) {
      return Fail(folder, diag);
    }
  }
  file_ = ScopedFd(openat(folder_.get(), name.c_str(),
                          O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file_.get() < 0) return Fail(name, diag);
  files_.push_back(name);
  return Result::kOk;
}

Result NewFolder::Write(std::uint64_t offset, std::string_view bytes, Diagnostics& diag) {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Fail(file_name_, diag);
    offset += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Result::kOk;
}

Result NewFolder::End(std::uint64_t size, Diagnostics& diag) {
  const bool failed = ftruncate(file_.get(), static_cast<off_t>(size)) != 0;
  if (failed) return Fail(file_name_, diag);
  file_ = ScopedFd();
  return Result::kOk;
}

}  // namespace crgen
