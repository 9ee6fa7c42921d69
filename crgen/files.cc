// SPDX-License-Identifier: Apache-2.0
#include "crgen/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <stdexcept>

#include "crgen/confine.h"
#include "images/source/archive.h"

namespace crgen {

Result ReadWholeFile(const std::string& path, std::size_t most, const char* what, std::string* text,
                     Diagnostics& diag) {
  TextFile file(path);
  if (Failed(file.Open(diag))) return Result::kError;
  const ByteReader read = file.Reader();
  for (std::string piece(64 << 10, '\0');;) {
    const std::size_t got = read(piece);
    if (got == 0) break;
    text->append(piece, 0, got);
    if (text->size() > most) {
      return diag.Fail(path, "longer than " + std::to_string(most >> 20) + " MiB: no " + what);
    }
  }
  return file.Close(diag);
}

namespace {

/// All folders that a dump is read from, or the file that `input` is.
void AddPlaces(const std::string& input, std::vector<std::string>* places) {
  namespace fs = std::filesystem;
  places->push_back(input);
  if (!IsFolder(input)) return;
  std::set<std::string> known;  // parents may be a ring
  Diagnostics ignored;
  std::error_code error;
  for (fs::path folder = ImageFolder(input, ignored); !folder.empty(); folder /= "parent") {
    folder = fs::canonical(folder, error);
    if (error || !known.insert(folder.string()).second) return;
    places->push_back(folder.string());
  }
}

void WantConfined() {
  if (!IsConfined()) throw std::logic_error("what is not trusted was read without Confine()");
}

}  // namespace

void ConfineToReading(const std::vector<std::string>& inputs, const std::string& fill) {
  Access access;
  for (const std::string& input : inputs) {
    if (!input.empty() && input != "-") AddPlaces(input, &access.read);
  }
  if (!fill.empty()) access.fill.push_back(fill);
  Confine(access);
}

bool IsFolder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

bool IsRegularFile(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

bool IsDump(const std::string& path) {
  if (IsFolder(path)) return true;
  char first = '[';
  return IsRegularFile(path) && std::ifstream(path) >> first && first != '[';
}

TextFile::~TextFile() {
  if (fd_ >= 0) close(fd_);
}

Result TextFile::Open(Diagnostics& diag) {
  WantConfined();
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

std::string ImageFolder(const std::string& path, Diagnostics& diag) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto has = [](const fs::path& folder, const char* image) {
    std::error_code ignored;
    return fs::exists(folder / image, ignored);
  };
  constexpr const char* kFirst = "inventory.img";
  if (has(path, kFirst) || has(path, "pstree.img")) return path;
  // As container engines have it.
  if (has(fs::path(path) / "checkpoint", kFirst)) return fs::path(path) / "checkpoint";
  std::string found;
  bool any_image = false;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    any_image = any_image || at->path().extension() == ".img";
    if (!has(at->path(), kFirst)) continue;
    if (!found.empty()) {
      diag.Error(path, "is no dump, but has several: " + std::min(found, at->path().string()) +
                           ", " + std::max(found, at->path().string()) + " …");
      return "";
    }
    found = at->path();
  }
  if (error || any_image || !found.empty()) return found.empty() ? path : found;
  diag.Error(path,
             "has no images of CRIU (*.img): give the folder that `criu dump` has filled, the "
             "one above it, or an archive of it");
  return "";
}

std::unique_ptr<ImageSource> OpenDump(const std::string& path, Diagnostics& diag,
                                      NewFolder* extract, bool digests) {
  WantConfined();
  if (path.empty()) {
    diag.Error("DUMP", "is empty, expected a folder of images or an archive");
    return nullptr;
  }
  std::error_code error;
  if (char first = 0; IsRegularFile(path) && std::ifstream(path) >> first && first == '[') {
    diag.Error(path, "is a program, expected a dump: validate, plan, check and diff take programs");
    return nullptr;
  }
  if (std::filesystem::exists(path, error) && !IsFolder(path)) {
    return OpenArchive(path, extract, diag, digests);
  }
  const std::string folder = ImageFolder(path, diag);
  if (folder.empty()) return nullptr;
  if (extract != nullptr) {
    diag.Error("--extract", path + " is a folder, expected an archive: crrestore --images " +
                                folder + " reads it as it is");
    return nullptr;
  }
  return OpenFolder(folder, diag);
}

std::string IsFileName(const std::string& name) {
  return name.empty() ? "is empty, expected the name of a file" : "";
}

}  // namespace crgen
