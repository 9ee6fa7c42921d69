// SPDX-License-Identifier: Apache-2.0
// A file that an option names: read from its start to its end, without waiting longer than
// --timeout allows (preflight/doing.h).
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace crgen::restorer {

class InputFile {
 public:
  /// Whether a FIFO with a name, into which perhaps nobody ever writes, may be read from.
  enum class Fifo { kRefuse, kWait };

  /// `name`: its path, or what it is called.
  explicit InputFile(const std::string& name) : name_(name) {}
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  /// Opens the path: a regular file, a pipe (/dev/fd/N), a terminal. What it is instead, or why
  /// that fails; empty: it is open.
  std::string Open(Fifo fifo);
  /// Reads from a descriptor that stays open.
  void Take(int fd) { fd_ = fd; }

  /// Fills `out`, except at the end or where reading fails; how many bytes.
  std::size_t Read(std::span<char> out);
  int error() const { return error_; }  ///< errno of what has failed; 0: nothing has
  bool is_folder() const { return is_folder_; }

 private:
  std::string name_;
  int fd_ = -1, error_ = 0;
  bool is_folder_ = false, owned_ = false;
};

}  // namespace crgen::restorer
