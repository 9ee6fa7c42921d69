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

/// Without comments, and without the numbers in "[3:180]" and behind "packets", "bytes", "expires".
std::string OfLines(std::string_view content) {
  static constexpr std::string_view kBefore[] = {" [", " packets ", " bytes ", " expires "};
  std::string all;
  while (!content.empty()) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(line.size() + 1, content.size()));
    if (line.starts_with('#')) continue;
    bool counts = line.starts_with('[');
    for (std::size_t at = 0; at < line.size(); ++at) {
      const std::string_view before = line.substr(0, at);
      counts = counts || std::ranges::any_of(kBefore, [&](std::string_view word) {
                 return before.ends_with(word);
               });
      counts = counts && std::string_view(" ,}]").find(line[at]) == std::string_view::npos;
      if (!counts) all += line[at];
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
