// SPDX-License-Identifier: Apache-2.0
#include "restorer/network_lock.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

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

/// "-A CHAIN …" as what makes it the `place`th rule of its chain.
std::string InsertionOf(const std::string& chain, std::size_t place, const std::string& line) {
  return "-I " + chain + " " + std::to_string(place) +
         line.substr(std::string_view("-A ").size() + chain.size()) + "\n";
}

/// `each(chain, place, line)` of the rules of the table `filter`.
template <typename Each>
void ForEachRule(const std::string& saved, Each&& each) {
  std::map<std::string, std::size_t> rules;
  bool in_filter = false;
  std::istringstream lines(saved);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('*')) in_filter = line == "*filter";
    if (!in_filter || !line.starts_with("-A ")) continue;
    std::string word, chain;
    std::istringstream(line) >> word >> chain;
    each(chain, ++rules[chain], line);
  }
}

/// As input of iptables-restore(8); nothing of no rules.
std::string InFilter(const std::string& rules) {
  return rules.empty() ? "" : "*filter\n" + rules + "COMMIT\n";
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

RuleChange RulesOf(const std::string& saved, const std::vector<const InetSocket*>& connections) {
  std::set<Rule> locked;
  for (const InetSocket* socket : connections) {
    locked.insert(RuleOf("INPUT", *socket->destination, *socket->source));
    locked.insert(RuleOf("OUTPUT", *socket->source, *socket->destination));
  }
  RuleChange change;
  ForEachRule(saved, [&](const std::string& chain, std::size_t place, const std::string& line) {
    std::istringstream words(line);
    std::map<std::string, std::string> says;
    std::string last;
    for (std::string word; words >> word; last = word) says.emplace(last, word);
    const Rule rule = {chain, says["-s"], says["--sport"], says["-d"], says["--dport"]};
    if (says["--mark"] != "0xc114" || says["-j"] != "DROP" || locked.erase(rule) == 0) return;
    change.removal += "-D" + line.substr(2) + "\n";
    change.back += InsertionOf(chain, place, line);
  });
  return {InFilter(change.removal), InFilter(change.back)};
}

RuleChange ChainOf(const std::string& saved) {
  if (saved.find("\n:CRIU ") == saved.npos) return {};
  std::string back = ":CRIU - [0:0]\n";
  ForEachRule(saved, [&](const std::string& chain, std::size_t place, const std::string& line) {
    const bool leads_there = (chain == "INPUT" || chain == "OUTPUT") && line.ends_with("-j CRIU");
    if (chain == "CRIU" || leads_there) back += InsertionOf(chain, place, line);
  });
  return {InFilter("-D INPUT -j CRIU\n-D OUTPUT -j CRIU\n-F CRIU\n-X CRIU\n"), InFilter(back)};
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
  AddTables(restore, ChainOf(saved.output));
  return "";
}

void NetworkUnlock::AddTables(const char* restore, RuleChange change) {
  if (change.removal.empty()) return;
  const std::vector<const char*> words = {restore, "-w", "--noflush"};
  removals_.push_back({words, std::move(change.removal), words, std::move(change.back)});
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
    ToolOutcome table = RunTool({"nft", "list", "table", "inet", name.c_str()}, "", timeout_);
    problem = Complaint("nft list table inet", table);
    removals_.push_back({{"nft", "delete", "table", "inet", name.c_str()},
                         "",
                         {"nft", "-f", "-"},
                         std::move(table.output)});
  }
  return problem;
}

std::string NetworkUnlock::FindRules(const std::vector<const InetSocket*>& connections,
                                     const char* save, const char* restore) {
  if (connections.empty()) return "";
  const ToolOutcome saved = RunTool({save, "-t", "filter"}, "", timeout_);
  std::string problem = Complaint(save, saved);
  if (!problem.empty()) return problem;
  AddTables(restore, RulesOf(saved.output, connections));
  return "";
}

std::string NetworkUnlock::Remove() {
  for (const Removal& removal : removals_) {
    const ToolOutcome done = RunTool(removal.words, removal.input, timeout_);
    std::string problem = Complaint(removal.words[0], done);
    // What fails changes nothing; one that was killed may have done it.
    last_is_done_ = problem.empty();
    if (last_is_done_ || (done.started && !done.problem.empty())) ++begun_;
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string NetworkUnlock::PutBack() {
  while (begun_ != 0 && own_ == nullptr) {
    const Removal& removal = removals_[--begun_];
    // Now it is done, if it was not.
    if (!std::exchange(last_is_done_, true)) RunToolToItsEnd(removal.words, removal.input);
    const ToolOutcome done = RunToolToItsEnd(removal.back_words, removal.back);
    if (std::string problem = Complaint(removal.back_words[0], done); !problem.empty()) {
      return problem;
    }
  }
  return "";
}

}  // namespace crgen::restorer
