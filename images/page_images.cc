// SPDX-License-Identifier: Apache-2.0
// The files of a dump as plans name them.
#include <atomic>
#include <thread>

#include "images/dump.h"

namespace crgen {
namespace {

/// Sets the digest of each file, several at once. What goes wrong stands beside it.
class DigestMaker {
 public:
  struct Task {
    ImageSource* set;
    std::string name;  ///< in that set
    ImageFile* file;
    Diagnostics diag = {};
  };

  explicit DigestMaker(std::vector<Task>& tasks) : tasks_(tasks) {}

  void Run(unsigned threads) {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads && i < tasks_.size(); ++i) {
      others.emplace_back([this] { Work(); });
    }
    Work();
  }

 private:
  void Work() {
    for (std::size_t i; (i = next_++) < tasks_.size();) {
      Task& task = tasks_[i];
      (void)task.set->DigestOf(task.name, &task.file->digest.emplace(), task.diag);
    }
  }

  std::vector<Task>& tasks_;
  std::atomic<std::size_t> next_ = 0;
};

}  // namespace

ImageSource* PageImages::SetOf(const std::string& image, std::string* name, Diagnostics& diag) {
  constexpr std::string_view kPrefix = "parent/";
  std::size_t depth = 0, at = 0;
  while (image.compare(at, kPrefix.size(), kPrefix) == 0) {
    at += kPrefix.size();
    ++depth;
  }
  while (parents_.size() < depth) {
    ImageSource& child = parents_.empty() ? source_ : *parents_.back();
    auto parent = child.Parent();
    if (parent == nullptr) {
      diag.Error(image, "there is no parent set");
      return nullptr;
    }
    parents_.push_back(std::move(parent));
  }
  *name = image.substr(at);
  return depth == 0 ? &source_ : parents_[depth - 1].get();
}

Result PageImages::Read(const std::string& image, std::uint64_t offset, std::span<char> out,
                        Diagnostics& diag) {
  std::string name;
  ImageSource* set = SetOf(image, &name, diag);
  return set == nullptr ? Result::kError : set->ReadAt(name, offset, out, diag);
}

std::uint64_t PageImages::HoleAt(const std::string& image, std::uint64_t offset) {
  std::string name;
  Diagnostics unread;  // whoever reads there is told
  ImageSource* set = SetOf(image, &name, unread);
  return set == nullptr ? 0 : set->HoleAt(name, offset);
}

PageReader PageReaderOf(ImageSource& source) {
  const auto pages = std::make_shared<PageImages>(source);
  return {[pages](const std::string& image, std::uint64_t offset, std::span<char> out,
                  Diagnostics& diag) { return pages->Read(image, offset, out, diag); },
          [pages](const std::string& image, std::uint64_t offset) {
            return pages->HoleAt(image, offset);
          }};
}

Result PageImages::Describe(const std::vector<std::string>& names, bool digests, unsigned threads,
                            std::vector<ImageFile>* files, Diagnostics& diag) {
  files->clear();
  files->reserve(names.size());  // tasks have addresses in it
  std::vector<DigestMaker::Task> tasks;
  bool good = true;
  for (const std::string& image : names) {
    ImageFile& file = files->emplace_back();
    file.name = image;
    std::string name;
    ImageSource* set = SetOf(image, &name, diag);
    if (set == nullptr || Failed(set->Size(name, &file.size, diag))) {
      good = false;
    } else if (digests) {
      tasks.push_back({set, std::move(name), &file});
    }
  }
  if (!good) return Result::kError;
  DigestMaker(tasks).Run(threads);
  for (const DigestMaker::Task& task : tasks) {
    diag.AddAll(task.diag);
    good = good && !task.diag.HasErrors();
  }
  return good ? Result::kOk : Result::kError;
}

}  // namespace crgen
