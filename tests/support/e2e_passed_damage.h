// SPDX-License-Identifier: Apache-2.0
// Plans in which what was passed on is wrong in one place.
#pragma once

#include <vector>

#include "tests/support/e2e_change.h"

namespace crgen::test {

inline std::vector<Damage> DamagesOfPassed() {
  using nlohmann::json;
  return {
      {"epoll", "not by the number that is closed",
       InAttribute("descriptors",
                   [](json& late) {
                     for (json& entry : late) {
                       if (entry.value("fd", 0) == 53) entry["epoll"].erase(1);
                     }
                   })},
      {"files", "for more than ioctl(2)",
       [](json& plan) {
         for (json& command : plan) {
           if (!command.contains("file")) continue;
           for (json& flag : command["file"]["flags"]) {
             if (flag == "O_ACCMODE") flag = "O_RDONLY";
           }
         }
       }},
      {"passed_pidfds", "each has one of its own",
       [](json& plan) {
         for (std::size_t i = 0; i < plan.size(); ++i) {
           if (plan[i].erase("from") != 0) plan[i]["file"]["id"] = 5000 + i;
         }
       }},
      {"passed_sets", "nothing is watched", InAttribute("descriptors", WithoutLate("epoll"))},
      {"passed_sets", "other data",
       InAttribute("descriptors",
                   [](json& late) {
                     for (json& entry : late) {
                       if (entry.contains("epoll")) entry["epoll"][0]["data"] = "0x1";
                     }
                   })},
  };
}

}  // namespace crgen::test
