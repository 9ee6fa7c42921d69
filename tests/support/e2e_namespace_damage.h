// SPDX-License-Identifier: Apache-2.0
// Plans that are wrong in one place of a namespace.
#pragma once

#include <vector>

#include "tests/support/e2e_change.h"

namespace crgen::test {

/// Who has entered another namespace for a moment.
inline void StayWhereTheyEntered(nlohmann::json& plan) {
  for (nlohmann::json& command : plan) {
    if (!command.contains("attributes")) continue;
    nlohmann::json& attributes = command["attributes"];
    if (attributes.contains("setns") && attributes["setns"].empty()) attributes.erase("setns");
  }
}

inline std::vector<Damage> DamagesOfNamespaces() {
  using nlohmann::json;
  return {
      {"user_namespace", "another map",
       [](json& plan) { Add(-1, plan[0]["uid_map"][1]["count"]); }},
      {"user_namespace", "ids outside that are others",
       [](json& plan) { Add(5, plan[0]["gid_map"][1]["outside"]); }},
      {"user_namespace", "a descriptor of another type",
       InFiles("NS", [](json& file) { file["namespace"] = "pid"; })},
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
                 mounts[i].erase("shared");
               })},
      {"namespaces", "nothing in a tmpfs",
       [](json& plan) {
         for (const char* bind : {"/part", "/slave"}) {
           InMount(bind, [](json& mounts, std::size_t i) { mounts.erase(i); })(plan);
         }
         InMount("/tmp", [](json& mounts, std::size_t i) { mounts[i].erase("content"); })(plan);
       }},
      {"mount_namespaces", "nobody goes back", StayWhereTheyEntered},
      {"mount_namespaces", "a descriptor of the root's namespace",
       InFiles("NS", [](json& file) { file.erase("namespace_id"); })},
      {"mount_namespaces", "a mount that gets no events",
       InMount("/home", [](json& mounts, std::size_t i) { mounts[i].erase("master"); })},
      {"mount_namespaces", "a file of another mount namespace",
       [](json& plan) {
         std::uint64_t id = 0;
         for (json& mount : plan[1]["attributes"]["mounts"]) {
           if (mount["mountpoint"] == "/shared" && mount.contains("namespace")) id = mount["id"];
         }
         for (json& command : plan) {
           if (!command.contains("file") || !command["file"].contains("path")) continue;
           if (command["file"]["path"] == "/shared/folder/file") command["file"]["mount"] = id;
         }
       }},
      {"socket_places", "a name in what hides its folder",
       InFiles("UNIXSK",
               [](json& file) {
                 if (file.value("name", "") == "cover/receiver") file.erase("mount");
               })},
      {"socket_places", "a name below another root",
       InFiles("UNIXSK",
               [](json& file) {
                 if (file.value("name", "") == "/receiver") file.erase("name_root");
               })},
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
      {"net_namespaces", "nobody goes back", StayWhereTheyEntered},
      {"net_namespaces", "a socket of another one",
       [](json& plan) {
         const json other = plan[1]["attributes"]["further_nets"][0]["id"];
         for (json& command : plan) {
           if (!command.contains("file") || command["file"]["type"] != "UNIXSK") continue;
           if (command["file"].contains("name")) continue;
           command["file"]["net"] = other;
           if (command.contains("peer")) command["peer"]["file"]["net"] = other;
         }
       }},
      {"net_namespaces", "a descriptor of another one",
       [](json& plan) {
         for (json& command : plan) {
           if (!command.contains("file") || command["file"]["type"] != "NS") continue;
           command["file"]["namespace_id"] = plan[1]["attributes"]["net"]["id"];
         }
       }},
      {"net_namespaces", "other numbers",
       InAttribute("net", [](json& net) { Add(50, net["nsids"].back()["number"]); })},
      {"net_namespaces", "another sysctl",
       [](json& plan) {
         for (json& net : plan[1]["attributes"]["further_nets"]) {
           Add(1, net["sysctls"]["max_dgram_qlen"]);
         }
       }},
      {"tun", "no device",
       InFiles("TUNF",
               [](json& file) {
                 if (file.value("device", "") == "stays") file.erase("device");
               })},
      {"tun", "no queue is detached", InFiles("TUNF", [](json& file) { file.erase("detached"); })},
      {"tun", "devices that stay",
       InAttribute("net",
                   [](json& net) {
                     for (json& device : net["devices"]) {
                       if (!device.contains("tun")) continue;
                       json& flags = device["tun"]["flags"];
                       const auto stays = std::ranges::find(flags, json("IFF_PERSIST"));
                       if (stays == flags.end()) flags.push_back("IFF_PERSIST");
                     }
                   })},
      {"tun", "a smaller buffer",
       InAttribute("net",
                   [](json& net) {
                     for (json& device : net["devices"]) {
                       if (device.contains("tun")) Add(-1, device["tun"]["sndbuf"]);
                     }
                   })},
      {"network", "another sysctl",
       InAttribute("net", [](json& net) { Add(1, net["sysctls"]["ipv4_all"]["rp_filter"]); })},
  };
}

}  // namespace crgen::test
