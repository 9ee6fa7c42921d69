// SPDX-License-Identifier: Apache-2.0
#include "views/diff_network.h"

#include <linux/if_addr.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/netlink_bytes.h"

namespace crgen {
namespace {

struct Messages {
  std::string_view kind;
  std::size_t before;                  ///< bytes before the first
  std::size_t head;                    ///< of each, before its attributes
  std::vector<std::uint16_t> passing;  ///< attributes that are others in every dump
  bool in_order;
};

const Messages* MessagesOf(std::string_view kind) {
  static const std::vector<std::uint16_t> kPassing = {
      CTA_TIMEOUT, CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY, CTA_USE, CTA_ID, CTA_TIMESTAMP};
  static const Messages kAll[] = {
      {"IFADDR", sizeof(std::uint32_t), sizeof(ifaddrmsg), {IFA_CACHEINFO}, true},
      {"ROUTE", sizeof(std::uint32_t), sizeof(rtmsg), {RTA_CACHEINFO}, true},
      {"ROUTE6", sizeof(std::uint32_t), sizeof(rtmsg), {RTA_CACHEINFO}, false},
      {"RULE", sizeof(std::uint32_t), sizeof(rtmsg), {}, true},
      {"NETNF_CT", 0, sizeof(nfgenmsg), kPassing, false},
      {"NETNF_EXP", 0, sizeof(nfgenmsg), {CTA_EXPECT_TIMEOUT, CTA_EXPECT_ID}, false}};
  const auto found = std::ranges::find(kAll, kind, &Messages::kind);
  return found == std::end(kAll) ? nullptr : found;
}

std::string OfMessages(const Messages& format, std::string content) {
  std::vector<std::string> parts;
  std::span<char> bytes(content);
  bytes = bytes.subspan(std::min(format.before, bytes.size()));
  ForEachNetlink(bytes, &nlmsghdr::nlmsg_len, [&](const nlmsghdr&, std::span<char> body) {
    const std::size_t head = std::min(format.head, body.size());
    std::string part(body.data(), head);
    ForEachNetlink(
        body.subspan(head), &nlattr::nla_len, [&](const nlattr& attribute, std::span<char> value) {
          const auto type = static_cast<std::uint16_t>(attribute.nla_type & NLA_TYPE_MASK);
          if (std::ranges::count(format.passing, type) != 0) return;
          part += std::to_string(type) + ' ' + std::to_string(value.size()) + ' ';
          part.append(value.data(), value.size());
        });
    parts.push_back(std::to_string(part.size()) + ' ' + part);
  });
  if (!format.in_order) std::ranges::sort(parts);
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

bool IsCount(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == word.npos;
}

/// "[3:180]" of iptables-save(8).
bool IsCounter(std::string_view word) {
  const std::size_t colon = word.find(':');
  return word.size() > 4 && word.front() == '[' && word.back() == ']' && colon != word.npos &&
         IsCount(word.substr(1, colon - 1)) &&
         IsCount(word.substr(colon + 1, word.size() - colon - 2));
}

/// The words of a line behind its tabs, and whether each begins within a string.
struct Word {
  std::string_view text;
  bool quoted = false;
};
std::vector<Word> WordsOf(std::string_view line) {
  std::vector<Word> words;
  bool quoted = false;
  line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
  while (true) {
    const std::size_t size = std::min(line.find(' '), line.size());
    words.push_back({line.substr(0, size), quoted});
    for (std::size_t at = 0; at < size; ++at) {
      if (line[at] == '"' && (at == 0 || line[at - 1] != '\\')) quoted = !quoted;
    }
    if (size == line.size()) return words;
    line.remove_prefix(size + 1);
  }
}

/// Whether `words[at]` is what a counter or a clock of the rules shows: of iptables-save(8) the one
/// of a chain or before a rule, of nft(8) that of COUNTER, and the time that an element has left.
/// The same words elsewhere are matched by the rule: "ct original packets > 20", "burst 7 packets".
bool Passes(const std::vector<Word>& words, std::size_t at) {
  const Word& word = words[at];
  if (word.quoted) return false;
  const bool chain = words[0].text.starts_with(':') && at + 1 == words.size();
  if ((chain || at == 0) && IsCounter(word.text)) return true;
  const auto is = [&](std::size_t before, std::string_view text) {
    return at >= before && words[at - before].text == text && !words[at - before].quoted;
  };
  if (is(1, "expires")) return true;
  // A counter that has a name shows what it has counted in a line of its own.
  const std::size_t packets = is(1, "packets") ? 1 : is(1, "bytes") && is(3, "packets") ? 3 : 0;
  return packets != 0 && (at == packets || is(packets + 1, "counter"));
}

/// Without comments, and without what passes.
std::string OfLines(std::string_view content) {
  std::string all;
  while (!content.empty()) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(line.size() + 1, content.size()));
    if (line.starts_with('#')) continue;
    const std::vector<Word> words = WordsOf(line);
    for (std::size_t at = 0; at < words.size(); ++at) {
      const std::string_view text = words[at].text;
      const std::size_t end = std::min(text.find_first_of(",}"), text.size());
      all += Passes(words, at) ? text.substr(end) : text;
      all += ' ';
    }
    all += '\n';
  }
  return all;
}

}  // namespace

std::string NetworkMeaning(std::string_view kind, std::string content) {
  const Messages* messages = MessagesOf(kind);
  return messages != nullptr ? OfMessages(*messages, std::move(content)) : OfLines(content);
}

}  // namespace crgen
