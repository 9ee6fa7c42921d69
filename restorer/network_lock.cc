#include "restorer/network_lock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <sstream>

#include "restorer/files/inet_socket.h"
#include "restorer/namespaces.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

/// What a tool has done.
struct Outcome {
  std::string problem;  ///< it could not be run
  int status = 0;       ///< its exit code
  std::string output;
};

std::string ReadAll(int fd) {
  std::string text;
  char piece[4096];
  off_t at = 0;
  for (ssize_t got; (got = pread(fd, piece, sizeof piece, at)) > 0; at += got) {
    text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

Outcome RunTool(std::vector<const char*> words, const std::string& input) {
  const std::string name = words[0];
  Outcome outcome;
  const int in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC);
  const bool ready = !FailsOnPurpose() && in >= 0 && out >= 0 &&
                     write(in, input.data(), input.size()) == static_cast<ssize_t>(input.size()) &&
                     lseek(in, 0, SEEK_SET) == 0;
  if (!ready) outcome.problem = ErrorText(name.c_str());
  if (ready) {
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    pid_t pid = 0;
    errno = posix_spawnp(&pid, words[0], &actions, nullptr, const_cast<char* const*>(words.data()),
                         environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errno != 0) outcome.problem = ErrorText(name.c_str());
    int status = 0;
    while (outcome.problem.empty() && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    outcome.output = ReadAll(out);
  }
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return outcome;
}

std::string Complaint(const char* tool, const Outcome& outcome) {
  if (!outcome.problem.empty()) return "the network lock of the dump: " + outcome.problem;
  return "the network lock of the dump: " + std::string(tool) + ": " + outcome.output;
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

std::string UnlockIptables(const std::vector<const InetSocket*>& connections, bool four) {
  const char* save = four ? "iptables-save" : "ip6tables-save";
  const char* restore = four ? "iptables-restore" : "ip6tables-restore";
  const Outcome saved = RunTool({save, "-t", "filter"}, "");
  if (!saved.problem.empty() || saved.status != 0) return Complaint(save, saved);
  const std::string deletion = DeletionOf(saved.output, connections);
  if (deletion.empty()) return "";
  const Outcome done = RunTool({restore, "-w", "--noflush"}, deletion);
  return done.problem.empty() && done.status == 0 ? "" : Complaint(restore, done);
}

std::string UnlockNftables(const std::string& table) {
  const Outcome there = RunTool({"nft", "list", "table", "inet", table.c_str()}, "");
  if (!there.problem.empty()) return Complaint("nft", there);
  if (there.status != 0) return "";
  const Outcome done = RunTool({"nft", "delete", "table", "inet", table.c_str()}, "");
  return done.problem.empty() && done.status == 0 ? "" : Complaint("nft", done);
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

std::string UnlockNetwork(const Program& program, const RestoreOptions& options) {
  const About* about = AboutOf(program);
  if (about == nullptr || !about->network_lock || !options.network_locked ||
      HasNewNetwork(program, options)) {
    return "";
  }
  if (!(about->network_lock->method == kIptables)) {
    return UnlockNftables(about->network_lock->table);
  }
  std::vector<const InetSocket*> four, six;
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr || !IsConnection(*open->file)) continue;
    const auto* socket = &std::get<InetSocket>(open->file->body);
    (RuleAddress(socket->source->address).ends_with("/32") ? four : six).push_back(socket);
  }
  std::string problem = four.empty() ? "" : UnlockIptables(four, true);
  if (problem.empty() && !six.empty()) problem = UnlockIptables(six, false);
  return problem;
}

}  // namespace crgen::restorer
