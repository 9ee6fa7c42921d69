// SPDX-License-Identifier: Apache-2.0
#include "images/source/image_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "images/source/scoped_fd.h"

namespace crgen {
namespace {

std::string ErrnoText() { return std::strerror(errno); }

/// Images are read whole, and protobuf counts their bytes in an int.
constexpr std::uint64_t kMaxImage = (std::uint64_t{1} << 31) - 1;

/// A framed image is written from end to end; the holes of a file that was copied sparsely are
/// few. Memory and work follow what is there, not a size that somebody claims.
constexpr std::uint64_t kMaxHoles = 1 << 20;

/// Bytes of a file that are not there, or more than kMaxHoles of them.
std::uint64_t HolesOf(int fd, std::uint64_t size) {
  std::uint64_t holes = 0;
  const auto end = static_cast<off_t>(size);
  for (off_t at = 0; at < end && holes <= kMaxHoles;) {
    const off_t hole = lseek(fd, at, SEEK_HOLE);
    if (hole < 0 || hole >= end) break;
    off_t data = lseek(fd, hole, SEEK_DATA);
    if (data < 0) data = end;
    holes += static_cast<std::uint64_t>(data - hole);
    at = data;
  }
  lseek(fd, 0, SEEK_SET);
  return holes;
}

/// What makes two paths the same folder.
struct FolderId {
  dev_t device;
  ino_t inode;
  friend bool operator==(const FolderId&, const FolderId&) = default;
};

class FolderSource : public ImageSource {
 public:
  /// `children`: the folders whose `parent` links lead here.
  FolderSource(std::string path, ScopedFd folder, std::vector<FolderId> children)
      : path_(std::move(path)), folder_(std::move(folder)), children_(std::move(children)) {}

  Result List(std::vector<std::string>* names, Diagnostics& diag) override;
  Result Read(const std::string& name, std::string* content, Diagnostics& diag) override;
  Result Size(const std::string& name, std::uint64_t* size, Diagnostics& diag) override;
  Result ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                Diagnostics& diag) override;
  std::uint64_t HoleAt(const std::string& name, std::uint64_t offset) override;
  std::unique_ptr<ImageSource> Parent() override;
  Result DigestOf(const std::string& name, Digest* digest, Diagnostics& diag) override;

 private:
  Result Open(const std::string& name, ScopedFd* fd, std::uint64_t* size, Diagnostics& diag);

