// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace of the plan's own: what the kernel says of it after a restore, what
// is refused before one, and that nothing of it is left of one that fails.
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include <functional>

#include "tests/support/mounts_fixture.h"

namespace crgen::test {
namespace {

constexpr std::uint64_t kFirst = 0x10000000, kSecond = 0x20000000, kRemoved = 0x30000000;

Json Permissions(int mode, int owner = 0, int creator = 0) {
  return {{"mode", mode},
          {"uid", owner},
          {"gid", owner + 1},
          {"creator_uid", creator},
          {"creator_gid", creator + 1}};
}

class SystemVTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    std::ofstream(folder_ + "/pages-2.img") << std::string(4096, 'a') << std::string(4096, 'b');
    std::ofstream(folder_ + "/ipcns-msg-5.img") << "first, then the second";
  }

  static Json Source(int offset) { return {{"image", "pages-2.img"}, {"offset", offset}}; }
  static Json Text(int offset, int bytes) {
    return {{"image", "ipcns-msg-5.img"}, {"offset", offset}, {"bytes", bytes}};
  }

  static Json Ipc() {
    const Json sysctls = {
        {"sem_msl", 1},     {"sem_mns", 2},  {"sem_opm", 3},       {"sem_mni", 4},    {"msgmax", 1},
        {"msgmnb", 2},      {"msgmni", 1},   {"shmmax", "0x1"},    {"shmall", "0x1"}, {"shmmni", 1},
        {"queues_max", 12}, {"msg_max", 13}, {"msgsize_max", 1400}};
    const Json content = Json::array({{{"at", 0}, {"source", Source(4096)}, {"bytes", 4096}},
                                      {{"at", 8192}, {"source", Source(0)}, {"bytes", 4096}}});
    return {{"id", 5},
            {"sysctls", sysctls},
            {"shm",
             {{{"id", 98313},
               {"key", "0x5e9"},
               {"permissions", Permissions(0640, 1000, 33)},
               {"size", 8193},
               {"content", content}},
              {{"id", 0},
               {"key", "0x0"},
               {"permissions", Permissions(0)},
               {"size", 4096},
               {"locked", true},
               {"removed", true}},
              {{"id", 2147483647},
               {"key", "0xffffffff"},
               {"permissions", Permissions(0600)},
               {"size", 1}}}},
            {"msg",
             {{{"id", 32769},
               {"key", "0x5e9"},
               {"permissions", Permissions(0620, 7, 8)},
               {"qbytes", 3},
               {"messages",
                {{{"type", 9}, {"text", Text(0, 6)}},
                 {{"type", "0x7fffffffffffffff"}, {"text", Text(6, 0)}},
                 {{"type", 4}, {"text", Text(7, 15)}}}}}}},
            {"sem",
             {{{"id", 65540},
               {"key", "0x0"},
               {"permissions", Permissions(0604, 5, 6)},
               {"values", {32767, 0, 1}}}}}};
  }

  static Json At(std::uint64_t start, int pages, int shmid, Json prot, Json more = Json::object()) {
    Json map = {{"start", PlanBuilder::Hex(start)},
                {"end", PlanBuilder::Hex(start + 4096ull * static_cast<unsigned>(pages))},
                {"prot", std::move(prot)},
                {"flags", {"MAP_SHARED", "MAP_ANONYMOUS"}},
                {"special", "sysvipc"},
                {"shmid", shmid}};
    map.update(more);
    return map;
  }

  PlanBuilder PlanWith(const Json& ipc) {
    PlanBuilder plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"ipc", ipc}}}});
    plan.MapProgram(Pid(0));
    plan.Add("MAP_REGION", Pid(0), At(kFirst, 3, 98313, {"PROT_READ", "PROT_WRITE"}));
    plan.Add("MAP_REGION", Pid(0), At(kSecond, 1, 98313, {"PROT_READ"}, {{"shm_offset", 8192}}));
    plan.Add("MAP_REGION", Pid(0),
             At(kRemoved, 1, 0, {"PROT_READ", "PROT_WRITE"},
                {{"flags", {"MAP_SHARED", "MAP_ANONYMOUS", "MAP_LOCKED"}}}));
    plan.Resume(Pid(0));
    return plan;
  }

  /// What `ask` says in the IPC namespace of the restored process.
  static std::string Inside(const std::function<std::string()>& ask) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
      const int fd = open(("/proc/" + std::to_string(Pid(0)) + "/ns/ipc").c_str(), O_RDONLY);
      const std::string text = fd >= 0 && setns(fd, 0) == 0 ? ask() : "no way in";
      _exit(write(ends[1], text.data(), text.size()) < 0);
    }
    close(ends[1]);
    char text[4096] = "";
    [[maybe_unused]] const ssize_t got = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return text;
  }

  static std::string PermText(const ipc_perm& perm) {
    char text[200];
    std::snprintf(text, sizeof text, "key %x mode %o owner %u:%u creator %u:%u",
                  static_cast<unsigned>(perm.__key), static_cast<unsigned>(perm.mode), perm.uid,
                  perm.gid, perm.cuid, perm.cgid);
    return text;
  }
  static std::string SegmentText(int id) {
    return Inside([id] {
      shmid_ds status;
      if (shmctl(id, IPC_STAT, &status) != 0) return std::string(std::strerror(errno));
      return PermText(status.shm_perm) + " size " + std::to_string(status.shm_segsz) +
             " attached " + std::to_string(status.shm_nattch);
    });
  }
};

