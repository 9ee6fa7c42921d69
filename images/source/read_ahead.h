// SPDX-License-Identifier: Apache-2.0
// Threads that read files before they are asked for: most of the time of reading a dump goes into
// opening its many small files.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "images/source/image_source.h"

namespace crgen {

/// Reads a list of files in its order. One thread takes them over, in any order.
class ReadAhead {
 public:
  /// `source` and the names must outlive it; `source` is read by several threads at once.
  ReadAhead(ImageSource& source, std::vector<const std::string*> names, unsigned threads);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Moves the content of file `index` to `*content`, whose buffer is reused, once. False: no
  /// thread has it, nor will have it; the caller is to read it.
  bool Take(std::size_t index, std::string* content);

 private:
  enum State : int {
    kWaiting,  ///< for a thread, or for Take()
    kReading,
    kRead,
    kLeft,  ///< to the caller
  };
  struct File {
    const std::string* name;
    std::atomic<int> state = kWaiting;
    std::string content;
  };

  void Run();
  void Read(File& file);

  ImageSource& source_;
  std::vector<File> files_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::int64_t> held_ = 0;  // bytes that are read and not taken over
  std::atomic<bool> stopped_ = false;
  std::mutex spare_mutex_;
  std::vector<std::string> spare_;  // buffers to read into
  std::vector<std::jthread> threads_;
};

}  // namespace crgen
