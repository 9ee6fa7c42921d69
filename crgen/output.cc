// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include "crgen/files.h"

namespace crgen {
namespace {

constexpr int kOwnDescriptors = 1024;
constexpr std::size_t kMaxHeld = 32 << 20;

bool has_printed = false;

/// Who removes the temporary file of this program.
Outside* unfinished = nullptr;

extern "C" void RemoveUnfinished(int signal) {
  if (unfinished != nullptr) unfinished->End();
  raise(signal);  // with its default action, as soon as this returns
}

void RemoveOnSignals(Outside* outside) {
  unfinished = outside;
  struct sigaction action = {};
  action.sa_handler = RemoveUnfinished;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ}) {
    struct sigaction old = {};
    const bool ignored = sigaction(signal, nullptr, &old) == 0 && old.sa_handler == SIG_IGN;
    if (!ignored) sigaction(signal, &action, nullptr);
  }
}

/// What `path` stands for once all links are followed, the last of which may lead to nothing.
/// False: ELOOP or the like, in errno.
bool FollowLinks(std::string* path) {
  constexpr int kMostLinks = 40;  // of path_resolution(7)
  std::error_code error;
  for (int links = 0; std::filesystem::is_symlink(*path, error); ++links) {
    const std::filesystem::path to = std::filesystem::read_symlink(*path, error);
    if (links == kMostLinks || error) {
      errno = links == kMostLinks ? ELOOP : error.value();
      return false;
    }
    *path = (std::filesystem::path(*path).parent_path() / to).string();
  }
  return true;
}

}  // namespace

bool Output::HasPrinted() { return has_printed; }

Output::~Output() {
  if (fd_ != STDOUT_FILENO && fd_ >= 0) close(fd_);
  outside_.End();
  if (unfinished == &outside_) unfinished = nullptr;
}

Result Output::Fail(Diagnostics& diag) const {
  return diag.Fail(path_.empty() ? "standard output" : path_, std::strerror(errno));
}

Result Output::Open(Diagnostics& diag) {
  if (path_.empty()) return Result::kOk;
  struct stat there;
  const bool exists = stat(path_.c_str(), &there) == 0;
  if (!exists && errno != ENOENT) return Fail(diag);
  if (exists && (!S_ISREG(there.st_mode) || there.st_nlink == 0)) return OpenItself(there, diag);
  std::string target = path_;
  if (!FollowLinks(&target)) return Fail(diag);
  return OpenBeside(target, exists ? &there : nullptr, diag);
}

Result Output::OpenItself(const struct stat& there, Diagnostics& diag) {
  fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  truncate_ = S_ISREG(there.st_mode);
  // /dev/stdout may be a socket, which nobody can open.
  for (int own = 0; fd_ < 0 && errno == ENXIO && own < kOwnDescriptors; ++own) {
    struct stat status;
    const bool same =
        fstat(own, &status) == 0 && status.st_dev == there.st_dev && status.st_ino == there.st_ino;
    if (same) fd_ = fcntl(own, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (!same) errno = ENXIO;
  }
  return fd_ < 0 ? Fail(diag) : Result::kOk;
}

Result Output::OpenBeside(const std::string& target, const struct stat* there, Diagnostics& diag) {
  temporary_ = target + ".XXXXXX";
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);  // 0600
  if (fd_ < 0) {
    temporary_.clear();
    return Fail(diag);
  }
  const auto renamed = std::make_shared<bool>(false);
  const auto rename_it = [renamed, from = temporary_, to = target](std::string_view) {
    *renamed = *renamed || rename(from.c_str(), to.c_str()) == 0;
    return std::to_string(*renamed ? 0 : errno);
  };
  const auto remove_it = [renamed, path = temporary_] {
    if (!*renamed) unlink(path.c_str());
  };
  if (!outside_.Begin(rename_it, remove_it)) {
    const int error = errno;
    unlink(temporary_.c_str());
    errno = error;
    return Fail(diag);
  }
  RemoveOnSignals(&outside_);
  if (there == nullptr) return Result::kOk;
  // Who may not give files away keeps the file, and then shows it to nobody else.
  if (fchown(fd_, there->st_uid, there->st_gid) != 0) return Result::kOk;
  return fchmod(fd_, there->st_mode & 0777) == 0 ? Result::kOk : Fail(diag);
}

Result Output::Write(std::string_view text, Diagnostics& diag) {
  // A file does not appear before Commit() anyway.
  if (!verdict_ || !temporary_.empty()) return WriteNow(text, diag);
  held_.emplace_back(text);
  held_bytes_ += text.size();
  return held_bytes_ < kMaxHeld ? Result::kOk : AskAndWriteHeld(diag);
}

Result Output::AskAndWriteHeld(Diagnostics& diag) {
  if (!verdict_) return Result::kOk;
  const std::function<Result()> verdict = std::exchange(verdict_, {});
  if (Failed(verdict())) return Result::kError;
  for (const std::string& piece : std::exchange(held_, {})) {
    if (Failed(WriteNow(piece, diag))) return Result::kError;
  }
  return Result::kOk;
}

Result Output::WriteNow(std::string_view text, Diagnostics& diag) {
  if (std::exchange(truncate_, false) && ftruncate(fd_, 0) != 0) return Fail(diag);
  if (fd_ == STDOUT_FILENO) has_printed = true;
  while (!text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    reader_gone_ = written < 0 && errno == EPIPE;
    if (written < 0) return Fail(diag);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return Result::kOk;
}

Result Output::Skip(std::uint64_t zeros, Diagnostics& diag) {
  if (!temporary_.empty()) {
    const auto limit = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
    const off_t at = lseek(fd_, 0, SEEK_CUR);
    if (at < 0) return Fail(diag);
    if (zeros > limit - static_cast<std::uint64_t>(at)) {
      errno = EFBIG;
      return Fail(diag);
    }
    const off_t end = at + static_cast<off_t>(zeros);
    return ftruncate(fd_, end) == 0 && lseek(fd_, end, SEEK_SET) == end ? Result::kOk : Fail(diag);
  }
  const std::string piece(std::min<std::uint64_t>(zeros, 1 << 16), '\0');
  for (; zeros != 0; zeros -= std::min<std::uint64_t>(zeros, piece.size())) {
    const std::size_t size = std::min<std::uint64_t>(zeros, piece.size());
    if (Failed(WriteNow(std::string_view(piece).substr(0, size), diag))) return Result::kError;
  }
  return Result::kOk;
}

Result Output::Commit(Diagnostics& diag) {
  if (Failed(AskAndWriteHeld(diag))) return Result::kError;
  if (temporary_.empty()) return Result::kOk;
  if (fsync(fd_) != 0) return Fail(diag);
  const auto renamed = outside_.Ask("");
  errno = renamed ? std::atoi(renamed->c_str()) : ECHILD;
  return errno == 0 ? Result::kOk : Fail(diag);
}

Result PrintText(std::string_view text, Diagnostics& diag) {
  Output output("");
  Diagnostics failure;
  if (Succeeded(output.Write(text, failure)) || output.ReaderGone()) return Result::kOk;
  diag.AddAll(failure);
  return Result::kError;
}

}  // namespace crgen
