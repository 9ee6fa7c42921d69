// SPDX-License-Identifier: Apache-2.0
#include "restorer/net_spaces.h"

#include <sched.h>

#include <utility>
#include <variant>

#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {

std::vector<std::uint64_t> FindNetSpaces(const Program& program, const Schedule& schedule) {
  std::uint64_t own = 0;
  std::vector<std::uint64_t> of_command, of_process;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set != nullptr && !set->attributes->further_nets.empty()) {
      own = set->attributes->net->id;
      of_process.assign(schedule.processes.size(), own);
      of_command.assign(program.size(), own);
    }
    if (of_command.empty()) continue;
    std::uint64_t& net = of_process[schedule.executor[i]];
    if (set != nullptr && set->attributes->setns) net = set->attributes->setns->net.value_or(own);
    of_command[i] = net;
    if (std::holds_alternative<Fork>(program[i].body)) of_process[schedule.child[i]] = net;
  }
  return of_command;
}

std::optional<std::uint64_t> NetOf(const File& file) {
  return std::visit(
      [&]<typename Body>(const Body& body) -> std::optional<std::uint64_t> {
        if constexpr (requires { body.net; }) {
          if (body.net) return *body.net;
        }
        return std::nullopt;
      },
      file.body);
}

NetVisit::NetVisit(const NetDescriptors& nets, const NetNamespace* own,
                   std::optional<std::uint64_t> there) {
  if (own == nullptr || nets.empty() || !there || *there == own->id) return;
  problem_ = Enter(nets.at(*there));
  if (problem_.empty()) own_ = nets.at(own->id);
}

std::string NetVisit::Enter(int fd) {
  if (!FailsOnPurpose() && setns(fd, CLONE_NEWNET) == 0) return "";
  return ErrorText("setns(CLONE_NEWNET)");
}

std::string NetVisit::Leave() {
  if (own_ < 0) return problem_;
  std::string problem = Enter(std::exchange(own_, -1));
  if (problem_.empty()) problem_ = std::move(problem);
  return problem_;
}

}  // namespace crgen::restorer
