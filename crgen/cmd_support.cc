#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <future>
#include <span>

#include "crgen/cli.h"
#include "dsl/json/writer.h"

namespace crgen {
namespace {

constexpr std::size_t kPieceCommands = 4096;
constexpr std::size_t kMaxHeld = 32 << 20;

void PrintDropped(const Diagnostics& diag, Severity severity, const char* what) {
  const std::size_t dropped = diag.Dropped(severity);
  if (dropped != 0) spdlog::error("and {} more {}", dropped, what);
}

}  // namespace

void PrintDiagnostics(const Diagnostics& diag, bool partial) {
  for (const Diagnostic& entry : diag.entries()) {
    const std::string more =
        entry.more == 0 ? "" : " (and " + std::to_string(entry.more) + " more like it)";
    const bool left_out = partial && !entry.essential;
    switch (entry.severity) {
      case Severity::kError:
        spdlog::error("{}: {}{}", entry.where, entry.what, more);
        break;
      case Severity::kUnsupported:
        spdlog::log(left_out ? spdlog::level::warn : spdlog::level::err, "{}: unsupported: {}{}",
                    entry.where, entry.what, more);
        break;
      case Severity::kWarning:
        spdlog::warn("{}: {}{}", entry.where, entry.what, more);
        break;
    }
  }
  PrintDropped(diag, Severity::kError, "errors");
  PrintDropped(diag, Severity::kUnsupported, "unsupported things");
  PrintDropped(diag, Severity::kWarning, "warnings");
}

LoadProgress TerminalProgress(const std::string& what) {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [what](std::size_t done, std::size_t total) {
    if (done == total) {
      std::fprintf(stderr, "\r\033[K");
    } else {
      std::fprintf(stderr, "\r%s %zu of %zu", what.c_str(), done, total);
    }
    std::fflush(stderr);
  };
}

Output::~Output() {
  if (!temporary_.empty()) {
    close(fd_);
    unlink(temporary_.c_str());
  }
}

Result Output::Fail(Diagnostics& diag) const {
  return diag.Error(path_.empty() ? "standard output" : path_, std::strerror(errno));
}

Result Output::Open(Diagnostics& diag) {
  if (path_.empty()) return Result::kOk;
  temporary_ = path_ + ".XXXXXX";
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ < 0) {
    temporary_.clear();
    return Fail(diag);
  }
  const mode_t mask = umask(0);
  umask(mask);
  return fchmod(fd_, 0666 & ~mask) == 0 ? Result::kOk : Fail(diag);
}

Result Output::Write(std::string_view text, Diagnostics& diag) {
  // A file does not appear before Commit() anyway.
  if (!verdict_ || !temporary_.empty()) return WriteNow(text, diag);
  held_.emplace_back(text);
  held_bytes_ += text.size();
  return held_bytes_ < kMaxHeld ? Result::kOk : AskAndWriteHeld(diag);
}

Result Output::AskAndWriteHeld(Diagnostics& diag) {
  if (!verdict_) return Result::kOk;
  const std::function<Result()> verdict = std::exchange(verdict_, {});
  if (Failed(verdict())) return Result::kError;
  for (const std::string& piece : std::exchange(held_, {})) {
    if (Failed(WriteNow(piece, diag))) return Result::kError;
  }
  return Result::kOk;
}

Result Output::WriteNow(std::string_view text, Diagnostics& diag) {
  while (!text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Fail(diag);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return Result::kOk;
}

Result Output::Commit(Diagnostics& diag) {
  if (Failed(AskAndWriteHeld(diag))) return Result::kError;
  if (temporary_.empty()) return Result::kOk;
  if (fsync(fd_) != 0 || rename(temporary_.c_str(), path_.c_str()) != 0) return Fail(diag);
  close(fd_);
  temporary_.clear();
  return Result::kOk;
}

Result WriteProgramTo(const Program& program, Layout layout, unsigned threads, Output& output,
                      Diagnostics& diag) {
  const std::size_t pieces = program.size() / kPieceCommands + 1;
  const auto policy = threads > 1 && pieces > 1 ? std::launch::async : std::launch::deferred;
  const auto text_of = [&](std::size_t piece) {
    const auto commands = std::span(program).subspan(piece * kPieceCommands);
    std::string text;
    ProgramWriter writer(layout, piece > 0);
    if (piece == 0) writer.Begin(&text);
    for (const Command& command : commands.first(std::min(commands.size(), kPieceCommands))) {
      writer.Add(command, &text);
    }
    if (piece + 1 == pieces) writer.End(&text);
    return text;
  };
  std::deque<std::future<std::string>> ahead;
  for (std::size_t next = 0, written = 0; written < pieces; ++written) {
    for (; next < pieces && ahead.size() < threads; ++next) {
      ahead.push_back(std::async(policy, text_of, next));
    }
    if (Failed(output.Write(ahead.front().get(), diag))) return Result::kError;
    ahead.pop_front();
  }
  return Result::kOk;
}

Result PrintFindings(const Diagnostics& diag, Diagnostics& errors) {
  constexpr const char* kNames[] = {"error", "unsupported", "warning"};
  std::string text;
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  json.BeginArray();
  for (const Diagnostic& entry : diag.entries()) {
    json.BeginObject();
    json.Key("severity");
    json.String(kNames[static_cast<int>(entry.severity)]);
    if (entry.command) {
      json.Key("command");
      json.Number(std::uint64_t{*entry.command});
    }
    json.Key("where");
    json.String(IsUtf8(entry.where) ? entry.where : "?");
    json.Key("what");
    json.String(IsUtf8(entry.what) ? entry.what : "?");
    if (entry.more != 0) {
      json.Key("more");
      json.Number(std::uint64_t{entry.more});
    }
    json.EndObject();
  }
  json.EndArray();
  Output output("");
  return output.Write(text + "\n", errors);
}

TextFile::~TextFile() {
  if (fd_ >= 0) close(fd_);
}

Result TextFile::Open(Diagnostics& diag) {
  fd_ = path_ == "-" ? dup(STDIN_FILENO) : open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  return fd_ < 0 ? diag.Error(path_, std::strerror(errno)) : Result::kOk;
}

ByteReader TextFile::Reader() {
  return [this](std::span<char> out) -> std::size_t {
    while (true) {
      const ssize_t got = read(fd_, out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      error_ = errno;
      return 0;
    }
  };
}

Result TextFile::Close(Diagnostics& diag) {
  return error_ != 0 ? diag.Error(path_, std::strerror(error_)) : Result::kOk;
}

}  // namespace crgen
