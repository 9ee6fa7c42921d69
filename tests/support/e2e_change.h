// SPDX-License-Identifier: Apache-2.0
// Changes of a plan, for whoever damages it.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace crgen::test {

struct Damage {
  std::string program;
  std::string what;
  std::function<void(nlohmann::json&)> damage;
};

using Change = std::function<void(nlohmann::json&)>;

/// Changes each command of that name.
inline std::function<void(nlohmann::json&)> InEach(const std::string& name, const Change& change) {
  return [=](nlohmann::json& plan) {
    for (nlohmann::json& command : plan) {
      if (command["command"] == name) change(command);
    }
  };
}

/// Changes each attribute of that name.
inline std::function<void(nlohmann::json&)> InAttribute(const std::string& name,
                                                        const Change& change) {
  return InEach("SET_ATTR", [=](nlohmann::json& command) {
    nlohmann::json& attributes = command["attributes"];
    if (attributes.contains(name)) change(attributes[name]);
  });
}

/// Changes the mount at `place`, which has that index in the list.
inline std::function<void(nlohmann::json&)> InMount(
    const std::string& place, const std::function<void(nlohmann::json&, std::size_t)>& change) {
  return InAttribute("mounts", [=](nlohmann::json& mounts) {
    for (std::size_t i = 0; i < mounts.size(); i++) {
      if (mounts[i]["mountpoint"] == place) return change(mounts, i);
    }
  });
}

/// Late state without the entries that have the member.
inline Change WithoutLate(const std::string& member) {
  return [=](nlohmann::json& late) {
    std::erase_if(late.get_ref<nlohmann::json::array_t&>(),
                  [&](const nlohmann::json& entry) { return entry.contains(member); });
  };
}

/// Changes what each opening says of a file without a name.
inline std::function<void(nlohmann::json&)> InUnlinked(const Change& change) {
  return InEach("OPEN_FILE", [=](nlohmann::json& command) {
    if (command["file"].contains("unlinked")) change(command["file"]["unlinked"]);
  });
}

/// Whatever is to be at one position is at another.
inline std::function<void(nlohmann::json&)> Moved(int pos, int to) {
  return InEach("OPEN_FILE", [=](nlohmann::json& command) {
    if (command["file"].value("pos", 0) == pos) command["file"]["pos"] = to;
  });
}

/// Whoever has a working directory below one has another.
inline std::function<void(nlohmann::json&)> Elsewhere(const std::string& folder) {
  return InAttribute("fs", [=](nlohmann::json& fs) {
    if (fs["cwd"].get_ref<const std::string&>().starts_with(folder)) fs["cwd"] = "/";
  });
}

/// Changes each map of bpf(2), where it is made.
inline std::function<void(nlohmann::json&)> InMaps(const Change& change) {
  return InEach("OPEN_FILE", [=](nlohmann::json& command) {
    if (command["file"].contains("map")) change(command["file"]["map"]);
  });
}

/// Changes each list of locks.
inline std::function<void(nlohmann::json&)> InLocks(const Change& change) {
  return InEach("SET_ATTR", [=](nlohmann::json& command) {
    nlohmann::json& attributes = command["attributes"];
    if (!attributes.contains("descriptors")) return;
    for (nlohmann::json& late : attributes["descriptors"]) {
      if (late.contains("locks")) change(late["locks"]);
    }
  });
}

/// Changes each directory of cgroups.
inline std::function<void(nlohmann::json&)> InDirectories(const Change& change) {
  return InAttribute("cgroup", [=](nlohmann::json& cgroup) {
    if (!cgroup.contains("directories")) return;
    for (nlohmann::json& directory : cgroup["directories"]) change(directory);
  });
}

/// Everybody goes without that attribute; what gives rights must be inherited by the word.
inline Damage Without(const std::string& program, const std::string& attribute) {
  return {program, "without " + attribute, InEach("SET_ATTR", [=](nlohmann::json& command) {
            nlohmann::json& attributes = command["attributes"];
            const bool rights = attribute == "creds" || attribute == "rlimits";
            if (attributes.erase(attribute) != 0 && rights) attributes[attribute] = "inherit";
          })};
}

inline Damage WithoutPart(const std::string& program, const std::string& attribute,
                          const std::string& part) {
  return {program, "without " + part,
          InAttribute(attribute, [=](nlohmann::json& value) { value.erase(part); })};
}

