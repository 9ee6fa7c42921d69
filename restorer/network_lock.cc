// SPDX-License-Identifier: Apache-2.0
#include "restorer/network_lock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <sstream>

#include "model/printable.h"
#include "restorer/cleanup.h"
#include "restorer/deadline.h"
#include "restorer/files/inet_socket.h"
#include "restorer/namespaces.h"
#include "restorer/own_limits.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

/// What a tool has done.
struct Outcome {
  std::string problem;  ///< it could not be run, or not to its end
  bool started = false;
  int status = 0;  ///< its exit code
  std::string output;
};

constexpr int kNotStarted = 127;  // as shells have it

std::string ReadAll(int fd) {
  std::string text;
  char piece[4096];
  off_t at = 0;
  for (ssize_t got; (got = pread(fd, piece, sizeof piece, at)) > 0; at += got) {
    text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

/// Starts it in a group of its own, with the caller's limits and no signal blocked; the pid, or -1
/// and errno.
pid_t Start(std::vector<const char*> words, int in, int out) {
  words.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  DieOfStop();
  LowerOwnLimits();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
      dup2(out, STDERR_FILENO) >= 0) {
    execvp(words[0], const_cast<char* const*>(words.data()));
  }
  dprintf(STDERR_FILENO, "%s", std::strerror(errno));
  _exit(kNotStarted);
}

/// Until it has ended; not for longer than the deadline, nor when an end is asked for: then it is
/// killed, with all that it has started.
void Await(pid_t pid, const Deadline& deadline, Outcome* outcome) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) {
      outcome->problem = std::strerror(errno);
      return;
    }
    if (!deadline.Passed() && !StopIsAsked()) continue;
    outcome->problem = deadline.Passed() ? "no end after " + std::to_string(deadline.seconds()) +
                                               " s (--timeout): killed"
                                         : "interrupted: killed";
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return;
  }
  outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Outcome RunTool(const std::vector<const char*>& words, const std::string& input, unsigned timeout) {
  Outcome outcome;
  const int in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC);
  const bool ready = !FailsOnPurpose() && in >= 0 && out >= 0 &&
                     write(in, input.data(), input.size()) == static_cast<ssize_t>(input.size()) &&
                     lseek(in, 0, SEEK_SET) == 0;
  const pid_t pid = ready ? Start(words, in, out) : -1;
  if (pid < 0) {
    outcome.problem = std::strerror(errno);
  } else {
    Await(pid, Deadline(timeout), &outcome);
    outcome.output = ReadAll(out);
    outcome.started = outcome.status != kNotStarted;
  }
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return outcome;
}

/// Empty: it has done what it was asked for.
std::string Complaint(const std::string& what, const Outcome& outcome) {
  if (outcome.problem.empty() && outcome.status == 0) return "";
  std::string said = outcome.output;
  while (!said.empty() && std::isspace(static_cast<unsigned char>(said.back()))) said.pop_back();
  const std::string why = !outcome.problem.empty() ? outcome.problem
                          : said.empty()           ? "exit code " + std::to_string(outcome.status)
                                                   : said;
  return "the network lock of the dump: " + what + ": " + Printable(why);
}

/// "127.0.0.1/32": as a rule has it.
std::string RuleAddress(const std::string& address) {
  constexpr std::string_view kMapped = "::ffff:";
  if (address.find(':') == std::string::npos) return address + "/32";
  if (address.starts_with(kMapped) && address.find('.') != std::string::npos) {
    return address.substr(kMapped.size()) + "/32";
  }
  return address + "/128";
}

/// What a rule of the lock says: chain, and both ends of the packets that it drops.
using Rule = std::vector<std::string>;
Rule RuleOf(const char* chain, const InetAddress& from, const InetAddress& to) {
  return {chain, RuleAddress(from.address), std::to_string(from.port), RuleAddress(to.address),
          std::to_string(to.port)};
}

}  // namespace

std::string DeletionOf(const std::string& saved,
                       const std::vector<const InetSocket*>& connections) {
  std::set<Rule> locked;
  for (const InetSocket* socket : connections) {
    locked.insert(RuleOf("INPUT", *socket->destination, *socket->source));
    locked.insert(RuleOf("OUTPUT", *socket->source, *socket->destination));
  }
  std::string deletion;
  std::istringstream lines(saved);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::map<std::string, std::string> says;
    std::string last;
    for (std::string word; words >> word; last = word) says.emplace(last, word);
    const Rule rule = {says["-A"], says["-s"], says["--sport"], says["-d"], says["--dport"]};
    if (says["--mark"] != "0xc114" || says["-j"] != "DROP" || locked.erase(rule) == 0) continue;
    deletion += "-D" + line.substr(2) + "\n";
  }
  return deletion.empty() ? "" : "*filter\n" + deletion + "COMMIT\n";
}

NetworkUnlock::NetworkUnlock(const Program& program, const RestoreOptions& options)
    : program_(program), timeout_(options.timeout) {
  const About* about = AboutOf(program);
  if (about == nullptr || !about->network_lock || !options.network_locked ||
      HasNewNetwork(program, options)) {
    return;
  }
  lock_ = &*about->network_lock;
}

std::string NetworkUnlock::Find() {
  if (lock_ == nullptr) return "";
  if (!(lock_->method == kIptables)) return FindTable();
  std::vector<const InetSocket*> four, six;
  for (const Command& command : program_) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr || !IsConnection(*open->file)) continue;
    const auto* socket = &std::get<InetSocket>(open->file->body);
    (RuleAddress(socket->source->address).ends_with("/32") ? four : six).push_back(socket);
  }
  std::string problem = FindRules(four, "iptables-save", "iptables-restore");
  return problem.empty() ? FindRules(six, "ip6tables-save", "ip6tables-restore") : problem;
}

/// All of the family: whether one is there is not what the exit code says of a single one. CRIU 4
/// has room for so much of a name (criu/netfilter.c, "inet " and the name in 31 characters).
std::string NetworkUnlock::FindTable() {
  constexpr std::size_t kNameRoom = 26;
  cut_table_ = lock_->table.substr(0, kNameRoom);
  const Outcome listed = RunTool({"nft", "list", "tables", "inet"}, "", timeout_);
  std::string problem = Complaint("nft list tables inet", listed);
  std::istringstream lines(listed.output);
  for (std::string line; problem.empty() && std::getline(lines, line);) {
    if (line != "table inet " + lock_->table && line != "table inet " + cut_table_) continue;
    const std::string& name = line.ends_with(lock_->table) ? lock_->table : cut_table_;
    removals_.push_back({{"nft", "delete", "table", "inet", name.c_str()}, ""});
  }
  return problem;
}

std::string NetworkUnlock::FindRules(const std::vector<const InetSocket*>& connections,
                                     const char* save, const char* restore) {
  if (connections.empty()) return "";
  const Outcome saved = RunTool({save, "-t", "filter"}, "", timeout_);
  std::string problem = Complaint(save, saved);
  if (!problem.empty()) return problem;
  std::string deletion = DeletionOf(saved.output, connections);
  if (!deletion.empty()) removals_.push_back({{restore, "-w", "--noflush"}, std::move(deletion)});
  return "";
}

std::string NetworkUnlock::Remove() {
  for (const Removal& removal : removals_) {
    const Outcome done = RunTool(removal.words, removal.input, timeout_);
    // One that was killed may have done it.
    may_be_gone_ |= done.started && done.status == 0;
    if (std::string problem = Complaint(removal.words[0], done); !problem.empty()) return problem;
  }
  return "";
}

}  // namespace crgen::restorer
