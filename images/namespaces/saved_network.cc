// SPDX-License-Identifier: Apache-2.0
#include "images/namespaces/saved_network.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

namespace crgen {
namespace {

/// What ip(8) saves: a number that says what follows, then messages of one type. Those of
/// connection tracking have no such number.
struct MessageFormat {
  std::string_view kind;
  std::uint32_t magic;  ///< 0: none
  std::uint16_t type, other_type;
  std::size_t head;  ///< bytes between the head of a message and its attributes
};
constexpr std::uint16_t kConntrack = NFNL_SUBSYS_CTNETLINK << 8;
constexpr std::uint16_t kExpectation = NFNL_SUBSYS_CTNETLINK_EXP << 8;
constexpr MessageFormat kFormats[] = {
    {"IFADDR", 0x47361222, RTM_NEWADDR, RTM_NEWADDR, sizeof(ifaddrmsg)},
    {"ROUTE", 0x45311224, RTM_NEWROUTE, RTM_NEWROUTE, sizeof(rtmsg)},
    {"ROUTE6", 0x45311224, RTM_NEWROUTE, RTM_NEWROUTE, sizeof(rtmsg)},
    {"RULE", 0x71706986, RTM_NEWRULE, RTM_NEWRULE, sizeof(fib_rule_hdr)},
    {"NETNF_CT", 0, kConntrack, kConntrack, sizeof(nfgenmsg)},
    // CRIU asks for connections here too.
    {"NETNF_EXP", 0, kExpectation, kConntrack, sizeof(nfgenmsg)}};
constexpr std::size_t kMessageAtMost = 16384;  // the buffer of ip(8)

template <typename Head>
Head HeadAt(std::string_view bytes) {
  Head head = {};
  std::memcpy(&head, bytes.data(), sizeof head);
  return head;
}

/// Whether `bytes` are attributes of netlink(7), one after the other.
bool AreAttributes(std::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes.size() < sizeof(nlattr)) return false;
    const std::size_t size = HeadAt<nlattr>(bytes).nla_len;
    if (size < sizeof(nlattr) || size > bytes.size()) return false;
    bytes.remove_prefix(std::min<std::size_t>(NLA_ALIGN(size), bytes.size()));
  }
  return true;
}

/// Why there is no message of that kind at the beginning; nullptr: there is one, of `*size` bytes.
const char* WrongMessage(const MessageFormat& format, std::string_view bytes, std::size_t* size) {
  if (bytes.size() < sizeof(nlmsghdr)) return "the head of a message is cut";
  const auto head = HeadAt<nlmsghdr>(bytes);
  if (head.nlmsg_type != format.type && head.nlmsg_type != format.other_type) {
    return "a message of another type";
  }
  if (head.nlmsg_len < sizeof(nlmsghdr) + format.head || head.nlmsg_len > kMessageAtMost ||
      head.nlmsg_len % NLMSG_ALIGNTO != 0) {
    return "a message of an impossible length";
  }
  if (head.nlmsg_len > bytes.size()) return "a message is cut";
  *size = head.nlmsg_len;
  const std::size_t before = sizeof(nlmsghdr) + format.head;
  return AreAttributes(bytes.substr(before, head.nlmsg_len - before))
             ? nullptr
             : "a message whose attributes have impossible lengths";
}

Result CheckMessages(const MessageFormat& format, std::string_view content, const std::string& name,
                     Diagnostics& diag) {
  std::string_view rest = content;
  if (format.magic != 0) {
    if (rest.size() < sizeof format.magic || HeadAt<std::uint32_t>(rest) != format.magic) {
      return diag.Fail(name, "does not begin as ip(8) saves it, with " + HexText(format.magic));
    }
    rest.remove_prefix(sizeof format.magic);
  }
  while (!rest.empty()) {
    std::size_t size = 0;
    if (const char* wrong = WrongMessage(format, rest, &size)) {
      return diag.Fail(name + " @" + HexText(content.size() - rest.size()), wrong);
    }
    rest.remove_prefix(size);
  }
  return Result::kOk;
}

/// Calls `line(text, number)` for each until it says something; that.
template <typename Line>
std::string FirstWrongLine(std::string_view content, Line&& line) {
  std::uint64_t number = 0;
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    ++number;
    if (end == content.npos) return "line " + std::to_string(number) + " is cut";
    const std::string wrong = line(content.substr(0, end));
    if (!wrong.empty()) return "line " + std::to_string(number) + " " + wrong;
    content.remove_prefix(end + 1);
  }
  return "";
}

/// An option by which iptables(8) runs a program, or a way to write it.
bool NamesProgram(std::string_view rule) {
  constexpr std::string_view kOption = "--modprobe";
  constexpr std::size_t kShortest = 4;  // "--mo"
  while (!rule.empty()) {
    rule.remove_prefix(std::min(rule.find_first_not_of(" \t\"'"), rule.size()));
    const std::string_view word = rule.substr(0, rule.find_first_of(" \t=\"'"));
    if (word.starts_with("-M") || (word.size() >= kShortest && kOption.starts_with(word))) {
      return true;
    }
    rule.remove_prefix(word.size());
    rule.remove_prefix(std::min<std::size_t>(rule.size(), 1));
  }
  return false;
}

std::string WrongInTables(std::string_view content) {
  bool in_table = false;
  std::string wrong = FirstWrongLine(content, [&](std::string_view line) -> std::string {
    if (line.empty() || line.starts_with('#')) return "";
    if (line.starts_with('*') != !in_table) return "stands at no place of a table";
    if (line.starts_with('*')) {
      in_table = true;
    } else if (line == "COMMIT") {
      in_table = false;
    } else if (!line.starts_with(':') && !line.starts_with('-') && !line.starts_with('[')) {
      return "is no line of iptables-save(8)";
    } else if (!line.starts_with(':') && NamesProgram(line)) {
      return "names a program to run, which iptables-save(8) never does";
    }
    return "";
  });
  return wrong.empty() && in_table ? "ends amid a table" : wrong;
}

std::string WrongInRuleset(std::string_view content) {
  bool in_table = false;
  std::string wrong = FirstWrongLine(content, [&](std::string_view line) -> std::string {
    if (line.empty()) return "";
    const bool inside = line.starts_with('\t');
    const bool is_table = line.starts_with("table ") && line.ends_with(" {");
    if (inside ? !in_table : in_table ? line != "}" : !is_table) {
      return "stands at no place of a table";
    }
    if (!inside) in_table = is_table;
    return "";
  });
  return wrong.empty() && in_table ? "ends amid a table" : wrong;
}

}  // namespace

Result CheckSavedNetwork(std::string_view kind, std::string_view content, const std::string& name,
                         Diagnostics& diag) {
  for (const MessageFormat& format : kFormats) {
    if (format.kind == kind) return CheckMessages(format, content, name, diag);
  }
  if (content.find('\0') != content.npos) return diag.Fail(name, "has a NUL, and is a text");
  const std::string wrong = kind == "NFTABLES" ? WrongInRuleset(content) : WrongInTables(content);
  return wrong.empty() ? Result::kOk : diag.Fail(name, wrong);
}

}  // namespace crgen