/// Takes out the last command for which this holds.
inline std::function<void(nlohmann::json&)> WithoutLast(
    const std::function<bool(const nlohmann::json&)>& holds) {
  return [=](nlohmann::json& plan) {
    for (std::size_t i = plan.size(); i-- > 0;) {
      if (!holds(plan[i])) continue;
      plan.erase(i);
      return;
    }
  };
}
inline std::function<void(nlohmann::json&)> WithoutLast(const std::string& name) {
  return WithoutLast([=](const nlohmann::json& command) { return command["command"] == name; });
}

inline bool Opens(const nlohmann::json& command, const std::string& file) {
  return command["command"] == "OPEN_FILE" && command["file"].contains("path") &&
         command["file"]["path"].get<std::string>().ends_with(file);
}

/// Changes each description of a terminal.
inline Change InTerminals(const Change& change) {
  return InEach("OPEN_FILE", [=](nlohmann::json& command) {
    if (command["file"]["type"] == "TTY") change(command["file"]);
  });
}

/// Changes each description of that type.
inline Change InFiles(const std::string& type, const Change& change) {
  return InEach("OPEN_FILE", [=](nlohmann::json& command) {
    if (command["file"]["type"] == type) change(command["file"]);
  });
}
/// Changes each internet socket.
inline Change InSockets(const Change& change) { return InFiles("INETSK", change); }
/// Gives each description of that type another value of a member that it has.
inline Change WithOther(const std::string& type, const std::string& member,
                        const nlohmann::json& value) {
  return InFiles(type, [=](nlohmann::json& file) {
    if (file.contains(member)) file[member] = value;
  });
}
/// Takes a member from each description of that type.
inline Change WithoutMember(const std::string& type, const std::string& member) {
  return InFiles(type, [=](nlohmann::json& file) { file.erase(member); });
}

/// Replaces the first opening of `file` and its copy by two openings: the position is not shared.
inline void Unshare(nlohmann::json& plan, const std::string& file) {
  for (std::size_t i = 0; i < plan.size(); i++) {
    if (!Opens(plan[i], file)) continue;
    for (std::size_t k = i + 1; k < plan.size(); k++) {
      if (plan[k]["command"] != "DUP_FD" || plan[k]["pid"] != plan[i]["pid"] ||
          plan[k]["old_fd"] != plan[i]["fd"]) {
        continue;
      }
      nlohmann::json opening = plan[i];
      opening["fd"] = plan[k]["new_fd"];
      opening["cloexec"] = plan[k].value("cloexec", false);
      opening["file"]["id"] = 1000000;
      plan[k] = opening;
      return;
    }
  }
}

inline Change RemoveWord(const std::string& field, const std::string& word) {
  return [=](nlohmann::json& command) {
    if (!command.contains(field)) return;
    std::erase(command[field].get_ref<nlohmann::json::array_t&>(), word);
  };
}

/// Changes each target of the sets of epoll(7).
inline std::function<void(nlohmann::json&)> InEachTarget(const Change& change) {
  return InAttribute("descriptors", [=](nlohmann::json& late) {
    for (nlohmann::json& entry : late) {
      if (!entry.contains("epoll")) continue;
      for (nlohmann::json& target : entry["epoll"]) change(target);
    }
  });
}

/// Makes the last view of a shared object one of an object of its own.
inline void SplitObject(nlohmann::json& plan) {
  for (std::size_t i = plan.size(); i-- > 0;) {
    if (plan[i]["command"] != "MAP_REGION" || !plan[i].contains("shmem")) continue;
    plan[i]["shmem"] = {{"id", 1000000}, {"offset", 0}, {"size", 1 << 20}};
    return;
  }
}

/// Changes each description of a pipe or FIFO.
inline Change InPipes(const Change& change) {
  return InEach("OPEN_FILE", [=](nlohmann::json& command) {
    const auto of = [&](nlohmann::json& file) {
      if (file["type"] == "PIPE" || file["type"] == "FIFO") change(file);
    };
    of(command["file"]);
    if (command.contains("peer")) of(command["peer"]["file"]);
  });
}

inline nlohmann::json& LargestLoad(nlohmann::json& plan) {
  nlohmann::json* largest = nullptr;
  for (nlohmann::json& command : plan) {
    if (command["command"] != "LOAD_PAGES") continue;
    if (!largest || command["pages"] > (*largest)["pages"]) largest = &command;
  }
  return *largest;
}

inline void Add(std::int64_t summand, nlohmann::json& number) {
  number = number.get<std::int64_t>() + summand;
}

}  // namespace crgen::test
