// SPDX-License-Identifier: Apache-2.0
// What an input of the image fuzzer says: a fixture, and images that take the place of its own.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/image_support.h"

namespace crgen::fuzz {

/// A fixture and the names of its images that can be changed: all but those that hold raw pages.
struct Base {
  explicit Base(const std::string& name) : files(test::ReadFixture(name)) {
    for (const auto& [file, content] : files) {
      if (file.find("pages-") == std::string::npos) images.push_back(file);
    }
  }

  test::Files files;
  std::vector<std::string> images;
};

/// All fixtures, in the order of their names; an input has the index of one, modulo their number.
inline const std::vector<Base>& Bases() {
  static const std::vector<Base> bases = [] {
    std::vector<Base> all;
    for (const std::string& name : test::FixtureNames()) all.emplace_back(name);
    return all;
  }();
  return bases;
}

/// As bytes: the base, then for each change the image's index, the size in four bytes, the content.
/// Any bytes are an input: indices are taken modulo, the last content is what is left.
struct ImageInput {
  struct Change {
    std::uint8_t image = 0;
    std::string content;
  };
  std::uint8_t base = 0;
  std::vector<Change> changes;

  const Base& base_dump() const { return Bases()[base % Bases().size()]; }
  const std::string& NameOf(const Change& change) const {
    const Base& dump = base_dump();
    return dump.images[change.image % dump.images.size()];
  }

  static ImageInput Decode(std::string_view bytes) {
    ImageInput input;
    if (bytes.empty()) return input;
    input.base = static_cast<std::uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    while (bytes.size() >= 5) {
      std::uint32_t size = 0;
      std::memcpy(&size, bytes.data() + 1, sizeof size);
      input.changes.push_back(
          {static_cast<std::uint8_t>(bytes[0]), std::string(bytes.substr(5, size))});
      bytes.remove_prefix(5 + input.changes.back().content.size());
    }
    return input;
  }

  std::string Encode() const {
    std::string bytes(1, static_cast<char>(base));
    for (const Change& change : changes) {
      const auto size = static_cast<std::uint32_t>(change.content.size());
      bytes += static_cast<char>(change.image);
      bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
      bytes += change.content;
    }
    return bytes;
  }
};

}  // namespace crgen::fuzz
