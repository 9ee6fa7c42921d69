// SPDX-License-Identifier: Apache-2.0
// crgen core DUMP --pid N -o FILE
#include <spdlog/spdlog.h>

#include "crgen/look.h"
#include "views/core_file.h"

namespace crgen {
namespace {

struct CoreArguments {
  std::string dump;
  Pid pid = 0;
  std::string output;
};

ExitCode Core(const CoreArguments& arguments) {
  Diagnostics diag;
  Output output(arguments.output);
  if (Failed(output.Open(diag))) {
    PrintDiagnostics(diag);
    return ExitCode::kBadInput;
  }
  ConfineToReading({arguments.dump});
  Look look;
  ProcessIndex process;
  const ExitCode opened = OpenProcess(arguments.dump, arguments.pid, &look, &process);
  if (opened != ExitCode::kOk) return opened;
  if (const auto why = WithoutCore(look.snapshot, process)) {
    spdlog::error("pid {} {}", arguments.pid, *why);
    return look.whole ? ExitCode::kUnsupported : ExitCode::kBadInput;
  }
  const CoreSink sink = {
      [&](std::string_view bytes, Diagnostics& d) { return output.Write(bytes, d); },
      [&](std::uint64_t zeros, Diagnostics& d) { return output.Skip(zeros, d); }};
  const bool written =
      Succeeded(WriteCore(look.Dump(), process, sink, diag)) && Succeeded(output.Commit(diag));
  PrintDiagnostics(diag);
  return written && look.whole ? ExitCode::kOk : ExitCode::kBadInput;
}

}  // namespace

std::function<ExitCode()> AddCore(CLI::App& app) {
  auto arguments = std::make_shared<CoreArguments>();
  app.description("Write a process of a dump as a core file, for a debugger");
  app.add_option("DUMP", arguments->dump, "A dump: a folder, or an archive")->required();
  app.add_option("--pid", arguments->pid, "The process; its threads are in the file too")
      ->required();
  app.add_option("-o,--output", arguments->output, "Where the core file goes")
      ->type_name("FILE")
      ->required()
      ->check(IsFileName);
  AddFindingsFlag(app);
  app.footer(
      "The file has registers, floating point, auxiliary vector and file map of core(5), and all "
      "pages of\n"
      "the dump and its parents. What is only in the mapped files is read there by the debugger. "
      "The\n"
      "file is sparse, and a new one is readable for its owner alone: it has all secrets of the\n"
      "process.\n\n"
      "Examples:\n"
      "  crgen core dump/ --pid 31500 -o core\n"
      "  gdb /usr/sbin/program core");
  return [arguments] { return Core(*arguments); };
}

}  // namespace crgen
