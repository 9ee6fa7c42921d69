#include "crgen/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>

namespace crgen {

bool IsFolder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

TextFile::~TextFile() {
  if (fd_ >= 0) close(fd_);
}

Result TextFile::Open(Diagnostics& diag) {
  fd_ = path_ == "-" ? dup(STDIN_FILENO) : open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return diag.Fail(path_, std::strerror(errno));
  if (!IsFolder(path_)) return Result::kOk;
  return diag.Fail(path_,
                   "is a folder, expected a file; `crgen " + path_ + "` prints the plan of a dump");
}

ByteReader TextFile::Reader() {
  return [this](std::span<char> out) -> std::size_t {
    while (true) {
      const ssize_t got = read(fd_, out.data(), out.size());
      if (got > 0) empty_ = false;
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      error_ = errno;
      return 0;
    }
  };
}

Result TextFile::Close(Diagnostics& diag) {
  return error_ != 0 ? diag.Fail(path_, std::strerror(error_)) : Result::kOk;
}

std::unique_ptr<ImageSource> OpenDump(const std::string& path, Diagnostics& diag) {
  constexpr const char* kFirst = "inventory.img";
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path, error) && !IsFolder(path)) {
    diag.Error(path, "is a file, expected the folder of a dump; unpack an archive first");
    return nullptr;
  }
  if (!fs::exists(fs::path(path) / kFirst, error)) {
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (!fs::exists(at->path() / kFirst, ignored)) continue;
      diag.Error(path, "is no dump, but " + at->path().string() + " is one");
      return nullptr;
    }
  }
  return OpenFolder(path, diag);
}

}  // namespace crgen
