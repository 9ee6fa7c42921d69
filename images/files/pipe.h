// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "images/files/file_loader.h"

namespace crgen {

/// pipes-data.img, fifo-data.img: what is queued in pipes or FIFOs, by pipe_id.
class PipeContents {
 public:
  /// `kind`: PIPES_DATA or FIFO_DATA.
  void Load(std::string_view kind, Loader& loader);
  /// Takes out the content of one; none: the image has no entry for it.
  std::optional<PipeContent> Take(std::uint32_t pipe_id);
  /// Whether every entry could be read.
  bool complete() const { return complete_; }
  /// Reports what belongs to nothing.
  void ReportRest(Loader& loader) const;

 private:
  struct Entry {
    std::string where;
    PipeContent content;
  };
  std::map<std::uint32_t, Entry> entries_;
  bool complete_ = true;
};

template <>
class FileLoaderOf<Pipe> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_PIPE;
  void LoadObjects(Loader& loader) override;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  struct Ends {
    std::string where;     ///< of its first description
    std::string plain[2];  ///< where the one that pipe(2) made is: to read, to write
    std::vector<std::uint32_t> descriptions;
    std::string read_at;   ///< a description that reads
    bool packets = false;  ///< somebody writes with O_DIRECT
    bool outside = false;
  };
  void FinishPipe(std::uint32_t pipe_id, const Ends& ends, Loader& loader);

  PipeContents contents_;
  std::set<std::uint32_t> outside_;  ///< pipes that a runtime has handed in
  std::map<std::uint32_t, Ends> pipes_;
};

template <>
class FileLoaderOf<Fifo> : public FileLoader {
 public:
  static constexpr std::uint32_t kType = pb::FD_FIFO;
  void LoadObjects(Loader& loader) override;
  Result Convert(const pb::file_entry& entry, const ImageReader& at, Loader& loader,
                 ConvertedFile* file) override;
  void Finish(Loader& loader) override;

 private:
  PipeContents contents_;
  std::map<std::uint32_t, std::string> fifos_;  ///< where a description reads from it
};

}  // namespace crgen
