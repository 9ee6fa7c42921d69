#include <cstdio>
#include <memory>

#include "dsl/program_json.h"
#include "generator/generate.h"
#include "images/dump.h"

int main(int argc, char** argv) {
  using namespace crgen;
  Diagnostics diag;
  auto source = OpenFolder(argc > 1 ? argv[1] : ".", diag);
  Snapshot snapshot;
  Program program;
  bool ok = false;
  if (source && Succeeded(LoadDump(*source, &snapshot, diag))) {
    PageImages pages(*source);
    auto read = [&](const std::string& image, std::uint64_t offset, std::span<char> out,
                    Diagnostics& d) { return pages.Read(image, offset, out, d); };
    ok = GenerateProgram(snapshot, {argc > 2}, read, &program, diag) == GenerateOutcome::kOk;
  }
  for (auto& d : diag.entries()) {
    std::fprintf(stderr, "%d %s: %s\n", static_cast<int>(d.severity), d.where.c_str(), d.what.c_str());
  }
  if (ok) std::fputs(WriteProgram(program, Layout::kLines).c_str(), stdout);
  return !ok;
}
