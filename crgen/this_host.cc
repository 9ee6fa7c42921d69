// SPDX-License-Identifier: Apache-2.0
#include "crgen/this_host.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "checker/check.h"
#include "crgen/confine.h"
#include "crgen/program_bytes.h"
#include "images/source/scoped_fd.h"
#include "preflight/host_facts.h"
#include "preflight/own_status.h"
#include "preflight/preflight.h"

namespace crgen {
namespace {

constexpr char kCommands = 'c', kFindings = 'p', kFacts = 'f', kLook = 'l';

class Packer {
 public:
  void Number(std::uint64_t number) {
    text_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void Text(std::string_view text) {
    Number(text.size());
    text_.append(text);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view text) : rest_(text) {}
  std::uint64_t Number() {
    std::uint64_t number;
    std::memcpy(&number, Bytes(sizeof number).data(), sizeof number);
    return number;
  }
  std::string Text() { return std::string(Bytes(Number())); }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view Bytes(std::uint64_t size) {
    if (size > rest_.size()) throw std::runtime_error("an answer of this host was cut short");
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view rest_;
};

constexpr Severity kSeverities[] = {Severity::kError, Severity::kUnsupported, Severity::kWarning};

std::string Pack(const Diagnostics& diag) {
  Packer out;
  for (const Severity severity : kSeverities) out.Number(diag.Dropped(severity));
  for (const Diagnostic& entry : diag.entries()) {
    out.Number(static_cast<std::uint64_t>(entry.severity));
    out.Text(entry.where);
    out.Text(entry.what);
    out.Number(entry.command ? *entry.command + 1 : 0);
    out.Text(entry.advice);
    out.Number(entry.essential);
    out.Number(entry.more);
    out.Number(static_cast<std::uint64_t>(entry.loss));
    out.Number(entry.lost_anyway);
  }
  return out.Take();
}

/// Findings that were counted, and are not kept.
void AddDropped(Severity severity, std::uint64_t count, Diagnostics* diag) {
  if (count == 0) return;
  Diagnostics full;
  Diagnostic any = {severity, "", ""};
  for (std::size_t i = 0; i < Diagnostics::kMaxKept; ++i) full.Add(any);
  any.more = count - 1;
  full.Add(any);
  diag->AddDropped(full);
}

Diagnostics UnpackDiagnostics(std::string_view text) {
  Unpacker in(text);
  Diagnostics diag;
  for (const Severity severity : kSeverities) AddDropped(severity, in.Number(), &diag);
  while (!in.AtEnd()) {
    Diagnostic entry = {};
    entry.severity = static_cast<Severity>(in.Number());
    entry.where = in.Text();
    entry.what = in.Text();
    if (const std::uint64_t command = in.Number(); command != 0) entry.command = command - 1;
    entry.advice = in.Text();
    entry.essential = in.Number() != 0;
    entry.more = in.Number();
    entry.loss = static_cast<Loss>(in.Number());
    entry.lost_anyway = in.Number() != 0;
    diag.Add(std::move(entry));
  }
  return diag;
}

/// What is to be known of each of the paths, which are packed.
std::string LookAtEach(int root, std::string_view paths) {
  Packer out;
  for (Unpacker in(paths); !in.AtEnd();) {
    const FileFacts facts = LookAtFile(root, in.Text());
    out.Number(static_cast<std::uint64_t>(facts.error));
    out.Text(facts.leads_to);
    out.Number(facts.mode);
    out.Number(facts.size);
    out.Text(facts.build_id);
  }
  return out.Take();
}

/// What asks: lives in the process outside.
class Asker {
 public:
  Asker(std::string images, std::string root) : images_(std::move(images)), root_(std::move(root)) {
    if (!root_.empty()) folder_ = ScopedFd(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  std::string Answer(std::string_view question) {
    if (question.empty()) return "";
    const char what = question.front();
    question.remove_prefix(1);
    if (what == kLook) return LookAtEach(folder_.get(), question);
    if (what == kCommands) {
      Take(question);
      return "";
    }
    const bool right = IsRight();
    if (what == kFacts) {
      return right ? HostFactsJson(RecordHostFacts(program_.empty() ? nullptr : &program_)) : "";
    }
    Host host;
    return Pack(right ? FindingsOf(program_, {images_, root_, &host}) : wrong_);
  }

 private:
  void Take(std::string_view bytes) {
    if (!well_formed_) return;
    // What is moved is memory that is filled again: seldom.
    if (program_.size() > program_.capacity() / 2) program_.reserve(program_.capacity() * 4);
    well_formed_ = ReadProgramBytes(bytes, &program_);
    if (!well_formed_) return wrong_.Error("the program", "came in no known form");
    check_.RunTo(program_.size());
  }

  /// Whether the program has passed the check, or there is none.
  bool IsRight() {
    if (well_formed_ && !program_.empty()) (void)check_.Finish(&state_);
    return !wrong_.HasErrors();
  }

  std::string images_, root_;
  ScopedFd folder_;
  bool well_formed_ = true;
  Program program_;
  Diagnostics wrong_;
  ProgramCheck check_{program_, wrong_};
  SimulatedState state_;  // kept: to take it apart costs as much as to check
};

}  // namespace

Diagnostics FindingsOf(const Program& program, const AskedOf& asked) {
  PreflightOptions options;
  options.host = asked.host;
  options.images = asked.images;
  options.hold_images = false;
  options.namespaces.root = asked.root;
  HostFiles files;
  Diagnostics found;
  (void)Preflight(program, options, &files, found);  // what it says is looked into
  return found;
}

Result ThisHost::Begin(const std::string& images, const std::string& root, Diagnostics& diag) {
  auto asker = std::make_shared<Asker>(images, root);
  const auto answer = [asker](std::string_view question) { return asker->Answer(question); };
  const auto confine = [](int answers) {
    KeepOwnStatus();
    ConfineToAsking(answers);
  };
  if (outside_.Begin(answer, {}, confine)) {
    return Result::kOk;
  }
  return diag.Fail("this host", "cannot be asked: " + std::string(std::strerror(errno)));
}

std::string ThisHost::Ask(char what, const std::string& of) {
  auto answer = outside_.Ask(what + of);
  if (!answer) throw std::runtime_error("what asks this host has ended");
  return std::move(*answer);
}

void ThisHost::Tell(std::span<const Command> commands) { Ask(kCommands, ProgramBytes(commands)); }

Diagnostics ThisHost::Findings() { return UnpackDiagnostics(Ask(kFindings, "")); }

std::string ThisHost::Facts() { return Ask(kFacts, ""); }

std::vector<FileFacts> ThisHost::LookAt(const std::vector<std::string>& paths) {
  Packer names;
  for (const std::string& path : paths) names.Text(path);
  const std::string answer = Ask(kLook, names.Take());
  Unpacker in(answer);
  std::vector<FileFacts> all(paths.size());
  for (FileFacts& facts : all) {
    facts.error = static_cast<int>(in.Number());
    facts.leads_to = in.Text();
    facts.mode = static_cast<std::uint32_t>(in.Number());
    facts.size = in.Number();
    facts.build_id = in.Text();
  }
  return all;
}

}  // namespace crgen
