// SPDX-License-Identifier: Apache-2.0
// Plans that are wrong in one place, for programs that must notice it.
#pragma once

#include <sys/stat.h>

#include <vector>

#include "tests/support/e2e_change.h"
#include "tests/support/e2e_namespace_damage.h"
#include "tests/support/e2e_passed_damage.h"

namespace crgen::test {

inline std::vector<Damage> DamagesOfPrograms() {
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
      {"files", "other positions", Moved(7, 8)},
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
      {"unlinked_kinds", "another directory", InUnlinked([](json& it) {
         if (it.value("mode", 0) == (S_IFDIR | 0751)) it["uid"] = 1233;
       })},
      {"unlinked_kinds", "another device", InUnlinked([](json& it) {
         if (it.contains("rdev")) it["rdev"] = it["rdev"].get<int>() - 2;  // /dev/null
       })},
      {"unlinked_kinds", "another target", InUnlinked([](json& it) {
         if (it.contains("target")) it["target"] = "over/here/.";
       })},
      {"unlinked_kinds", "a FIFO without content",
       InEach("OPEN_FILE", [](json& command) { command["file"].erase("data"); })},
      {"unlinked_kinds", "a file that follows links",
       InEach("OPEN_FILE",
              [](json& command) {
                json& file = command["file"];
                if (file.value("path", "").ends_with("nofollow")) {
                  RemoveWord("flags", "O_NOFOLLOW")(file);
                }
              })},
      {"unlinked_kinds", "a watch on another file",
       InAttribute("descriptors",
                   [](json& entries) {
                     for (json& entry : entries) {
                       if (entry.contains("watches")) entry["watches"][0]["unlinked"] = 1;
                     }
                   })},
      {"other_names", "a FIFO without content",
       InEach("OPEN_FILE", [](json& command) { command["file"].erase("data"); })},
      {"other_names", "another executable",
       InAttribute("mm", [](json& mm) { mm["exe"].get_ref<std::string&>() += "_too"; })},
      {"dead_processes", "another position", Moved(50, 49)},
      {"dead_processes", "another directory", Elsewhere("/proc/")},
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
      {"bpf_maps", "not frozen", InMaps([](json& map) { map.erase("frozen"); })},
      {"bpf_maps", "nothing in them", InMaps([](json& map) { map.erase("data"); })},
      {"bpf_maps", "no names", InMaps([](json& map) { map.erase("name"); })},
      {"bpf_maps", "no flags", InMaps([](json& map) { map.erase("map_flags"); })},
      {"bpf_maps", "more room",
       InMaps([](json& map) { map["max_entries"] = map["max_entries"].get<int>() + 1; })},
      {"bpf_maps", "readers who write", WithOther("BPFMAP", "flags", {"O_RDWR"})},
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
      {"system_v", "another value of a semaphore",
       InAttribute("ipc", [](json& ipc) { ipc["sem"][0]["values"][2] = 6; })},
      {"system_v", "another id of a set",
       InAttribute("ipc", [](json& ipc) { Add(32768, ipc["sem"][1]["id"]); })},
      {"system_v", "another type of a message",
       InAttribute("ipc", [](json& ipc) { Add(1, ipc["msg"][0]["messages"][2]["type"]); })},
      {"system_v", "a message less",
       InAttribute("ipc", [](json& ipc) { ipc["msg"][0]["messages"].erase(3); })},
      {"system_v", "another capacity of a queue",
       InAttribute("ipc", [](json& ipc) { Add(1, ipc["msg"][0]["qbytes"]); })},
      {"system_v", "another owner of a queue",
       InAttribute("ipc", [](json& ipc) { Add(1, ipc["msg"][0]["permissions"]["gid"]); })},
      {"system_v", "another creator of a segment",
       InAttribute("ipc", [](json& ipc) { Add(1, ipc["shm"][0]["permissions"]["creator_uid"]); })},
      {"system_v", "another key of a segment",
       InAttribute("ipc", [](json& ipc) { ipc["shm"][0]["key"] = "0x5e8"; })},
      {"system_v", "another size of a segment",
       InAttribute("ipc", [](json& ipc) { Add(1, ipc["shm"][0]["size"]); })},
      {"system_v", "less in a segment that nobody has",
       InAttribute("ipc", [](json& ipc) { ipc["shm"][1]["content"].erase(1); })},
      {"system_v", "a segment that is not removed",
       InAttribute("ipc",
                   [](json& ipc) {
                     for (json& it : ipc["shm"]) it.erase("removed");
                   })},
      {"system_v", "a segment that is not locked",
       InAttribute("ipc",
                   [](json& ipc) {
                     for (json& it : ipc["shm"]) it.erase("locked");
                   })},
      {"system_v", "a view for reading that can be written",
       InEach("MAP_REGION",
              [](json& command) {
                if (command.contains("shmid") && command["prot"].size() == 1) {
                  command["prot"].push_back("PROT_WRITE");
                }
              })},
      {"system_v", "another part of a segment",
       InEach("MAP_REGION",
              [](json& command) {
                if (command.contains("shm_offset") && command["shm_offset"] == 16384) {
                  command["shm_offset"] = 12288;
                }
              })},
      {"forest", "a group less", WithoutLast("SET_PGID")},
      {"cyclic_groups", "a group less", WithoutLast("SET_PGID")},
      {"births_before_setsid", "a group less", WithoutLast("SET_PGID")},
      {"shared_memory", "an object that is not shared", SplitObject},
  };
}

inline std::vector<Damage> Damages() {
  std::vector<Damage> all = DamagesOfPrograms();
  for (const auto& more : {DamagesOfNamespaces(), DamagesOfPassed()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace crgen::test
