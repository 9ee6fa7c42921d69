// SPDX-License-Identifier: Apache-2.0
#include "restorer/network_lock.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "preflight/question.h"
#include "restorer/files/inet_socket.h"
#include "restorer/namespaces.h"
#include "restorer/network.h"
#include "restorer/tools.h"

namespace crgen::restorer {
namespace {

constexpr const char* kLock = "the network lock of the dump: ";

/// Empty: it has done what it was asked for.
std::string Complaint(const std::string& what, const ToolOutcome& outcome) {
  const std::string complaint = ToolComplaint(what, outcome);
  return complaint.empty() ? "" : kLock + complaint;
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

std::string ChainRemovalOf(const std::string& ruleset) {
  constexpr const char* kHandle = "# handle ";
  std::string rules, chains, table, chain;
  std::istringstream lines(ruleset);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (!line.starts_with('\t')) {
      table = first == "table" && third == "filter" && (second == "ip" || second == "ip6")
                  ? second + " filter "
                  : "";
    } else if (!table.empty() && first == "chain") {
      chain = second;
      if (chain == "CRIU") {
        chains += "flush chain " + table + "CRIU\ndelete chain " + table + "CRIU\n";
      }
    } else if (!table.empty() && (chain == "INPUT" || chain == "OUTPUT")) {
      const std::size_t jump = line.find(" jump CRIU "), handle = line.rfind(kHandle);
      if (jump == line.npos || handle == line.npos || handle < jump) continue;
      rules += "delete rule " + table + chain + " handle " +
               line.substr(handle + std::string_view(kHandle).size()) + "\n";
    }
  }
  return chains.empty() ? "" : rules + chains;
}

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
    : program_(program), timeout_(options.timeout), own_(OwnNetwork(program, options)) {
  const About* about = AboutOf(program);
  if (about == nullptr || !about->network_lock) return;
  const bool outside = options.network_locked && !HasNewNetwork(program, options);
  if (own_ != nullptr || outside) lock_ = &*about->network_lock;
  has_connections_ = std::ranges::any_of(program, [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    return open != nullptr && IsConnection(*open->file);
  });
}

std::string NetworkUnlock::Find() {
  if (lock_ == nullptr) return "";
  if (own_ != nullptr) return FindInOwn();
  if (!(lock_->method == kIptables)) {
    // Without connections the table stops nothing: preflight has told that it stays.
    return has_connections_ || preflight::IsInPath("nft") ? FindTable() : "";
  }
  // Joined, or from outside: it was locked as the tree's own, not connection by connection.
  if (HasNetwork(program_)) {
    std::string problem = FindChain("iptables-save", "iptables-restore");
    return problem.empty() ? FindChain("ip6tables-save", "ip6tables-restore") : problem;
  }
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

/// Where CRIU's iptables-restore(8) is that of nftables, its rules are among those.
std::string NetworkUnlock::FindInOwn() {
  if (!(lock_->method == kIptables)) return own_->nftables ? FindTable() : "";
  if (own_->nftables) {
    const ToolOutcome listed = RunTool({"nft", "--handle", "list", "ruleset"}, "", timeout_);
    std::string problem = Complaint("nft list ruleset", listed);
    if (!problem.empty()) return problem;
    std::string removal = ChainRemovalOf(listed.output);
    if (!removal.empty()) removals_.push_back({{"nft", "-f", "-"}, std::move(removal)});
  }
  for (const bool six : {false, true}) {
    if (!(six ? own_->ip6tables : own_->iptables)) continue;
    const TablesPrograms programs = TablesProgramsOf(six);
    std::string problem = FindChain(programs.save, programs.restore);
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string NetworkUnlock::FindChain(const char* save, const char* restore) {
  // All tables: to ask for one that is not there makes it.
  const ToolOutcome saved = RunTool({save}, "", timeout_);
  std::string problem = Complaint(save, saved);
  if (!problem.empty()) return problem;
  if (saved.output.find("\n:CRIU ") != std::string::npos) {
    removals_.push_back(
        {{restore, "-w", "--noflush"},
         "*filter\n-D INPUT -j CRIU\n-D OUTPUT -j CRIU\n-F CRIU\n-X CRIU\nCOMMIT\n"});
  }
  return "";
}

/// All of the family: whether one is there is not what the exit code says of a single one. CRIU 4
/// has room for so much of a name (criu/netfilter.c, "inet " and the name in 31 characters).
std::string NetworkUnlock::FindTable() {
  constexpr std::size_t kNameRoom = 26;
  cut_table_ = lock_->table.substr(0, kNameRoom);
  const ToolOutcome listed = RunTool({"nft", "list", "tables", "inet"}, "", timeout_);
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
  const ToolOutcome saved = RunTool({save, "-t", "filter"}, "", timeout_);
  std::string problem = Complaint(save, saved);
  if (!problem.empty()) return problem;
  std::string deletion = DeletionOf(saved.output, connections);
  if (!deletion.empty()) removals_.push_back({{restore, "-w", "--noflush"}, std::move(deletion)});
  return "";
}

std::string NetworkUnlock::Remove() {
  for (const Removal& removal : removals_) {
    const ToolOutcome done = RunTool(removal.words, removal.input, timeout_);
    // One that was killed may have done it.
    may_be_gone_ |= done.started && done.status == 0;
    if (std::string problem = Complaint(removal.words[0], done); !problem.empty()) return problem;
  }
  return "";
}

}  // namespace crgen::restorer
