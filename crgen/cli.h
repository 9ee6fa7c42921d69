// What the subcommands of crgen share: exit codes, diagnostics, progress, output.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "dsl/json/program_json.h"
#include "images/dump.h"
#include "model/diagnostics.h"

namespace crgen {

enum class ExitCode {
  kOk = 0,
  kInternal = 1,     ///< a defect of crgen, or the machine is out of memory
  kUsage = 2,        ///< wrong arguments
  kBadInput = 3,     ///< a dump or program that is not valid, a file that cannot be read or written
  kUnsupported = 4,  ///< a valid dump with things that no command can say
  kUnreachable = 5,  ///< a process tree that no sequence of system calls leads to
};

/// One subcommand: adds itself to the command line; the function runs it after parsing.
struct Subcommand {
  const char* name;
  std::function<ExitCode()> (*add)(CLI::App& app);
};

std::function<ExitCode()> AddGenerate(CLI::App& app);
std::function<ExitCode()> AddTree(CLI::App& app);
std::function<ExitCode()> AddValidate(CLI::App& app);
std::function<ExitCode()> AddSchema(CLI::App& app);

/// Prints all diagnostics to stderr. Unsupported things are errors unless `partial`.
void PrintDiagnostics(const Diagnostics& diag, bool partial = false);

/// Shows how far `what` has come on the last line of a terminal; nothing if stderr is none.
LoadProgress TerminalProgress(const std::string& what);

/// Where results go: standard output, or a file that appears whole or not at all.
class Output {
 public:
  /// `path` empty: standard output.
  explicit Output(std::string path) : path_(std::move(path)) {}
  ~Output();
  /// Errors of the system, reported.
  Result Open(Diagnostics& diag);
  /// Nothing becomes visible before `verdict` gives kOk. It is asked once, as late as possible: at
  /// the end, or when more is held back than memory is worth.
  void HoldUntil(std::function<Result()> verdict) { verdict_ = std::move(verdict); }
  Result Write(std::string_view text, Diagnostics& diag);
  /// Writes what is held back, makes the file appear. Without it, nothing is left behind.
  Result Commit(Diagnostics& diag);

 private:
  Result Fail(Diagnostics& diag) const;
  Result WriteNow(std::string_view text, Diagnostics& diag);
  Result AskAndWriteHeld(Diagnostics& diag);

  std::function<Result()> verdict_;
  std::vector<std::string> held_;  // pieces
  std::size_t held_bytes_ = 0;
  std::string path_;
  std::string temporary_;
  int fd_ = 1;
};

/// Writes `program` piece by piece. With more than one of `threads`, so many turn pieces into text.
Result WriteProgramTo(const Program& program, Layout layout, unsigned threads, Output& output,
                      Diagnostics& diag);

/// The diagnostics as a JSON array on standard output: severity, where, what, and the index of the
/// command where there is one. `errors` gets what went wrong with that.
Result PrintFindings(const Diagnostics& diag, Diagnostics& errors);

/// A file that is read piece by piece, or standard input if `path` is "-".
class TextFile {
 public:
  explicit TextFile(std::string path) : path_(std::move(path)) {}
  ~TextFile();
  Result Open(Diagnostics& diag);
  /// Valid as long as the file is. An error of the system ends the text; Close() reports it.
  ByteReader Reader();
  Result Close(Diagnostics& diag);

 private:
  std::string path_;
  int fd_ = -1;
  int error_ = 0;
};

}  // namespace crgen
