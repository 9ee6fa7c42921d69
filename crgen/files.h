// SPDX-License-Identifier: Apache-2.0
// What the subcommands read and write: texts, results, dumps.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crgen/outside.h"
#include "dsl/byte_reader.h"
#include "images/dump.h"
#include "images/source/new_folder.h"
#include "model/diagnostics.h"

namespace crgen {

/// Where results go: standard output; a regular file, which appears or changes whole or not at all;
/// or whatever else has that name (a device, a FIFO), into which is written. Links are followed.
class Output {
 public:
  /// `path` empty or "-": standard output.
  explicit Output(std::string path) : path_(path == "-" ? std::string() : std::move(path)) {}
  ~Output();
  /// Before Confine(). A new file is the user's alone; a replaced one keeps its mode, and its owner
  /// where that can be. Errors of the system, reported.
  Result Open(Diagnostics& diag);
  /// Nothing becomes visible before `verdict` gives kOk. It is asked once, as late as possible: at
  /// the end, or when more is held back than memory is worth.
  void HoldUntil(std::function<Result()> verdict) { verdict_ = std::move(verdict); }
  Result Write(std::string_view text, Diagnostics& diag);
  /// So many zero bytes: holes, where there can be some. Not with HoldUntil().
  Result Skip(std::uint64_t zeros, Diagnostics& diag);
  /// Writes what is held back, makes the file appear. Without it, nothing is left behind.
  Result Commit(Diagnostics& diag);
  /// Whether a Write() has failed for whoever reads it having gone: of what is looked at he has
  /// seen enough, and that is no error.
  bool ReaderGone() const { return reader_gone_; }
  /// Whether anything was written to standard output.
  static bool HasPrinted();

 private:
  Result Fail(Diagnostics& diag) const;
  /// What is no file with a name, which a rename could replace: a device, a FIFO, a pipe of the
  /// caller.
  Result OpenItself(const struct stat& there, Diagnostics& diag);
  Result OpenBeside(const std::string& target, const struct stat* there, Diagnostics& diag);
  Result WriteNow(std::string_view text, Diagnostics& diag);
  Result AskAndWriteHeld(Diagnostics& diag);

  std::function<Result()> verdict_;
  std::vector<std::string> held_;  // pieces
  std::size_t held_bytes_ = 0;
  std::string path_;
  std::string temporary_;  // empty: nothing to rename
  bool reader_gone_ = false;
  bool truncate_ = false;  // what is opened is emptied when there is something for it
  int fd_ = 1;
  Outside outside_;  // renames, or removes what is left: it alone may
};

/// Writes `text` to standard output, to be looked at: kOk also where Output::ReaderGone().
Result PrintText(std::string_view text, Diagnostics& diag);

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

/// All of a file, or of standard input ("-"): at most `most` bytes. `what` it would be: "policy".
Result ReadWholeFile(const std::string& path, std::size_t most, const char* what, std::string* text,
                     Diagnostics& diag);

/// Confine() to reading `inputs`: dumps (with their parents), archives, other files; "-" and ""
/// are none. `fill`: a folder that is filled; empty: none is.
void ConfineToReading(const std::vector<std::string>& inputs, const std::string& fill = "");

bool IsFolder(const std::string& path);
bool IsRegularFile(const std::string& path);
/// A folder, or a file that does not begin as a program does: an archive.
bool IsDump(const std::string& path);

/// The folder of the images of a dump: `path`, or where it has no images and one folder in it has
/// (`checkpoint` before all others), that one. Empty (reported): several have.
std::string ImageFolder(const std::string& path, Diagnostics& diag);

/// The images of a dump: of a folder as ImageFolder() finds it, or of an archive (OpenArchive()).
/// `extract`: gets what a restore reads of an archive; a folder is refused with it. `digests`: they
/// are going to be asked for. nullptr: reported.
std::unique_ptr<ImageSource> OpenDump(const std::string& path, Diagnostics& diag,
                                      NewFolder* extract = nullptr, bool digests = false);

/// A check of CLI11: what is wrong with `name` as that of a file to write; "": nothing.
std::string IsFileName(const std::string& name);

}  // namespace crgen
