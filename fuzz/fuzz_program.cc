// SPDX-License-Identifier: Apache-2.0
// The text of a program through reader, checker, warnings and writer. What is read must be written
// as text that is read as the same program, likewise as bytes, and a program does the same every
// time it is executed.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "checker/check.h"
#include "checker/warnings.h"
#include "crgen/program_bytes.h"
#include "dsl/json/program_json.h"
#include "fuzz/program_mutator.h"
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

void ReadAnything(std::string_view bytes) {
  crgen::Program program;
  if (!crgen::ReadProgramBytes(bytes, &program)) return;
  crgen::SimulatedState state;
  crgen::Diagnostics diag;
  const crgen::Result checked = crgen::CheckProgram(program, &state, diag);
  Require(Failed(checked) == diag.HasErrors(), "result and findings contradict each other", diag);
}

/// The form in which programs go from one process to another: what is made of a program is read as
/// that program; what is damaged, or anything else, is refused or has the form of a program.
void TryBytes(const crgen::Program& program, const std::string& written) {
  std::string bytes = crgen::ProgramBytes(program);
  crgen::Program again;
  Require(crgen::ReadProgramBytes(bytes, &again) &&
              crgen::WriteProgram(again, crgen::Layout::kLines) == written,
          "as bytes it is another program:\n" + written);
  std::minstd_rand random(static_cast<unsigned>(bytes.size()));
  for (int round = 0; round < 4 && !bytes.empty(); ++round) {
    std::string damaged = bytes;
    damaged[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    if (random() % 4 == 0) damaged.resize(random() % bytes.size());
    ReadAnything(damaged);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  crgen::Program program;
  crgen::Diagnostics diag;
  const crgen::Result read = crgen::ReadProgram(text, "plan", &program, diag);
  Require(Failed(read) == diag.HasErrors(), "result and findings contradict each other", diag);
  ReadAnything(text);
  if (Failed(read)) return 0;

  const std::string written = crgen::WriteProgram(program, crgen::Layout::kLines);
  Require(Rewritten(written) == written, "written anew it is another program:\n" + written);
  TryBytes(program, written);

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
