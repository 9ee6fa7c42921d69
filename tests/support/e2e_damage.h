// SPDX-License-Identifier: Apache-2.0
// Plans that are wrong in one place, for programs that must notice it.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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

inline std::vector<Damage> Damages() {
  using nlohmann::json;
  return {
      Without("attributes", "rlimits"),
      Without("attributes", "personality"),
      Without("attributes", "child_subreaper"),
      Without("attributes", "oom_score_adj"),
      Without("attributes", "thp_disabled"),
      Without("attributes", "comm"),
      Without("attributes", "pdeath_signal"),
      Without("attributes", "sched"),
      Without("attributes", "creds"),
      Without("attributes", "seccomp"),
      Without("counter", "mm"),
      Without("counter", "rseq"),
      Without("registers", "fpu"),
      Without("signals", "signal_queue"),
      Without("signals", "sigaltstack"),
      Without("threads", "robust_list"),
      Without("threads", "sigaltstack"),
      Without("threads", "signal_queue"),
      Without("timers", "timers"),
      Without("timers", "posix_timers"),
      {"attributes", "dumpable", InAttribute("dumpable", [](json& dumpable) { dumpable = 1; })},
      {"attributes", "another umask",
       InAttribute("fs", [](json& fs) { fs["umask"] = fs["umask"].get<int>() ^ 1; })},
      {"attributes", "another directory", InAttribute("fs", [](json& fs) { fs["cwd"] = "/"; })},
      {"attributes", "no root of its own", InAttribute("fs", [](json& fs) { fs["root"] = "/"; })},
      {"signals", "nothing is ignored",
       InAttribute("sigactions",
                   [](json& actions) {
                     for (json& action : actions) {
                       if (action["handler"] == "0x1") action["handler"] = "0x0";
                     }
                   })},
      {"signals", "no flags",
       InAttribute("sigactions",
                   [](json& actions) {
                     for (json& action : actions) {
                       RemoveWord("flags", "SA_NODEFER")(action);
                     }
                   })},
      {"signals", "another mask",
       InAttribute("signal_mask",
                   [](json& mask) {
                     if (mask == "0x8000000400000a00") mask = "0x400000a00";
                   })},
      Without("cgroups", "cgroup"),
      {"cgroups", "children and threads stay",
       InAttribute("cgroup",
                   [](json& cgroup) {
                     if (!cgroup.contains("directories")) {
                       cgroup.erase("paths");
                     }
                   })},
      {"cgroups", "threads stay",
       InEach("SET_ATTR",
              [](json& command) {
                if (command.contains("tid")) command["attributes"].erase("cgroup");
              })},
      {"cgroups", "no properties", InDirectories([](json& it) { it.erase("properties"); })},
      {"cgroups", "no owners", InDirectories([](json& it) { it.erase("perms"); })},
      {"cgroups", "one less",
       InAttribute("cgroup",
                   [](json& cgroup) {
                     if (!cgroup.contains("directories")) return;
                     std::erase_if(
                         cgroup["directories"].get_ref<json::array_t&>(),
                         [](const json& it) { return it["path"] == "/crgen-e2e/one/empty"; });
                   })},
      Without("clocks", "time"),
      {"clocks", "a clock that jumps",
       InAttribute("time",
                   [](json& time) {
                     time["boottime"]["sec"] = time["boottime"]["sec"].get<std::int64_t>() + 3600;
                   })},
      {"thread_state", "filters of the leader alone",
       InAttribute("seccomp",
                   [](json& seccomp) {
                     for (json& filter : seccomp["filters"]) filter["flags"] = json::array();
                   })},
      {"aio", "events that were collected",
       InEach("MAP_REGION",
              [](json& command) {
                if (command.contains("events")) command["head"] = command["tail"];
                command.erase("events");
              })},
      {"attributes", "one filter",
       InAttribute("seccomp", [](json& seccomp) { seccomp["filters"].erase(1); })},
      {"attributes", "no secure bits",
       InAttribute("creds", [](json& creds) { creds["secbits"] = json::array(); })},
      {"counter", "a wrong break",
       InAttribute("mm", [](json& mm) { mm["brk"] = mm["start_brk"]; })},
      {"counter", "another vdso", InAttribute("mm", [](json& mm) { mm["auxv"][1] = "0x10000"; })},
      {"files", "other positions",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file.value("pos", 0) == 7) file["pos"] = 8;
              })},
      {"files", "a position that is not shared", [](json& plan) { Unshare(plan, "/data"); }},
      {"files", "no close-on-exec",
       InEach("DUP_FD", [](json& command) { command["cloexec"] = false; })},
      {"files", "no O_APPEND",
       InEach("OPEN_FILE",
              [](json& command) { RemoveWord("flags", "O_APPEND")(command["file"]); })},
      {"files", "no owner", InAttribute("descriptors", WithoutLate("owner"))},
      {"unlinked", "nothing in them", InUnlinked([](json& it) { it.erase("content"); })},
      {"unlinked", "another owner", InUnlinked([](json& it) {
         if (it.contains("uid")) it["uid"] = 0;
       })},
      {"unlinked", "another time", InUnlinked([](json& it) { it.erase("times"); })},
      {"unlinked", "two files of one",
       [](json& plan) {
         json whole;
         InUnlinked([&](json& it) {
           if (it.value("size", 0) == 4 && it.contains("mode")) whole = it;
         })(plan);
         InUnlinked([&](json& it) {
           if (!it.contains("link_of")) return;
           const json id = it["id"];
           it = whole;
           it["id"] = id;
         })(plan);
       }},
      {"unlinked", "a content shifted", InUnlinked([](json& it) {
         if (!it.contains("content")) return;
         for (json& part : it["content"]) {
           if (part["bytes"] == 1 << 20) Add(-1, part["source"]["offset"]);
         }
       })},
      {"locks", "no locks at all", InAttribute("descriptors", WithoutLate("locks"))},
      {"locks", "no POSIX locks", InLocks([](json& locks) {
         std::erase_if(locks.get_ref<json::array_t&>(),
                       [](const json& lock) { return lock["kind"] == "POSIX"; });
         if (locks.empty()) locks = {{{"kind", "POSIX"}, {"type", "F_RDLCK"}, {"start", 77777}}};
       })},
      {"locks", "a lock that is shared", InLocks([](json& locks) {
         for (json& lock : locks) {
           if (lock["kind"] == "FLOCK") lock["type"] = "F_RDLCK";
         }
       })},
      {"locks", "another range", InLocks([](json& locks) {
         for (json& lock : locks) {
           if (lock["kind"] == "OFD") lock["length"] = 9;
         }
       })},
      {"locks", "a lock of the description", InLocks([](json& locks) {
         for (json& lock : locks) {
           if (lock["kind"] == "POSIX" && lock.value("start", 0) == 20) lock["kind"] = "OFD";
         }
       })},
      {"locks", "no lease is broken", InLocks([](json& locks) {
         for (json& lock : locks) lock.erase("breaking");
       })},
      {"locks", "no owner", InAttribute("descriptors", WithoutLate("owner"))},
      {"events", "no owner", InAttribute("descriptors", WithoutLate("owner"))},
      {"events", "timers stand still", InAttribute("descriptors", WithoutLate("value"))},
      {"events", "no expirations",
       InAttribute("descriptors",
                   [](json& late) {
                     for (json& entry : late) entry.erase("ticks");
                   })},
      {"events", "a counter of 32 bits",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file["type"] == "EVENTFD") {
                  file["counter"] = file["counter"].get<std::uint64_t>() & 0xffffffff;
                }
              })},
      {"events", "another mask",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file["type"] == "SIGNALFD") file["mask"] = "0x800";
              })},
      {"watches", "nothing is watched", InAttribute("descriptors", WithoutLate("watches"))},
      {"watches", "nothing is marked", InAttribute("descriptors", WithoutLate("marks"))},
      {"watches", "other numbers",
       InAttribute("descriptors",
                   [](json& late) {
                     for (json& entry : late) {
                       if (!entry.contains("watches")) continue;
                       for (json& watch : entry["watches"]) Add(1, watch["wd"]);
                     }
                   })},
      {"watches", "not once",
       InAttribute("descriptors",
                   [](json& late) {
                     for (json& entry : late) {
                       if (!entry.contains("watches")) continue;
                       for (json& watch : entry["watches"]) RemoveWord("mask", "IN_ONESHOT")(watch);
                     }
                   })},
      {"pidfds", "another process",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (command["fd"] == 11 && file["type"] == "PIDFD") file["target"] = command["pid"];
              })},
      {"pidfds", "all the same dead",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file.contains("dead")) file["dead"] = 1;
              })},
      {"ptys", "other modes", InTerminals([](json& tty) {
         if (tty.contains("termios")) tty["termios"]["lflag"] = "0x0";
       })},
      {"ptys", "another size", InTerminals([](json& tty) {
         if (tty.contains("winsize")) Add(1, tty["winsize"]["rows"]);
       })},
      {"ptys", "nothing is locked", InTerminals([](json& tty) { tty.erase("locked_termios"); })},
      {"ptys", "everybody may open it", InTerminals([](json& tty) { tty.erase("exclusive"); })},
      {"ptys", "no packets", InTerminals([](json& tty) { tty.erase("packet"); })},
      {"ptys", "another mode", InTerminals([](json& tty) { tty.erase("mode"); })},
      {"ptys", "another owner", InTerminals([](json& tty) { tty.erase("uid"); })},
      {"ptys", "no controlling terminal",
       [](json& plan) {
         InTerminals([](json& tty) { tty.erase("controlling"); })(plan);
         InAttribute("descriptors", WithoutLate("foreground"))(plan);
       }},
      {"ptys", "another foreground", InAttribute("descriptors", WithoutLate("foreground"))},
      {"ptys", "nothing is unread", InAttribute("descriptors", WithoutLate("input"))},
      {"ptys", "an unlocked slave", InAttribute("descriptors", WithoutLate("locked"))},
      {"epoll", "nothing is watched", InAttribute("descriptors", WithoutLate("epoll"))},
      {"epoll", "what has fired is armed", InEachTarget([](json& target) {
         if (target["events"] == json{"EPOLLONESHOT"}) target["events"].push_back("EPOLLIN");
       })},
      {"epoll", "no edges", InEachTarget(RemoveWord("events", "EPOLLET"))},
      {"epoll", "other data",
       InEachTarget([](json& target) { target["data"] = "0xfedcba9876540000"; })},
      {"epoll", "other types", InEachTarget(RemoveWord("events", "EPOLLIN"))},
      {"epoll", "another number", InEachTarget([](json& target) {
         if (target["fd"] == 24) target["fd"] = 15;
       })},
      {"epoll", "a target too few",
       InAttribute("descriptors",
                   [](json& late) {
                     for (json& entry : late) {
                       if (entry.value("fd", 0) == 21) entry["epoll"].erase(0);
                     }
                   })},
      {"pipes", "fewer bytes in flight", InPipes([](json& file) {
         if (file.contains("data")) Add(-1, file["data"]["bytes"]);
       })},
      {"pipes", "bytes of another place", InPipes([](json& file) {
         if (file.contains("data")) Add(-8, file["data"]["offset"]);
       })},
      {"pipes", "another capacity", InPipes([](json& file) {
         if (file.contains("capacity")) file["capacity"] = 2 * file["capacity"].get<int>();
       })},
      {"pipes", "ends that block", InPipes([](json& file) {
         std::erase(file["flags"].get_ref<json::array_t&>(), "O_NONBLOCK");
       })},
      {"pipes", "no owner", InAttribute("descriptors", WithoutLate("owner"))},
      {"fifos", "nothing in flight", InPipes([](json& file) { file.erase("data"); })},
      {"sockets", "nothing on its way", InAttribute("descriptors", WithoutLate("queue"))},
      {"sockets", "nothing shut down", InAttribute("descriptors", WithoutLate("shutdown"))},
      {"sockets", "no options", InAttribute("descriptors", WithoutLate("options"))},
      {"sockets", "no descriptors in flight",
       InAttribute("descriptors",
                   [](json& late) {
                     for (json& entry : late) {
                       if (!entry.contains("queue")) continue;
                       for (json& message : entry["queue"]) message.erase("rights");
                     }
                   })},
      {"sockets", "other permissions",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file.contains("permissions")) file["permissions"]["mode"] = 49560;
              })},
      {"sockets", "another name",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file.value("name", "").starts_with('\0')) file["name"] = std::string("\0x", 2);
              })},
      {"sockets", "a peer that notices",
       InEach("OPEN_FILE", [](json& command) { command["file"].erase("shutdown_before"); })},
      {"sockets", "a name that a path leads to",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file.contains("unlinked_name")) file["unlinked_name"] = false;
              })},
      {"files", "a descriptor too many",
       WithoutLast([](const json& command) { return command["command"] == "CLOSE_FD"; })},
      {"memory", "no stack that grows", InEach("MAP_REGION", RemoveWord("flags", "MAP_GROWSDOWN"))},
      {"inet", "no option",
       InSockets([](json& socket) { socket["options"].erase("so_broadcast"); })},
      {"inet", "another limit of hops", InSockets([](json& socket) {
         if (socket.contains("ip") && socket["ip"].contains("ttl")) socket["ip"]["ttl"] = 64;
       })},
      {"inet", "no filter", InSockets([](json& socket) { socket["options"].erase("so_filter"); })},
      {"inet", "both families", InSockets([](json& socket) { socket.erase("v6only"); })},
      {"inet", "options of sharing stay", InAttribute("descriptors", WithoutLate("options"))},
      {"inet", "a queue is shifted by a byte", InSockets([](json& socket) {
         if (!socket.contains("stream") || !socket["stream"].contains("in")) return;
         Add(-1, socket["stream"]["in"]["offset"]);
       })},
      {"inet", "what was not sent is lost", InSockets([](json& socket) {
         if (socket.contains("stream")) socket["stream"].erase("unsent");
       })},
      {"inet", "an open end", InSockets([](json& socket) {
         if (socket["state"] == "TCP_CLOSE_WAIT") socket["state"] = "TCP_ESTABLISHED";
       })},
      {"inet", "nobody goes on", InAttribute("descriptors", WithoutLate("repair"))},
      {"netlink", "another port",
       InFiles("NETLINKSK",
               [](json& socket) {
                 if (socket["protocol"] == "NETLINK_ROUTE" && socket.contains("port_id")) {
                   Add(1000, socket["port_id"]);
                 }
               })},
      {"netlink", "bound to a port",
       InFiles("NETLINKSK",
               [](json& socket) {
                 if (!socket.contains("port_id")) socket["port_id"] = 7777;
               })},
      {"netlink", "no groups", WithoutMember("NETLINKSK", "groups")},
      {"netlink", "one group", WithOther("NETLINKSK", "groups", {1})},
      {"netlink", "another destination",
       WithOther("NETLINKSK", "destination", {{"port_id", 7003}, {"group", 4}})},
      {"netlink", "not connected",
       InFiles("NETLINKSK",
               [](json& socket) {
                 socket["state"] = "unconnected";
                 socket.erase("destination");
               })},
      {"netlink", "no options", WithoutMember("NETLINKSK", "options")},
      {"netlink", "another protocol",
       InFiles("NETLINKSK",
               [](json& socket) {
                 if (socket["protocol"] == "NETLINK_ROUTE") socket["protocol"] = "NETLINK_GENERIC";
               })},
      {"packets", "another protocol", WithOther("PACKETSK", "protocol", "ETH_P_PAE")},
      {"packets", "any interface", WithoutMember("PACKETSK", "interface")},
      {"packets", "another type",
       InFiles("PACKETSK",
               [](json& socket) {
                 if (socket["socket_type"] == "SOCK_DGRAM") socket["socket_type"] = "SOCK_RAW";
               })},
      {"packets", "another version",
       InFiles("PACKETSK",
               [](json& socket) {
                 if (socket["version"] == "TPACKET_V2") socket["version"] = "TPACKET_V1";
               })},
      {"packets", "nothing reserved", WithoutMember("PACKETSK", "reserve")},
      {"packets", "no auxiliary data", WithoutMember("PACKETSK", "aux_data")},
      {"packets", "no original device", WithoutMember("PACKETSK", "orig_dev")},
      {"packets", "no virtual headers", WithoutMember("PACKETSK", "vnet_hdr")},
      {"packets", "no loss", WithoutMember("PACKETSK", "loss")},
      {"packets", "no time stamps", WithoutMember("PACKETSK", "timestamp")},
      {"packets", "no copies", WithoutMember("PACKETSK", "copy_threshold")},
      {"packets", "no memberships", WithoutMember("PACKETSK", "memberships")},
      {"packets", "no fanout", WithoutMember("PACKETSK", "fanout")},
      {"packets", "no options", WithoutMember("PACKETSK", "options")},
      {"packets", "smaller frames",
       InFiles("PACKETSK",
               [](json& socket) {
                 if (!socket.contains("rings") || socket["version"] != "TPACKET_V2") return;
                 socket["rings"]["receive"].update({{"frame_size", 1024}, {"frame_nr", 8}});
               })},
      {"namespace_files", "of other types",
       InFiles("NS",
               [](json& file) { file["namespace"] = file["namespace"] == "net" ? "uts" : "net"; })},
      {"memory", "no protection", WithoutLast([](const json& command) {
         return command["command"] == "PROTECT_REGION" && command.contains("prot");
       })},
      {"memory", "advice is lost",
       InEach("MAP_REGION", [](json& command) { command.erase("madvise"); })},
      {"memory", "pages of another place",
       [](json& plan) { Add(-4096, LargestLoad(plan)["source"]["offset"]); }},
      {"memory", "one page less", [](json& plan) { Add(-1, LargestLoad(plan)["pages"]); }},
      {"zombies", "another exit code",
       InEach("EXIT",
              [](json& command) {
                if (command["status"].value("code", 0) == 77) command["status"]["code"] = 78;
              })},
      {"zombies", "a normal end",
       InEach("EXIT",
              [](json& command) {
                if (command["status"].contains("signal")) {
                  command["status"] = {{"code", 9}};
                }
              })},
      {"zombies", "nobody is stopped",
       InEach("RESUME", [](json& command) { command.erase("stopped"); })},
      Without("namespaces", "ipc"),
      {"namespaces", "another domain",
       InAttribute("uts", [](json& uts) { uts["domainname"] = "e2e-other"; })},
      {"namespaces", "another file in place of tun",
       InFiles("TUNF",
               [](json& file) {
                 file = {{"type", "REG"},
                         {"id", file["id"]},
                         {"flags", file["flags"]},
                         {"path", "/dev/null"}};
               })},
      {"namespaces", "another limit",
       InAttribute("ipc", [](json& ipc) { Add(1, ipc["sysctls"]["sem_opm"]); })},
      {"namespaces", "a mount less",
       InMount("/masked", [](json& mounts, std::size_t i) { mounts.erase(i); })},
      {"namespaces", "other flags of a mount",
       InMount("/proc/sys",
               [](json& mounts, std::size_t i) { mounts[i]["flags"] = {"MS_RELATIME"}; })},
      {"namespaces", "other flags of a file system",
       InMount("/masked", [](json& mounts, std::size_t i) { mounts[i].erase("sb_flags"); })},
      {"namespaces", "two file systems of one",
       InMount("/part",
               [](json& mounts, std::size_t i) {
                 mounts[i].update({{"superblock", 7777777}, {"fstype", "tmpfs"}, {"root", "/"}});
               })},
      {"namespaces", "nothing in a tmpfs",
       [](json& plan) {
         InMount("/part", [](json& mounts, std::size_t i) { mounts.erase(i); })(plan);
         InMount("/tmp", [](json& mounts, std::size_t i) { mounts[i].erase("content"); })(plan);
       }},
      WithoutPart("network", "net", "routes"),
      WithoutPart("network", "net", "rules"),
      WithoutPart("network", "net", "nftables"),
      WithoutPart("network", "net", "ip6tables"),
      {"network", "another number of bytes",
       InAttribute("net", [](json& net) { Add(1, net["devices"].back()["mtu"]); })},
      {"network", "a device less",
       InAttribute("net",
                   [](json& net) {
                     std::erase_if(net["devices"].get_ref<json::array_t&>(),
                                   [](const json& device) { return device["type"] == "TUN"; });
                   })},
      {"network", "another sysctl",
       InAttribute("net", [](json& net) { Add(1, net["sysctls"]["ipv4_all"]["rp_filter"]); })},
      {"forest", "a group less", WithoutLast("SET_PGID")},
      {"cyclic_groups", "a group less", WithoutLast("SET_PGID")},
      {"births_before_setsid", "a group less", WithoutLast("SET_PGID")},
      {"shared_memory", "an object that is not shared", SplitObject},
  };
}

}  // namespace crgen::test
