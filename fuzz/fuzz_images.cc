// SPDX-License-Identifier: Apache-2.0
// A dump of which some images are anything: read, planned, and the plan executed. Whatever is read
// without an error and planned must be a program that ends in just that snapshot.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

#include "checker/check.h"
#include "crgen/losses.h"
#include "crgen/plan_images.h"
#include "dsl/json/program_json.h"
#include "fuzz/image_input.h"
#include "fuzz/require.h"
#include "generator/generate.h"
#include "images/dump.h"
#include "images/image_table.h"

namespace crgen::fuzz {
namespace {

void Try(const ImageInput& input) {
  test::Files files = input.base_dump().files;
  for (const ImageInput::Change& change : input.changes) {
    files[input.NameOf(change)] = change.content;
  }
  const std::unique_ptr<ImageSource> source = OpenMemory(std::move(files));
  Snapshot snapshot;
  Diagnostics diag;
  const Result loaded = LoadDump(*source, &snapshot, diag);
  Require(Failed(loaded) == diag.HasErrors(), "result and findings contradict each other", diag);
  for (const Diagnostic& entry : diag.entries()) {
    Require(!entry.where.empty() && !entry.what.empty(), "a finding without place or cause", diag);
  }
  if (Failed(loaded) || diag.HasEssential()) return;

  PageImages pages(*source);
  const PageReader read = PageReaderOf(*source);
  const GenerateOptions options = {AboutPlan(diag, snapshot)};
  Program program;
  Diagnostics findings;
  if (GenerateProgram(snapshot, options, read, &program, findings) != GenerateOutcome::kOk) {
    Require(findings.HasErrors(), "no program and no reason");
    return;
  }
  Require(BindToImages(&program, pages, true, 1, findings) == Result::kOk,
          "images that cannot be read", findings);
  const std::string text = WriteProgram(program, Layout::kLines);
  Program again;
  Require(ReadProgram(text, "plan", &again, findings) == Result::kOk,
          "the program is not read:\n" + text, findings);
  Require(WriteProgram(again, Layout::kLines) == text, "the program is read as another one");
  SimulatedState state;
  Require(CheckProgram(again, &state, findings) == Result::kOk, "the program is wrong:\n" + text,
          findings);
  Require(PrepareTree(snapshot.tree, &snapshot.tree, findings) == Result::kOk,
          "a tree that is refused", findings);
  Require(CompareWithSnapshot(state, snapshot, read, findings) == Result::kOk,
          "the program ends elsewhere:\n" + text, findings);
}

}  // namespace
}  // namespace crgen::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  crgen::fuzz::Try(crgen::fuzz::ImageInput::Decode({reinterpret_cast<const char*>(data), size}));
  return 0;
}

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace crgen::fuzz {
namespace {

constexpr std::size_t kLargestEntry = 1 << 14;

/// An image in its parts: what is before the entries, the entries without their sizes, and what
/// does not look like one.
struct Framed {
  std::string head;
  std::vector<std::string> entries;
  std::string rest;

  explicit Framed(const std::string& image) {
    std::uint32_t word = 0;
    auto read_word = [&](std::size_t at) {
      if (image.size() < at + sizeof word) return false;
      std::memcpy(&word, image.data() + at, sizeof word);
      return true;
    };
    std::size_t at = read_word(0) && word == kCommonMagic ? 8 : 4;
    at = std::min(at, image.size());
    head = image.substr(0, at);
    while (read_word(at) && word <= image.size() - at - sizeof word) {
      entries.push_back(image.substr(at + sizeof word, word));
      at += sizeof word + word;
    }
    rest = image.substr(at);
  }

  std::string Join() const {
    std::string image = head;
    for (const std::string& entry : entries) {
      const auto size = static_cast<std::uint32_t>(entry.size());
      image.append(reinterpret_cast<const char*>(&size), sizeof size);
      image += entry;
    }
    return image + rest;
  }
};

std::string MutateBytes(std::string bytes) {
  const std::size_t most = std::max(kLargestEntry, bytes.size());
  const std::size_t size = bytes.size();
  bytes.resize(most);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, most));
  return bytes;
}

}  // namespace
}  // namespace crgen::fuzz

/// Changes one entry of an image and keeps the framing: else hardly anything would get past it.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  using namespace crgen::fuzz;  // NOLINT: the function cannot stand in it
  std::minstd_rand random(seed);
  const unsigned choice = random() % 16;
  if (choice == 0) return LLVMFuzzerMutate(data, size, most);
  ImageInput input = ImageInput::Decode({reinterpret_cast<const char*>(data), size});
  if (input.changes.empty() || choice == 1) {
    const Base& dump = input.base_dump();
    const std::size_t image = random() % dump.images.size();
    input.changes.push_back({static_cast<std::uint8_t>(image), dump.files.at(dump.images[image])});
  }
  ImageInput::Change& change = input.changes[random() % input.changes.size()];
  Framed framed(change.content);
  if (framed.entries.empty() || choice == 2) {
    change.content = MutateBytes(change.content);
  } else {
    const std::size_t one = random() % framed.entries.size();
    const std::size_t other = random() % framed.entries.size();
    if (choice == 3) framed.entries.push_back(framed.entries[one]);
    if (choice == 4)
      framed.entries.erase(framed.entries.begin() + static_cast<std::ptrdiff_t>(one));
    if (choice == 5) std::swap(framed.entries[one], framed.entries[other]);
    if (choice > 5) framed.entries[one] = MutateBytes(framed.entries[one]);
    change.content = framed.Join();
  }
  const std::string bytes = input.Encode();
  const std::size_t length = std::min(bytes.size(), most);
  std::memcpy(data, bytes.data(), length);
  return length;
}