TEST_F(SystemVTest, Segments) {
  const Outcome outcome = Run(PlanWith(Ipc()), "--detach");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(SegmentText(98313),
            "key 5e9 mode 640 owner 1000:1001 creator 33:34 size 8193 attached 2");
  EXPECT_EQ(SegmentText(0), "key 0 mode 3000 owner 0:1 creator 0:1 size 4096 attached 1");
  EXPECT_EQ(SegmentText(2147483647),
            "key ffffffff mode 600 owner 0:1 creator 0:1 size 1 attached 0");
  EXPECT_EQ(Inside([] {
              const char* at = static_cast<char*>(shmat(98313, nullptr, SHM_RDONLY));
              return std::string({at[0], at[4095], at[4096] == 0 ? '0' : '?', at[8192], at[8193]});
            }),
            "bb0aa");
  EXPECT_EQ(Inside([] { return TextOf("/proc/sys/kernel/shmmni"); }), "1\n");
  EXPECT_EQ(Inside([] { return TextOf("/proc/sys/kernel/sem"); }), "1\t2\t3\t4\n");
}

TEST_F(SystemVTest, Views) {
  const Outcome outcome = Run(PlanWith(Ipc()), "--detach");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  std::ifstream maps("/proc/" + std::to_string(Pid(0)) + "/maps");
  std::vector<std::string> found;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/SYSV") == std::string::npos) continue;
    std::istringstream words(line);
    std::string range, rights, offset, device, inode, name;
    words >> range >> rights >> offset >> device >> inode >> name;
    found.push_back(range + " " + rights + " " + offset + " " + inode + " " + name);
  }
  EXPECT_EQ(found, (std::vector<std::string>{"10000000-10003000 rw-s 00000000 98313 /SYSV000005e9",
                                             "20000000-20001000 r--s 00002000 98313 /SYSV000005e9",
                                             "30000000-30001000 rw-s 00000000 0 /SYSV00000000"}));
}

TEST_F(SystemVTest, QueuesAndSets) {
  const Outcome outcome = Run(PlanWith(Ipc()), "--detach");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Inside([] {
              msqid_ds status;
              if (msgctl(32769, IPC_STAT, &status) != 0) return std::string(std::strerror(errno));
              std::string text =
                  PermText(status.msg_perm) + " of " + std::to_string(status.msg_qbytes) + ":";
              struct {
                long type;
                char text[100];
              } message;
              for (ssize_t got; (got = msgrcv(32769, &message, 100, 0, IPC_NOWAIT)) >= 0;) {
                text += " " + std::to_string(message.type) + " \"" +
                        std::string(message.text, static_cast<std::size_t>(got)) + "\"";
              }
              return text;
            }),
            "key 5e9 mode 620 owner 7:8 creator 8:9 of 3: 9 \"first,\" 9223372036854775807 \"\" 4 "
            "\"then the second\"");
  EXPECT_EQ(Inside([] {
              semid_ds status;
              if (semctl(65540, 0, IPC_STAT, &status) != 0)
                return std::string(std::strerror(errno));
              unsigned short values[3] = {};
              semctl(65540, 0, GETALL, values);
              return PermText(status.sem_perm) + ": " + std::to_string(values[0]) + " " +
                     std::to_string(values[1]) + " " + std::to_string(values[2]);
            }),
            "key 0 mode 604 owner 5:6 creator 6:7: 32767 0 1");
}

/// Then the kernel removes whatever nobody has attached.
TEST_F(SystemVTest, RemovedByForce) {
  Json ipc = Ipc();
  ipc["sysctls"]["shm_rmid_forced"] = true;
  const Outcome outcome = Run(PlanWith(ipc), "--detach");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(SegmentText(98313),
            "key 5e9 mode 640 owner 1000:1001 creator 33:34 size 8193 attached 2");
  EXPECT_EQ(SegmentText(0), "key 0 mode 3000 owner 0:1 creator 0:1 size 4096 attached 1");
  EXPECT_EQ(SegmentText(2147483647), "Invalid argument");
}

TEST_F(SystemVTest, WhatIsRefused) {
  const PlanBuilder plan = PlanWith(Ipc());
  const Outcome joined = Run(plan, "--detach --join-ns ipc:/proc/self/ns/ipc");
  EXPECT_EQ(joined.status, 3);
  EXPECT_NE(joined.errors.find("which are not made in a namespace that others use (leave out "
                               "--join-ns ipc)"),
            std::string::npos)
      << joined.errors;
  std::ofstream(folder_ + "/ipcns-msg-5.img") << "short";
  const Outcome cut = Run(plan, "--detach");
  EXPECT_EQ(cut.status, 3) << cut.errors;
  EXPECT_NE(cut.errors.find("ipcns-msg-5.img"), std::string::npos) << cut.errors;
}

int OwnSegments() {
  shm_info info;
  return shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info)) < 0 ? -1 : info.used_ids;
}

/// Whichever call fails, nothing is left, and nothing of the caller's has changed.
TEST_F(SystemVTest, NothingIsLeftOfFailures) {
  const PlanBuilder plan = PlanWith(Ipc());
  const int own = OwnSegments();
  const auto look = [&](const Outcome&) { EXPECT_EQ(OwnSegments(), own); };
  EXPECT_GT(FailEachCall(plan, "--detach", look), 40);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
