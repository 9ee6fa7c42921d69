// SPDX-License-Identifier: Apache-2.0
// Maps of bpf(2): what the kernel says of them after a restore, what is refused, and that nothing
// of them is left of one that fails.
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

int Bpf(int command, bpf_attr attribute) {
  return static_cast<int>(syscall(__NR_bpf, command, &attribute, sizeof attribute));
}

class RestorerBpfTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    bpf_attr none{};
    none.batch.map_fd = ~0u;
    if (Bpf(BPF_MAP_UPDATE_BATCH, none) != 0 && errno != EBADF) GTEST_SKIP() << "no bpf(2)";
    std::ofstream(folder_ + "/bpfmap-data.img", std::ios::binary)
        << "behind." << std::string("\0\0\0\0\2\0\0\0", 8) << "zero"
        << "two "
        << "k1k2v1v2";
  }

  static Json Data(int count, int keys, int values, int key_size, int value_size) {
    const auto range = [&](int offset, int bytes) {
      return Json{{"image", "bpfmap-data.img"}, {"offset", offset}, {"bytes", bytes}};
    };
    return {{"count", count},
            {"keys", range(keys, count * key_size)},
            {"values", range(values, count * value_size)}};
  }
  static Json Array(int entries = 3) {
    return {{"map_type", "BPF_MAP_TYPE_ARRAY"},
            {"key_size", 4},
            {"value_size", 4},
            {"max_entries", entries},
            {"map_flags", {"BPF_F_RDONLY_PROG"}},
            {"name", "an.array"},
            {"data", Data(2, 7, 15, 4, 4)},
            {"frozen", true}};
  }
  static Json Hash() {
    return {{"map_type", "BPF_MAP_TYPE_HASH"},
            {"key_size", 2},
            {"value_size", 2},
            {"max_entries", 2},
            {"data", Data(2, 23, 27, 2, 2)}};
  }
  static Json Opening(int map_id, Json flags, Json map = {}) {
    Json file = {{"type", "BPFMAP"}, {"flags", std::move(flags)}, {"map_id", map_id}};
    if (!map.is_null()) file["map"] = std::move(map);
    return file;
  }
  /// A process that pauses and has `files` from descriptor 3 on, and a child that has them too, and
  /// opens `own` at 9.
  static Plan PlanWith(std::vector<Json> files, Json own = {}) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    for (std::size_t i = 0; i < files.size(); ++i) {
      files[i]["id"] = i + 1;
      plan.Add("OPEN_FILE", Pid(0), {{"fd", 3 + i}, {"file", files[i]}});
    }
    if (!own.is_null()) {
      own["id"] = 99;
      plan.Fork(Pid(0), Pid(1));
      plan.Add("OPEN_FILE", Pid(1), {{"fd", 9}, {"file", own}});
      plan.Resume(Pid(1));
    }
    plan.Resume(Pid(0));
    return plan;
  }

  /// What a descriptor of a restored process is: type, sizes, flags, name, frozen, F_GETFL; then
  /// the values of `keys`, a dot where there is none.
  static std::string Text(int pid, int number, const std::vector<std::string>& keys) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, process, number, 0));
    const int flags = fcntl(fd, F_GETFL);
    const bpf_map_info info = InfoOf(fd);
    std::ifstream lines("/proc/self/fdinfo/" + std::to_string(fd));
    std::string frozen;
    for (std::string name, value; lines >> name >> value;) {
      if (name == "frozen:") frozen = value;
    }
    std::ostringstream text;
    text << info.type << " " << info.key_size << " " << info.value_size << " " << info.max_entries
         << " " << info.map_flags << " \"" << info.name << "\" frozen " << frozen << " flags "
         << flags << ":";
    for (const std::string& key : keys) {
      std::string value(info.value_size, '.');
      bpf_attr attribute{};
      attribute.map_fd = static_cast<std::uint32_t>(fd);
      attribute.key = reinterpret_cast<std::uint64_t>(key.data());
      attribute.value = reinterpret_cast<std::uint64_t>(value.data());
      (void)Bpf(BPF_MAP_LOOKUP_ELEM, attribute);
      for (const char c : value) text << (c == '\0' ? '0' : c);
      text << "|";
    }
    close(fd);
    close(process);
    return text.str();
  }
  static bpf_map_info InfoOf(int fd) {
    bpf_map_info info{};
    bpf_attr attribute{};
    attribute.info.bpf_fd = static_cast<std::uint32_t>(fd);
    attribute.info.info_len = sizeof info;
    attribute.info.info = reinterpret_cast<std::uint64_t>(&info);
    (void)Bpf(BPF_OBJ_GET_INFO_BY_FD, attribute);
    return info;
  }
  static unsigned IdAt(int pid, int number) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, process, number, 0));
    const unsigned id = InfoOf(fd).id;
    close(fd);
    close(process);
    return id;
  }
  /// Of maps with these names, those that the kernel has.
  static int MapsNamed(const std::string& name) {
    int count = 0;
    bpf_attr next{};
    while (syscall(__NR_bpf, BPF_MAP_GET_NEXT_ID, &next, sizeof next) == 0) {
      bpf_attr open{};
      open.map_id = next.start_id = next.next_id;
      const int fd = Bpf(BPF_MAP_GET_FD_BY_ID, open);
      count += fd >= 0 && InfoOf(fd).name == name ? 1 : 0;
      close(fd);
    }
    return count;
  }
  void Says(const Plan& plan, int status, const std::string& what) {
    const Outcome outcome = Run(plan);
    EXPECT_EQ(outcome.status, status);
    EXPECT_NE(outcome.errors.find(what), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
};

TEST_F(RestorerBpfTest, Maps) {
  const std::string zero(4, '\0'), two("\2\0\0\0", 4), one("\1\0\0\0", 4);
  const Outcome outcome = Run(PlanWith({Opening(7, {"O_RDWR", "O_NONBLOCK"}, Array()),
                                        Opening(8, {"O_RDONLY"}, Hash()), Opening(8, {"O_WRONLY"})},
                                       Opening(8, {"O_RDWR"})));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Text(Pid(0), 3, {zero, one, two}),
            "2 4 4 3 128 \"an.array\" frozen 1 flags 2050:zero|0000|two |");
  EXPECT_EQ(Text(Pid(0), 4, {"k1", "k2", "k3"}), "1 2 2 2 0 \"\" frozen 0 flags 0:v1|v2|..|");
  EXPECT_EQ(Text(Pid(0), 5, {"k1"}), "1 2 2 2 0 \"\" frozen 0 flags 1:..|");  // it cannot read
  EXPECT_EQ(Text(Pid(1), 9, {"k1"}), "1 2 2 2 0 \"\" frozen 0 flags 2:v1|");
  EXPECT_EQ(IdAt(Pid(0), 4), IdAt(Pid(0), 5));
  EXPECT_EQ(IdAt(Pid(0), 4), IdAt(Pid(1), 9));
  EXPECT_NE(IdAt(Pid(0), 3), IdAt(Pid(0), 4));
}

