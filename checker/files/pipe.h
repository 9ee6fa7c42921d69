// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>

#include "checker/files/rules.h"

namespace crgen::check {

/// A pipe, or what is between all that have a FIFO open. Lives while a description refers to it.
struct PipeObject {
  PipeContent content;
};

/// pipe(2), open(2) of /proc/PID/fd, F_SETPIPE_SZ of fcntl(2).
template <>
class FileRules<Pipe> : public PlainRules<Pipe> {
 public:
  static constexpr bool kComesInPairs = true;

  std::optional<Refusal> Check(const File& file, const Pipe& pipe) const;
  std::optional<Refusal> CheckOpening(const Kernel&, const File& file, const Pipe& pipe,
                                      const File* peer) const;
  void Opened(const Kernel&, Description& description, const Pipe& pipe, Description* peer);
  bool ObjectLives(const Pipe& pipe) const;
  /// The content is compared with the pipe.
  void Compare(const std::string&, const Pipe&, const Pipe&, Diagnostics&) const {}
  std::string Text(const Pipe& pipe) const { return std::to_string(pipe.pipe_id.value); }

  /// Whether the pipe has been made, dead or alive.
  bool Knows(PipeId id) const { return pipes_.contains(id); }

 private:
  std::unordered_map<PipeId, std::weak_ptr<PipeObject>> pipes_;
};

/// fifo(7).
template <>
class FileRules<Fifo> : public PlainRules<Fifo> {
 public:
  std::optional<Refusal> Check(const File& file, const Fifo& fifo) const;
  std::optional<Refusal> CheckOpening(const Kernel& kernel, const File& file, const Fifo& fifo,
                                      const File* peer) const;
  void Opened(const Kernel&, Description& description, const Fifo& fifo, Description*);
  bool ObjectLives(const Fifo& fifo) const;
  void Compare(const std::string& where, const Fifo& expected, const Fifo& found,
               Diagnostics& diag) const {
    check::Compare(where, "file.path", expected.path, found.path, diag);
    check::Compare(where, "file.opened_by", expected.opened_by, found.opened_by, diag);
    // Where the dump does not say, it is that of who opens it.
    if (expected.mount) check::Compare(where, "file.mount", expected.mount, found.mount, diag);
  }
  std::string Text(const Fifo& fifo) const {
    return ValueText(fifo.path) + (fifo.unlinked ? " (deleted)" : "");
  }

 private:
  std::unordered_map<FifoId, std::weak_ptr<PipeObject>> fifos_;
};

}  // namespace crgen::check
