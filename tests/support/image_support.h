// SPDX-License-Identifier: Apache-2.0
// Fixture dumps in memory, and dumps that differ from one in a single file.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "images/source/image_source.h"
#include "tests/support/lines.h"

namespace crgen {

namespace test {

/// The files of a dump; those of its parent set have `parent/` in front, and so on.
using Files = std::map<std::string, std::string>;

inline std::vector<std::string> FixtureNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline void AddFolder(const std::filesystem::path& folder, const std::string& prefix,
                      Files* files) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    (*files)[prefix + entry.path().filename().string()].assign(std::istreambuf_iterator<char>(in),
                                                               {});
  }
  const std::filesystem::path parent = folder / "parent";
  if (std::filesystem::is_directory(parent)) AddFolder(parent, prefix + "parent/", files);
}

inline Files ReadFixture(const std::string& name) {
  Files files;
  AddFolder(std::string(CRGEN_FIXTURES "/dumps/") + name, "", &files);
  return files;
}

/// `files`, where the file `changed` has the content `content`. Copies nothing.
class ChangedDump : public ImageSource {
 public:
  ChangedDump(const Files& files, std::string changed, const std::string& content,
              std::string prefix = "")
      : files_(files),
        changed_(std::move(changed)),
        content_(content),
        prefix_(std::move(prefix)) {}

  Result List(std::vector<std::string>* names, Diagnostics&) override {
    for (auto file = files_.lower_bound(prefix_);
         file != files_.end() && file->first.starts_with(prefix_); ++file) {
      const std::string name = file->first.substr(prefix_.size());
      if (name.find('/') == std::string::npos) names->push_back(name);
    }
    return Result::kOk;
  }
  Result Read(const std::string& name, std::string* content, Diagnostics& diag) override {
    const std::string* found = Find(name);
    if (found == nullptr) return diag.Fail(name, "no such file");
    *content = *found;
    return Result::kOk;
  }
  Result Size(const std::string& name, std::uint64_t* size, Diagnostics& diag) override {
    const std::string* found = Find(name);
    if (found == nullptr) return diag.Fail(name, "no such file");
    *size = found->size();
    return Result::kOk;
  }
  Result ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                Diagnostics& diag) override {
    const std::string* found = Find(name);
    if (found == nullptr) return diag.Fail(name, "no such file");
    if (offset > found->size() || out.size() > found->size() - offset) {
      return diag.Fail(name, "ends before byte " + std::to_string(offset + out.size()));
    }
    std::copy_n(found->data() + offset, out.size(), out.begin());
    return Result::kOk;
  }
  std::unique_ptr<ImageSource> Parent() override {
    const std::string prefix = prefix_ + "parent/";
    auto first = files_.lower_bound(prefix);
    if (first == files_.end() || !first->first.starts_with(prefix)) return nullptr;
    return std::make_unique<ChangedDump>(files_, changed_, content_, prefix);
  }

 private:
  const std::string* Find(const std::string& name) const {
    const std::string full = prefix_ + name;
    if (full == changed_) return &content_;
    auto found = files_.find(full);
    return found == files_.end() ? nullptr : &found->second;
  }

  const Files& files_;
  const std::string changed_;
  const std::string& content_;
  const std::string prefix_;
};

}  // namespace test
}  // namespace crgen
