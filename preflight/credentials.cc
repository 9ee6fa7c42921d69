// SPDX-License-Identifier: Apache-2.0
#include "preflight/credentials.h"

#include <linux/oom.h>
#include <sys/prctl.h>

#include <sstream>

#include "model/capabilities.h"
#include "preflight/own_status.h"

namespace crgen::preflight {
namespace {

std::vector<IdRange> ReadMap(Host& host, const char* path) {
  std::vector<IdRange> map;
  std::istringstream file(host.File(path));
  for (IdRange range; file >> range.first >> range.outside >> range.count;) map.push_back(range);
  return map;
}

void ReadStatusLine(const std::string& line, Credentials* own) {
  std::istringstream words(line);
  std::string key;
  words >> key;
  const auto ids = [&](std::uint32_t* to) { words >> to[0] >> to[1] >> to[2] >> to[3]; };
  const auto mask = [&](std::uint64_t& to) { words >> std::hex >> to; };
  if (key == "Uid:") ids(own->uid);
  if (key == "Gid:") ids(own->gid);
  if (key == "CapInh:") mask(own->inheritable);
  if (key == "CapPrm:") mask(own->permitted);
  if (key == "CapEff:") mask(own->effective);
  if (key == "CapBnd:") mask(own->bounding);
  if (key == "CapAmb:") mask(own->ambient);
  if (key == "NoNewPrivs:") words >> own->no_new_privs;
  if (key == "Seccomp_filters:") words >> own->seccomp_filters;
  for (std::uint32_t group; key == "Groups:" && words >> group;) own->groups.push_back(group);
}

}  // namespace

bool Credentials::initial_namespace() const {
  return uid_map.size() == 1 && uid_map[0].first == 0 && uid_map[0].outside == 0 &&
         uid_map[0].count == ~std::uint32_t{0};
}

Credentials ReadCredentials(Host& host) {
  constexpr std::uint64_t kMiddle = 20;
  Credentials own;
  constexpr const char* kStatus = "/proc/self/status";
  const std::string text = host.File(kStatus);
  std::istringstream status(text);
  for (std::string line; std::getline(status, line);) ReadStatusLine(line, &own);
  if (text.empty()) {  // what nobody says is missed by nobody
    own.inheritable = own.permitted = own.effective = own.bounding = ~std::uint64_t{0};
  }
  own.uid_map = ReadMap(host, "/proc/self/uid_map");
  own.gid_map = ReadMap(host, "/proc/self/gid_map");
  own.may_set_groups = host.File("/proc/self/setgroups") != "deny";
  own.last_capability = host.NumberIn("/proc/sys/kernel/cap_last_cap", own.last_capability);
  const auto nice = host.Number(FactKind::kLimits, "20 + nice",
                                [] { return kMiddle + getpriority(PRIO_PROCESS, 0); });
  own.nice = static_cast<int>(nice.value_or(kMiddle)) - static_cast<int>(kMiddle);
  own.oom_score_adj = host.NumberIn("/proc/self/oom_score_adj", 0);
  return own;
}

bool IsWriteExecuteDenied(Host& host) {
  constexpr int kGetMdwe = 66;  // PR_GET_MDWE, Linux 6.3
  const auto denied = host.Number(FactKind::kKernel, "PR_SET_MDWE of this process",
                                  [] { return prctl(kGetMdwe, 0, 0, 0, 0) > 0; });
  return denied.value_or(0) != 0;
}

int OomScores::Lowest() {
  if (!lowest_) {
    const auto above_least = host_.Number(FactKind::kLimits, "1000 + lowest oom_score_adj",
                                          [] { return LowestOomScore() - OOM_SCORE_ADJ_MIN; });
    lowest_ = static_cast<int>(above_least.value_or(0)) + OOM_SCORE_ADJ_MIN;
  }
  return *lowest_;
}

std::string CapabilityName(int capability) { return crgen::CapabilityName(capability); }

std::string CapabilityNames(std::uint64_t mask) {
  std::string names;
  for (int i = 0; i < 64; ++i) {
    if ((mask >> i & 1) == 0) continue;
    if (!names.empty()) names += ", ";
    names += CapabilityName(i);
  }
  return names;
}

}  // namespace crgen::preflight
