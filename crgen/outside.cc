// SPDX-License-Identifier: Apache-2.0
#include "crgen/outside.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>
#include <vector>

#include "crgen/confine.h"

namespace crgen {
namespace {

/// Ends of pipes to those that live: a younger one must not keep them open.
std::vector<int> own_ends;

bool ReadAll(int fd, char* to, std::size_t size) {
  while (size != 0) {
    const ssize_t got = read(fd, to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool WriteAll(int fd, const char* from, std::size_t size) {
  while (size != 0) {
    const ssize_t done = write(fd, from, size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    from += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

bool Send(int fd, std::string_view text) {
  const std::uint64_t size = text.size();
  return WriteAll(fd, reinterpret_cast<const char*>(&size), sizeof size) &&
         WriteAll(fd, text.data(), text.size());
}

/// Memory follows what has come, not a size that somebody claims.
std::optional<std::string> Receive(int fd) {
  constexpr std::size_t kPiece = 1 << 20, kUsual = 64 << 20;
  std::uint64_t size = 0;
  if (!ReadAll(fd, reinterpret_cast<char*>(&size), sizeof size)) return std::nullopt;
  std::string text;
  text.reserve(std::min<std::uint64_t>(size, kUsual));  // memory that nobody touches is none
  while (text.size() < size) {
    const std::size_t had = text.size();
    text.resize(had + std::min<std::uint64_t>(size - had, kPiece));
    if (!ReadAll(fd, text.data() + had, text.size() - had)) return std::nullopt;
  }
  return text;
}

[[noreturn]] void Serve(int questions, int answers, const Outside::Answer& answer,
                        const std::function<void()>& at_end, Outside::AtFirst at_first) {
  try {
    while (const auto question = Receive(questions)) {
      if (at_first) std::exchange(at_first, {})(answers);
      if (!Send(answers, answer(*question))) break;
    }
  } catch (...) {  // who has asked gets no answer
  }
  if (at_end) at_end();
  _exit(0);
}

}  // namespace

bool Outside::Begin(const Answer& answer, const std::function<void()>& at_end, AtFirst at_first) {
  int question[2], reply[2];
  if (pipe2(question, O_CLOEXEC) != 0) return false;
  if (pipe2(reply, O_CLOEXEC) != 0) {
    close(question[0]);
    close(question[1]);
    return false;
  }
  const pid_t parent = getpid();
  process_ = fork();
  if (process_ == 0) {
    for (const int end : own_ends) close(end);
    close(question[1]);
    close(reply[0]);
    if (at_end) {
      for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGXCPU, SIGXFSZ}) {
        std::signal(signal, SIG_IGN);
      }
    } else if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
      _exit(1);
    }
    Serve(question[0], reply[1], answer, at_end, std::move(at_first));
  }
  close(question[0]);
  close(reply[1]);
  questions_ = question[1];
  answers_ = reply[0];
  if (process_ < 0) {
    const int error = errno;
    process_ = 0;
    End();
    errno = error;
    return false;
  }
  own_ends.push_back(questions_);
  return true;
}

std::optional<std::string> Outside::Ask(std::string_view question) {
  if (!Send(questions_, question)) return std::nullopt;
  return Receive(answers_);
}

void Outside::End() {
  if (questions_ >= 0) {
    std::erase(own_ends, questions_);
    close(questions_);
  }
  char byte;
  while (answers_ >= 0 && (read(answers_, &byte, 1) > 0 || errno == EINTR)) errno = 0;
  if (answers_ >= 0) close(answers_);
  while (process_ > 0 && waitpid(process_, nullptr, 0) < 0 && errno == EINTR) continue;
  questions_ = answers_ = -1;
  process_ = 0;
}

}  // namespace crgen