  std::string path_;
  ScopedFd folder_;
  std::vector<FolderId> children_;
  // Comparing pages goes back and forth between two images.
  struct OpenImage {
    std::string name;
    ScopedFd fd;
    std::uint64_t size = 0;
  };
  /// Null: it cannot be opened.
  OpenImage* Recent(const std::string& name, Diagnostics& diag);
  OpenImage recent_[2];
  int next_recent_ = 0;
};

Result FolderSource::Open(const std::string& name, ScopedFd* fd, std::uint64_t* size,
                          Diagnostics& diag) {
  // O_NONBLOCK: a FIFO of that name must not hang us before it is refused.
  *fd = ScopedFd(openat(folder_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (fd->get() < 0 || fstat(fd->get(), &info) != 0) {
    const int error = errno;
    const bool link = fstatat(folder_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISLNK(info.st_mode);
    const bool leads_out = link && error == EACCES;  // of Landlock, which crgen reads dumps under
    return diag.Fail(name, leads_out ? "is a link that leads out of the dump, and is not followed"
                                     : std::strerror(error));
  }
  if (!S_ISREG(info.st_mode)) return diag.Fail(name, "is not a regular file");
  *size = static_cast<std::uint64_t>(info.st_size);
  return Result::kOk;
}

Result FolderSource::List(std::vector<std::string>* names, Diagnostics& diag) {
  // A second descriptor: fdopendir() takes it over.
  DIR* dir = fdopendir(openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir == nullptr) return diag.Fail(path_, ErrnoText());
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names->emplace_back(name);
  }
  closedir(dir);
  return Result::kOk;
}

Result FolderSource::Read(const std::string& name, std::string* content, Diagnostics& diag) {
  ScopedFd fd;
  std::uint64_t size = 0;
  if (Failed(Open(name, &fd, &size, diag))) return Result::kError;
  if (size > kMaxImage) {
    return diag.Fail(name, "has " + std::to_string(size) + " bytes, expected at most " +
                               std::to_string(kMaxImage));
  }
  if (size > kMaxHoles && HolesOf(fd.get(), size) > kMaxHoles) {
    return diag.Fail(
        name, "has more than " + std::to_string(kMaxHoles) + " bytes of holes, which no image has");
  }
  content->resize(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = read(fd.get(), content->data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return diag.Fail(name, ErrnoText());
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content->resize(done);
  return Result::kOk;
}

Result FolderSource::Size(const std::string& name, std::uint64_t* size, Diagnostics& diag) {
  struct stat info;
  if (fstatat(folder_.get(), name.c_str(), &info, 0) != 0) return diag.Fail(name, ErrnoText());
  if (!S_ISREG(info.st_mode)) return diag.Fail(name, "is not a regular file");
  *size = static_cast<std::uint64_t>(info.st_size);
  return Result::kOk;
}

FolderSource::OpenImage* FolderSource::Recent(const std::string& name, Diagnostics& diag) {
  for (OpenImage& image : recent_) {
    if (image.name == name) return &image;
  }
  OpenImage& image = recent_[next_recent_];
  next_recent_ ^= 1;
  image.name.clear();
  if (Failed(Open(name, &image.fd, &image.size, diag))) return nullptr;
  image.name = name;
  return &image;
}

std::uint64_t FolderSource::HoleAt(const std::string& name, std::uint64_t offset) {
  Diagnostics unread;  // whoever reads there is told
  const OpenImage* image = Recent(name, unread);
  if (image == nullptr || offset >= image->size) return 0;
  const off_t data = lseek(image->fd.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? image->size - offset : 0;
  return static_cast<std::uint64_t>(data) - offset;
}

Result FolderSource::ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                            Diagnostics& diag) {
  const OpenImage* image = Recent(name, diag);
  if (image == nullptr) return Result::kError;
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = pread(image->fd.get(), out.data() + done, out.size() - done,
                              static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return diag.Fail(name, ErrnoText());
    if (got == 0) {
      return diag.Fail(name, "ends before byte " + std::to_string(offset + out.size()));
    }
    done += static_cast<std::size_t>(got);
  }
  return Result::kOk;
}

std::unique_ptr<ImageSource> FolderSource::Parent() {
  ScopedFd parent(openat(folder_.get(), "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat own, other;
  if (parent.get() < 0 || fstat(folder_.get(), &own) != 0 || fstat(parent.get(), &other) != 0) {
    return nullptr;
  }
  std::vector<FolderId> children = children_;
  children.push_back({own.st_dev, own.st_ino});
  const FolderId id{other.st_dev, other.st_ino};
  if (std::find(children.begin(), children.end(), id) != children.end()) return nullptr;  // a ring
  return std::make_unique<FolderSource>(path_ + "/parent", std::move(parent), std::move(children));
}

Result FolderSource::DigestOf(const std::string& name, Digest* digest, Diagnostics& diag) {
  ScopedFd fd;
  std::uint64_t size = 0;
  if (Failed(Open(name, &fd, &size, diag))) return Result::kError;
  return DigestOfFile(fd.get(), digest) ? Result::kOk : diag.Fail(name, ErrnoText());
}

class MemorySource : public ImageSource {
 public:
  explicit MemorySource(std::map<std::string, std::string> files) : files_(std::move(files)) {}

  Result List(std::vector<std::string>* names, Diagnostics&) override {
    for (const auto& [name, content] : files_) {
      if (name.find('/') == std::string::npos) names->push_back(name);
    }
    return Result::kOk;
  }
  Result Read(const std::string& name, std::string* content, Diagnostics& diag) override {
    auto file = files_.find(name);
    if (file == files_.end()) return diag.Fail(name, "no such file");
    *content = file->second;
    return Result::kOk;
  }
  Result Size(const std::string& name, std::uint64_t* size, Diagnostics& diag) override {
    auto file = files_.find(name);
    if (file == files_.end()) return diag.Fail(name, "no such file");
    *size = file->second.size();
    return Result::kOk;
  }
  Result ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                Diagnostics& diag) override {
    auto file = files_.find(name);
    if (file == files_.end()) return diag.Fail(name, "no such file");
    if (offset > file->second.size() || out.size() > file->second.size() - offset) {
      return diag.Fail(name, "ends before byte " + std::to_string(offset + out.size()));
    }
    std::copy_n(file->second.begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                out.begin());
    return Result::kOk;
  }
  std::unique_ptr<ImageSource> Parent() override {
    constexpr std::string_view kPrefix = "parent/";
    std::map<std::string, std::string> files;
    for (const auto& [name, content] : files_) {
      if (name.starts_with(kPrefix)) files[name.substr(kPrefix.size())] = content;
    }
    return files.empty() ? nullptr : std::make_unique<MemorySource>(std::move(files));
  }

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace

std::uint64_t ImageSource::HoleAt(const std::string&, std::uint64_t) { return 0; }

Result ImageSource::DigestOf(const std::string& name, Digest* digest, Diagnostics& diag) {
  constexpr std::uint64_t kPiece = std::uint64_t{256} * 1024;
  std::uint64_t size = 0;
  if (Failed(Size(name, &size, diag))) return Result::kError;
  std::vector<char> piece(std::min(size, kPiece));
  Sha256 sum;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min(size - at, kPiece));
    if (Failed(ReadAt(name, at, piece, diag))) return Result::kError;
    sum.Add(piece);
  }
  *digest = sum.Finish();
  return Result::kOk;
}

std::unique_ptr<ImageSource> OpenFolder(const std::string& path, Diagnostics& diag) {
  ScopedFd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) {
    diag.Error(path, ErrnoText());
    return nullptr;
  }
  return std::make_unique<FolderSource>(path, std::move(folder), std::vector<FolderId>());
}

std::unique_ptr<ImageSource> OpenMemory(std::map<std::string, std::string> files) {
  return std::make_unique<MemorySource>(std::move(files));
}

}  // namespace crgen
