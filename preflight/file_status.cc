// SPDX-License-Identifier: Apache-2.0
#include "preflight/file_status.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <iomanip>
#include <sstream>

namespace crgen::preflight {

std::string FileStatus::Text() const {
  std::ostringstream text;
  if (error != 0) {
    text << "error " << error;
  } else {
    text << "mode 0" << std::oct << mode << std::dec << " size " << size << " special " << special
         << " device " << device << " inode " << inode << " uid " << uid;
  }
  return text.str();
}

FileStatus FileStatus::Of(const std::string& text) {
  FileStatus status;
  std::istringstream words(text);
  std::string word;
  int error = 0;
  if (text.starts_with("error ") && words >> word >> error && error > 0) {
    status.error = error;
    return status;
  }
  const auto member = [&](const char* name, auto* value) {
    return static_cast<bool>(words >> word >> *value) && word == name;
  };
  words >> std::oct;
  const bool has_mode = member("mode", &status.mode);
  words >> std::dec;
  if (has_mode && member("size", &status.size) && member("special", &status.special) &&
      member("device", &status.device) && member("inode", &status.inode) &&
      member("uid", &status.uid)) {
    status.error = 0;
  }
  return status;
}

std::string ModeText(unsigned mode) {
  char text[16];
  std::snprintf(text, sizeof text, "0%o", mode);
  return text;
}

FileStatus StatusOf(int fd, int error) {
  FileStatus status;
  struct stat found = {};
  if (fd < 0 || fstat(fd, &found) != 0) {
    status.error = fd < 0 ? error : errno;
    return status;
  }
  return {0,
          found.st_mode,
          static_cast<std::uint64_t>(found.st_size),
          found.st_rdev,
          found.st_dev,
          found.st_ino,
          found.st_uid};
}

}  // namespace crgen::preflight
