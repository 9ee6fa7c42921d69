// SPDX-License-Identifier: Apache-2.0
// crgen memory DUMP --pid N [--search REGEX|--bytes HEX|--strings] [--at ADDRESS[,LENGTH]]
#include <spdlog/spdlog.h>

#include <cerrno>
#include <charconv>

#include "crgen/look.h"
#include "views/memory.h"

namespace crgen {
namespace {

struct MemoryArguments {
  std::string dump;
  Pid pid = 0;
  std::string search;
  std::string bytes;
  std::string at;
  bool strings = false;
  bool json = false;
  std::size_t limit = 1000;
};

constexpr std::uint64_t kShown = 256;  ///< bytes of a place

/// False: `text` is no number of that base, as a whole.
bool ParseNumber(std::string_view text, int base, std::uint64_t* number) {
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

/// ADDRESS[,LENGTH]; `rest`: without a length, all that follows.
bool ParsePlace(const std::string& text, bool rest, AddressRange* range) {
  const std::size_t comma = text.find(',');
  std::uint64_t length = rest ? ~std::uint64_t{0} : kShown;
  if (!ParseNumber(text.substr(0, comma), 16, &range->start)) return false;
  if (comma != text.npos && (!ParseNumber(text.substr(comma + 1), 10, &length) || length == 0))
    return false;
  range->end = range->start + std::min(length, ~std::uint64_t{0} - range->start);
  return true;
}

ExitCode Usage(const std::string& what) {
  spdlog::error("{}", what);
  return ExitCode::kUsage;
}

ExitCode Memory(const MemoryArguments& arguments) {
  ConfineToReading({arguments.dump});
  MemoryQuery query;
  std::unique_ptr<BytePattern> pattern;
  std::string problem;
  if (!arguments.search.empty()) {
    pattern = RegexPattern(arguments.search, &problem);
    if (pattern == nullptr) return Usage("--search: is no regular expression of RE2: " + problem);
  } else if (!arguments.bytes.empty()) {
    pattern = HexPattern(arguments.bytes, &problem);
    if (pattern == nullptr) return Usage("--bytes: " + problem);
  }
  query.pattern = pattern.get();
  query.exact = !arguments.bytes.empty();
  query.strings = arguments.strings;
  query.limit = arguments.limit;
  if (arguments.at.empty() && pattern == nullptr && !arguments.strings) {
    return Usage(
        "say what of the memory: --at, --search, --bytes or --strings; "
        "`crgen show memory` has the regions");
  }
  if (!arguments.at.empty() &&
      !ParsePlace(arguments.at, pattern != nullptr || arguments.strings, &query.range)) {
    return Usage("--at: expected ADDRESS or ADDRESS,LENGTH: hexadecimal, and a number of bytes");
  }
  if (!arguments.at.empty() && query.range.start == ~std::uint64_t{0}) {
    return Usage("--at: ffffffffffffffff is the last address: no process has memory there");
  }
  Look look;
  ProcessIndex process;
  const ExitCode opened = OpenProcess(arguments.dump, arguments.pid, &look, &process);
  if (opened != ExitCode::kOk) return opened;
  if (look.snapshot.processes[process].state == ProcessState::kZombie) {
    return Usage("--pid: " + std::to_string(arguments.pid) +
                 " is a zombie, which has no memory any more");
  }
  Diagnostics diag;
  Output output("");
  const TextSink sink = [&](std::string_view text, Diagnostics& d) {
    return output.Write(text, d);
  };
  const Result shown =
      arguments.json ? WriteBytesJson(look.Dump(), process, query, sink, diag)
                     : ShowBytes(look.Dump(), process, query, OptionsOfTerminal(), sink, diag);
  if (output.ReaderGone()) return look.whole ? ExitCode::kOk : ExitCode::kBadInput;
  PrintDiagnostics(diag);
  return Succeeded(shown) && look.whole ? ExitCode::kOk : ExitCode::kBadInput;
}

}  // namespace

std::function<ExitCode()> AddMemory(CLI::App& app) {
  auto arguments = std::make_shared<MemoryArguments>();
  app.description("Look into the memory of a process of a dump");
  app.add_option("DUMP", arguments->dump, "A dump: a folder, or an archive")->required();
  app.add_option("--pid", arguments->pid, "The process")->required();
  CLI::Option* search = app.add_option("--search", arguments->search,
                                       "Find what this regular expression (RE2) matches");
  CLI::Option* bytes =
      app.add_option("--bytes", arguments->bytes, "Find these bytes: 7f454c46")->excludes(search);
  app.add_flag("--strings", arguments->strings,
               "Find text: 4 printable characters of ASCII, or more")
      ->excludes(search)
      ->excludes(bytes);
  app.add_option("--at", arguments->at,
                 "Print the bytes at ADDRESS[,LENGTH] (256 of them); with another option, look "
                 "only there");
  app.add_option("--limit", arguments->limit, "Stop after so many matches (1000); 0: never");
  app.add_flag("--json", arguments->json, "Print it for machines");
  app.footer(
      "Pages of an incremental dump are found in its parents. Searched is what the dump has: not "
      "the\n"
      "content of mapped files. Of a regular expression, `.` and `\\xff` are one byte; `(?i)` "
      "ignores\n"
      "case. A match of more than 65536 bytes may be cut.\n\n"
      "Examples:\n"
      "  crgen memory dump/ --pid 31500 --search 'password=[^&]*'\n"
      "  crgen memory dump/ --pid 31500 --bytes '7f 45 4c 46'\n"
      "  crgen memory dump/ --pid 31500 --at 7ffeae02b000,512");
  return [arguments] { return Memory(*arguments); };
}

}  // namespace crgen
