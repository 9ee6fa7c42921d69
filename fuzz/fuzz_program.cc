// SPDX-License-Identifier: Apache-2.0
// The text of a program through reader, checker, warnings and writer. What is read must be written
// as text that is read as the same program, and a program does the same every time it is executed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "checker/check.h"
#include "checker/warnings.h"
#include "dsl/json/program_json.h"
#include "fuzz/require.h"

using crgen::fuzz::Require;

namespace {

std::string Rewritten(const std::string& text) {
  crgen::Program program;
  crgen::Diagnostics diag;
  Require(crgen::ReadProgram(text, "written", &program, diag) == crgen::Result::kOk,
          "what was written is not read", diag);
  return crgen::WriteProgram(program, crgen::Layout::kLines);
}

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size() - 1);
    lines.emplace_back(text.substr(start, end + 1 - start));
    start = end + 1;
  }
  return lines;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Where runs of digits are in `text`, as begin and length.
std::vector<std::pair<std::size_t, std::size_t>> Numbers(std::string_view text) {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t start = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    if (at != start) found.emplace_back(start, at - start);
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  crgen::Program program;
  crgen::Diagnostics diag;
  const crgen::Result read = crgen::ReadProgram(text, "plan", &program, diag);
  Require(Failed(read) == diag.HasErrors(), "result and findings contradict each other", diag);
  if (Failed(read)) return 0;

  const std::string written = crgen::WriteProgram(program, crgen::Layout::kLines);
  Require(Rewritten(written) == written, "written anew it is another program:\n" + written);

  crgen::SimulatedState state;
  const crgen::Result checked = crgen::CheckProgram(program, &state, diag);
  Require(Failed(checked) == diag.HasErrors(), "result and findings contradict each other", diag);
  const std::string end = DescribeState(state);
  if (Failed(checked)) return 0;
  crgen::FindSuspects(program, state, nullptr, diag);
  Require(!diag.HasErrors(), "a warning is an error", diag);

  crgen::SimulatedState again;
  Require(crgen::CheckProgram(program, &again, diag) == crgen::Result::kOk &&
              DescribeState(again) == end,
          "executed again it ends elsewhere", diag);
  return 0;
}

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// Programs have a command a line: lines change places, numbers become other numbers of the text.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  std::minstd_rand random(seed);
  std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines = LinesOf(text);
  const auto numbers = Numbers(text);
  auto pick = [&](std::size_t count) { return random() % count; };
  const unsigned choice = random() % 8;
  if (choice < 3 && !numbers.empty()) {
    const auto [to, to_size] = numbers[pick(numbers.size())];
    const auto [from, from_size] = numbers[pick(numbers.size())];
    text.replace(to, to_size, text.substr(from, from_size));
  } else if (choice < 6 && lines.size() > 2) {
    const std::size_t one = pick(lines.size()), other = pick(lines.size());
    if (choice == 3) lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(other), lines[one]);
    if (choice == 4) lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(one));
    if (choice == 5) std::swap(lines[one], lines[other]);
    text.clear();
    for (const std::string& line : lines) text += line;
  } else {
    return LLVMFuzzerMutate(data, size, most);
  }
  const std::size_t length = std::min(text.size(), most);
  std::copy_n(text.data(), length, reinterpret_cast<char*>(data));
  return length;
}