TEST_F(RestorerBpfTest, WhatTheKernelRefusesIsNamed) {
  Says(PlanWith({Opening(7, {"O_RDWR"}, Array(2))}), 5,
       "map 7: BPF_MAP_UPDATE_BATCH: E2BIG, more than the map or the kernel takes");
  Json large = Hash();
  large["value_size"] = 4194304;
  large.erase("data");
  Says(PlanWith({Opening(7, {"O_RDWR"}, large)}), 3, "E2BIG: map 7: key_size and value_size");
  large["value_size"] = 4000000;
  large["max_entries"] = 1 << 23;  // 30 TiB
  Says(PlanWith({Opening(7, {"O_RDWR"}, large)}), 5,
       "map 7: BPF_MAP_CREATE: Cannot allocate memory");
  std::ofstream(folder_ + "/bpfmap-data.img") << "short";
  Says(PlanWith({Opening(7, {"O_RDWR"}, Array())}), 3, "bpfmap-data.img has 5 bytes");
}

/// Each system call of a restore fails in turn, those before there is a process among them, and a
/// second try works.
TEST_F(RestorerBpfTest, AFailureLeavesNothing) {
  const Plan plan = PlanWith({Opening(7, {"O_RDONLY"}, Array()), Opening(8, {"O_RDWR"}, Hash())},
                             Opening(7, {"O_RDWR"}));
  int failures = 0, of_maps = 0;
  for (const char* variable : {"CRRESTORE_FAILING_EARLY_CALL", "CRRESTORE_FAILING_CALL"}) {
    const auto look = [&](const Outcome& outcome) {
      if (outcome.status == 0) return;
      of_maps += outcome.errors.find("map 7: ") != std::string::npos ||
                 outcome.errors.find("map 8: ") != std::string::npos;
      EXPECT_EQ(MapsNamed("an.array"), 0);
    };
    failures += FailEachCall([&] { return plan; }, "--detach", look, variable);
  }
  std::printf("%d calls, each made to fail once, %d of them of maps\n", failures, of_maps);
  // Of map 7: create, two images of two calls each, batch, freeze, two of a reader, two of another;
  // of map 8: create, the images, batch.
  EXPECT_EQ(of_maps, 17);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }
