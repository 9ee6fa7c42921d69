// SPDX-License-Identifier: Apache-2.0
// Plans that were edited: the policy that was derived from the plan before names what it takes
// more.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "policy/report.h"
#include "tests/support/lines.h"

namespace crgen::test {
namespace {

using nlohmann::json;

Authority AuthorityOfText(const std::string& text) {
  Program program;
  SimulatedState state;
  Diagnostics diag;
  EXPECT_EQ(ReadProgram(text, "plan", &program, diag), Result::kOk) << TextOf(diag);
  EXPECT_EQ(CheckProgram(program, &state, diag), Result::kOk) << TextOf(diag);
  return AuthorityOf(program, state);
}

/// What the policy derived from `before` has against `after`, without places.
std::vector<std::string> Causes(const json& before, const json& after) {
  Policy policy;
  Diagnostics diag;
  const std::string derived = DerivePolicy(AuthorityOfText(before.dump()));
  EXPECT_EQ(ReadPolicy(derived, "policy", &policy, diag), Result::kOk) << TextOf(diag);
  const Authority authority = AuthorityOfText(after.dump());
  std::vector<std::string> causes;
  const json told = json::parse(CheckJson(authority, Beyond(authority, policy)));
  for (const json& cause : told["causes"]) causes.push_back(cause["what"]);
  return causes;
}

/// The attribute of that name, of whoever is the first to get it.
json& AttributeOf(json& plan, const char* name) {
  for (json& command : plan) {
    if (command.contains("attributes") && command["attributes"].contains(name)) {
      return command["attributes"][name];
    }
  }
  ADD_FAILURE() << "no " << name;
  return plan;
}

json Tree(const std::string& commands, const std::string& flags = "") {
  return json::parse(R"([{"command": "FORK", "pid": 0, "child_pid": 5)" + flags +
                     R"(}, {"command": "SET_SID", "pid": 5})" + commands + "]");
}

const std::string kUser =
    R"(, "flags": ["CLONE_NEWUSER"], "uid_map": [{"inside": 0, "outside": 100000, "count": 9}], )"
    R"("gid_map": [{"inside": 0, "outside": 100000, "count": 9}])";

void AddChild(json& plan, const json& flags) {
  plan.push_back({{"command", "FORK"}, {"pid", 5}, {"child_pid", 6}, {"flags", flags}});
  plan.push_back({{"command", "EXIT"}, {"pid", 6}, {"status", {{"code", 0}}}});
}

/// What another process is in hides nothing of the root's.
TEST(PolicyPlans, NamespacesOfOthersAreNotTheRoots) {
  const auto whole = [](json& plan) {
    for (const char* map : {"uid_map", "gid_map"}) {
      plan[0][map] = json::array({{{"inside", 0}, {"outside", 0}, {"count", 4294967294}}});
    }
    AddChild(plan, {"CLONE_NEWUSER"});
  };
  EXPECT_EQ(Causes(Tree("", kUser), Tree("", kUser)), std::vector<std::string>());
  json after = Tree("", kUser);
  whole(after);
  const std::vector<std::string> causes = Causes(Tree("", kUser), after);
  for (const char* map :
       {"id_maps uid:0-4294967293:0-4294967293", "id_maps gid:0-4294967293:0-4294967293"}) {
    EXPECT_EQ(std::ranges::count(causes, map), 1) << json(causes);
  }
  for (const auto& [flag, name] : {std::pair{"CLONE_NEWUSER", "user"},
                                   {"CLONE_NEWUTS", "uts"},
                                   {"CLONE_NEWIPC", "ipc"},
                                   {"CLONE_NEWNET", "net"}}) {
    json before = Tree("", std::string(R"(, "flags": [")") + flag + R"("])");
    json moved = Tree("");
    AddChild(before, json::array());
    AddChild(moved, {flag});
    const auto named = Causes(before, moved);
    EXPECT_EQ(std::ranges::count(named, "namespaces " + std::string(name) + ":caller"), 1)
        << flag << json(named);
  }
}

/// Whether a cause begins so.
bool Names(const std::vector<std::string>& causes, const std::string& beginning) {
  return std::ranges::any_of(causes, [&](const auto& it) { return it.starts_with(beginning); });
}

json WithAttribute(const std::string& attribute) {
  return Tree(R"(, {"command": "SET_ATTR", "pid": 5, "attributes": {)" + attribute + "}}");
}

TEST(PolicyPlans, MountsAreOfTheSameFileSystems) {
  const json before = WithAttribute(R"("mounts": [
      {"id": 1, "mountpoint": "/", "root": "/", "superblock": 1, "flags": []},
      {"id": 2, "parent": 1, "mountpoint": "/data", "root": "/", "superblock": 2,
       "external": "data", "flags": ["MS_RDONLY"]},
      {"id": 3, "parent": 1, "mountpoint": "/tmp", "root": "/", "superblock": 3,
       "fstype": "tmpfs", "flags": []},
      {"id": 4, "parent": 1, "mountpoint": "/part", "root": "/", "superblock": 3, "flags": []}])");
  EXPECT_EQ(Causes(before, before), std::vector<std::string>());
  const auto causes = [&](int mount, const char* member, const json& value) {
    json after = before;
    AttributeOf(after, "mounts")[static_cast<std::size_t>(mount)][member] = value;
    if (std::string(member) == "shared_with_caller") {
      AttributeOf(after, "mounts")[static_cast<std::size_t>(mount)]["shared"] = 1;
    }
    return Causes(before, after);
  };
  EXPECT_TRUE(Names(causes(3, "superblock", 2), "mounts bind external data:/ /part"))
      << json(causes(3, "superblock", 2));
  EXPECT_TRUE(Names(causes(3, "superblock", 1), "mounts bind root:/ /part"));
  EXPECT_TRUE(Names(causes(1, "shared_with_caller", true), "externals mount_events /data"))
      << json(causes(1, "shared_with_caller", true));
  EXPECT_TRUE(Names(causes(1, "master", 9), "externals mount_events /data"));
}

TEST(PolicyPlans, CgroupsBelongToTheSame) {
  const json before = WithAttribute(R"("cgroup": {"paths": [{"controllers": "", "path": "/x"}],
      "directories": [{"controllers": "", "path": "/x",
                       "properties": [{"name": "pids.max", "value": "5"}]}]})");
  EXPECT_EQ(Causes(before, before), std::vector<std::string>());
  const json all = {{"mode", 511}, {"uid", 1000}, {"gid", 7}};
  json after = before;
  json& folder = AttributeOf(after, "cgroup")["directories"][0];
  folder["perms"] = folder["properties"][0]["perms"] = all;
  EXPECT_EQ(Causes(before, after),
            (std::vector<std::string>{"cgroup_properties permissions of pids.max=0777 1000:7",
                                      "cgroup_properties permissions=0777 1000:7"}));
}

TEST(PolicyPlans, SocketsHaveTheSamePeers) {
  const auto connected = [](const std::string& to) {
    return Tree(R"(, {"command": "OPEN_FILE", "pid": 5, "fd": 3, "file": {"type": "UNIXSK",
        "id": 4, "flags": ["O_RDWR"], "socket_id": 9, "socket_type": "SOCK_DGRAM",
        "state": "connected", "peer_name": ")" +
                to + R"(", "external": "socket:[9]"}})");
  };
  EXPECT_EQ(Causes(connected("/a"), connected("/a")), std::vector<std::string>());
  EXPECT_TRUE(Names(Causes(connected("/a"), connected("/b")), "sockets AF_UNIX SOCK_DGRAM"))
      << json(Causes(connected("/a"), connected("/b")));
}

}  // namespace
}  // namespace crgen::test
