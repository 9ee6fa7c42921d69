// SPDX-License-Identifier: Apache-2.0
// The kernel as judge of what the checker says of maps of bpf(2): random ones are made for real,
// filled, frozen and opened once more; each opening must end as the checker says, and what is there
// in the end must be what it says. Needs root. CRGEN_SEED=n or =random makes another random
// choice.
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "checker/snapshot_of.h"
#include "dsl/json/program_json.h"
#include "tests/support/check_support.h"
#include "tests/support/choice.h"
#include "tests/support/seed.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of programs

constexpr unsigned kPrograms = 1500;
constexpr std::uint32_t kMostBytes = 4096;  // of keys or values that a program sets

int Bpf(int command, bpf_attr attribute) {
  return static_cast<int>(syscall(__NR_bpf, command, &attribute, sizeof attribute));
}

/// Keys are numbers from 0 on; the values of one map are all alike.
std::string KeyOf(std::uint32_t number, std::uint32_t size) {
  std::string key(size, '\0');
  std::memcpy(key.data(), &number, std::min<std::size_t>(size, sizeof number));
  return key;
}
char ValueOf(std::uint64_t map_id) { return static_cast<char>('a' + map_id); }

class BpfProgramMaker : private Choice {
 public:
  explicit BpfProgramMaker(unsigned seed) : Choice(seed) {}

  Program Make() {
    Program program = {ForkOf(0, 10)};
    std::map<std::uint64_t, bool> made;
    for (Fd fd = 1; fd <= 6; ++fd) {
      if (fd > 2 && OneIn(6)) program.push_back(CloseOf(10, static_cast<Fd>(1 + Below(fd - 1))));
      BpfMap body;
      body.map_id.value = Below(3);
      if (made[body.map_id.value] ? OneIn(12) : !OneIn(12)) body.map = Any();
      made[body.map_id.value] = true;
      const std::uint64_t flags = OneOf({O_RDWR, O_RDWR, O_RDONLY, O_WRONLY}) |
                                  OneOf({0, 0, O_NONBLOCK, O_APPEND, OneIn(8) ? O_DIRECT : 0u});
      program.push_back(OpenOf(
          10, fd,
          std::make_shared<const File>(File{{static_cast<std::uint64_t>(fd)}, {flags}, body})));
    }
    return program;
  }

 private:
  BpfMapObject Any() {
    BpfMapObject map;
    map.map_type = OneIn(2) ? kBpfArray : kBpfHash;
    const bool array = map.map_type == kBpfArray;
    map.key_size = OneIn(20) ? OneOf({0, 5, 513, 1 << 22}) : array ? 4 : OneOf({4, 8, 20});
    map.value_size =
        OneIn(20) ? OneOf({0, 4194251, 4194252, 0x80000000, 0xffffffff}) : OneOf({1, 4, 8, 100});
    map.max_entries =
        OneIn(20) ? OneOf({0, (1 << 27) + 1, 0x80000001, 0xffffffff}) : OneOf({1, 3, 10, 17});
    for (const std::uint32_t flag : {BPF_F_NO_PREALLOC, BPF_F_NUMA_NODE, BPF_F_ZERO_SEED,
                                     BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG, BPF_F_MMAPABLE}) {
      const bool other = (flag == BPF_F_MMAPABLE) != array && flag != BPF_F_NUMA_NODE &&
                         flag != BPF_F_RDONLY_PROG && flag != BPF_F_WRONLY_PROG;
      if (OneIn(other ? 40 : 4)) map.map_flags.bits |= flag;
    }
    if (OneIn(40)) map.value_size = 4000000, map.max_entries = 0xffffffff;
    if (OneIn(40)) map.map_flags.bits |= OneOf({2, 32, 512, 1 << 20});
    if (OneIn(2)) map.name = Text{OneIn(8) ? "a b" : OneIn(8) ? "1234567890123456" : "a_.9"};
    // Memory that the kernel may or may not have is no question to the checker.
    const std::uint64_t bytes = std::uint64_t{map.max_entries} * (map.value_size + map.key_size);
    if (bytes > 1 << 24 && bytes < std::uint64_t{1} << 45) map.max_entries = 1;
    const std::uint32_t most = std::min(map.max_entries, 18u);
    const std::uint32_t count = OneIn(12) ? most + 1 : Below(most + 1);
    if (count != 0 && std::uint64_t{count} * map.value_size <= kMostBytes &&
        std::uint64_t{count} * map.key_size <= kMostBytes) {
      map.data = BpfMapData{count,
                            {"bpfmap-data.img", 0, std::uint64_t{count} * map.key_size},
                            {"bpfmap-data.img", 0, std::uint64_t{count} * map.value_size}};
    }
    map.frozen = OneIn(4);
    return map;
  }
};

/// What a program opens, for real.
class RealMaps {
 public:
  RealMaps() {
    BpfMapObject map;
    map.map_type = kBpfArray;
    map.key_size = map.value_size = 4;
    map.max_entries = 1;
    (void)Make({{0}, map}, &any_);
  }
  ~RealMaps() {
    close(any_);
    for (const auto& [number, fd] : fds_) close(fd);
  }

  /// 0, or errno.
  int Open(Fd number, const File& file) {
    const auto& body = std::get<BpfMap>(file.body);
    const std::uint64_t access = file.flags.bits & O_ACCMODE;
    // Where several things are wrong, the first is said: flags, then the map, then what is there.
    if (fcntl(any_, F_SETFL, static_cast<int>(file.flags.bits)) != 0) return errno;
    int fd = -1;
    if (body.map) {
      if (const int error = Make(body, &fd); error != 0) return error;
    }
    const auto known = ids_.find(body.map_id.value);
    if (fd >= 0 && known != ids_.end()) {
      close(fd);
      bpf_attr by_id{};
      by_id.map_id = known->second;
      const int there = Bpf(BPF_MAP_GET_FD_BY_ID, by_id);
      if (there < 0) return errno;  // it is gone, and its number is not another one's
      close(there);
      return EEXIST;
    }
    if (fd < 0 && known == ids_.end()) return ENOENT;
    const std::uint32_t id = body.map ? IdOf(fd) : known->second;
    bpf_attr attribute{};
    attribute.map_id = id;
    attribute.open_flags = access == O_RDONLY   ? BPF_F_RDONLY
                           : access == O_WRONLY ? BPF_F_WRONLY
                                                : 0;
    const int opened = Bpf(BPF_MAP_GET_FD_BY_ID, attribute);
    const int error = opened < 0 ? errno : 0;
    if (fd >= 0) close(fd);
    if (error != 0) return error;
    fcntl(opened, F_SETFL, static_cast<int>(file.flags.bits));
    ids_[body.map_id.value] = id;
    fds_[number] = opened;
    return 0;
  }
  void Close(Fd number) {
    if (const auto known = fds_.find(number); known != fds_.end()) {
      close(known->second);
      fds_.erase(known);
    }
  }

  /// What is there, as Text() has it of a snapshot.
  std::string Text() const {
    std::ostringstream out;
    for (const auto& [number, fd] : fds_) {
      std::uint64_t flags = 0;
      std::map<std::string, std::string> facts;
      std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
      for (std::string name, value; info >> name >> value;) facts[name] = value;
      flags = std::stoull(facts["flags:"], nullptr, 8) & ~std::uint64_t{O_CLOEXEC};
      bpf_map_info it{};
      (void)InfoOf(fd, &it);
      std::uint64_t shared = 0;
      for (const auto& [map, id] : ids_) {
        if (id == it.id) shared = map;
      }
      out << number << ": map " << shared << " flags " << flags << " type " << facts["map_type:"]
          << " key " << facts["key_size:"] << " value " << facts["value_size:"] << " of "
          << facts["max_entries:"] << " map_flags " << std::stoul(facts["map_flags:"], nullptr, 16)
          << " frozen " << facts["frozen:"] << " name " << it.name << " set " << Set(it, shared)
          << "\n";
    }
    return out.str();
  }

 private:
  static int InfoOf(int fd, bpf_map_info* info) {
    bpf_attr attribute{};
    attribute.info.bpf_fd = static_cast<std::uint32_t>(fd);
    attribute.info.info_len = sizeof *info;
    attribute.info.info = reinterpret_cast<std::uint64_t>(info);
    return Bpf(BPF_OBJ_GET_INFO_BY_FD, attribute);
  }
  static std::uint32_t IdOf(int fd) {
    bpf_map_info info{};
    return InfoOf(fd, &info) == 0 ? info.id : 0;
  }

  static int Make(const BpfMap& body, int* fd) {
    const BpfMapObject& map = *body.map;
    bpf_attr attribute{};
    attribute.map_type = map.map_type.value;
    attribute.key_size = map.key_size;
    attribute.value_size = map.value_size;
    attribute.max_entries = map.max_entries;
    attribute.map_flags = static_cast<std::uint32_t>(map.map_flags.bits);
    if (map.name) {
      std::memcpy(attribute.map_name, map.name->bytes.data(),
                  std::min(map.name->bytes.size(), sizeof attribute.map_name));
    }
    *fd = Bpf(BPF_MAP_CREATE, attribute);
    if (*fd < 0) return errno;
    const int error = Fill(body.map_id.value, map, *fd);
    if (error == 0) return 0;
    close(*fd);
    return error;
  }
  static int Fill(std::uint64_t map_id, const BpfMapObject& map, int fd) {
    for (std::uint32_t i = 0; map.data && i < map.data->count; ++i) {
      const std::string key = KeyOf(i, map.key_size), value(map.value_size, ValueOf(map_id));
      bpf_attr attribute{};
      attribute.map_fd = static_cast<std::uint32_t>(fd);
      attribute.key = reinterpret_cast<std::uint64_t>(key.data());
      attribute.value = reinterpret_cast<std::uint64_t>(value.data());
      if (Bpf(BPF_MAP_UPDATE_ELEM, attribute) != 0) return errno;
    }
    if (!map.frozen) return 0;
    bpf_attr attribute{};
    attribute.map_fd = static_cast<std::uint32_t>(fd);
    return Bpf(BPF_MAP_FREEZE, attribute) != 0 ? errno : 0;
  }

  /// How many keys have the values of their map; an array has them all.
  static int Set(const bpf_map_info& info, std::uint64_t map_id) {
    bpf_attr by_id{};
    by_id.map_id = info.id;
    by_id.open_flags = BPF_F_RDONLY;
    const int fd = Bpf(BPF_MAP_GET_FD_BY_ID, by_id);
    int set = 0;
    for (std::uint32_t i = 0; i < 20; ++i) {
      const std::string key = KeyOf(i, info.key_size), wanted(info.value_size, ValueOf(map_id));
      std::string value(info.value_size, '\0');
      bpf_attr attribute{};
      attribute.map_fd = static_cast<std::uint32_t>(fd);
      attribute.key = reinterpret_cast<std::uint64_t>(key.data());
      attribute.value = reinterpret_cast<std::uint64_t>(value.data());
      if (Bpf(BPF_MAP_LOOKUP_ELEM, attribute) == 0 && value == wanted) ++set;
    }
    close(fd);
    return set;
  }

  int any_ = -1;  ///< a description on which flags are tried
  std::map<Fd, int> fds_;
  std::map<std::uint64_t, std::uint32_t> ids_;  ///< the kernel's, by map_id, gone or not
};

std::string Text(const Snapshot& snapshot) {
  std::ostringstream out;
  for (const Descriptor& slot : snapshot.tables.at(0).slots) {
    const File& file = *snapshot.files[slot.file];
    const BpfMapId id = std::get<BpfMap>(file.body).map_id;
    const BpfMapObject& map = snapshot.bpf_maps.at(id);
    out << slot.fd << ": map " << id.value << " flags " << file.flags.bits << " type "
        << map.map_type.value << " key " << map.key_size << " value " << map.value_size << " of "
        << map.max_entries << " map_flags " << map.map_flags.bits << " frozen " << map.frozen
        << " name " << (map.name ? map.name->bytes : "") << " set "
        << (map.data ? map.data->count : 0) << "\n";
  }
  return out.str();
}

std::string ErrorName(int error) { return error == 0 ? "" : strerrorname_np(error); }

/// How each command but the first ends, by the checker; those that fail are taken out of `*legal`.
std::vector<std::string> Expected(const Program& program, Program* legal) {
  std::vector<std::string> errors(program.size() - 1);
  SimulatedState state;
  Diagnostics diag;
  (void)CheckProgram(program, &state, diag);
  for (const Diagnostic& entry : diag.entries()) {
    if (entry.severity != Severity::kError || !entry.command || *entry.command == 0) continue;
    errors[*entry.command - 1] = entry.what.substr(0, entry.what.find(':'));
  }
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (i == 0 || errors[i - 1].empty()) legal->push_back(program[i]);
  }
  return errors;
}

TEST(CheckBpfKernelTest, Agrees) {
  bpf_attr none{};
  none.batch.map_fd = ~0u;
  if (geteuid() != 0 || (Bpf(BPF_MAP_UPDATE_BATCH, none) != 0 && errno != EBADF)) {
    GTEST_SKIP() << "not root, or no bpf(2)";
  }
  const unsigned first = FirstSeed();
  std::map<std::string, std::size_t> counts;
  std::size_t shown = 0, open = 0;
  for (unsigned i = 0; i < kPrograms && shown < 5; ++i) {
    const Program program = BpfProgramMaker(first + i).Make();
    Program legal;
    const std::vector<std::string> expected = Expected(program, &legal);
    RealMaps real;
    std::string text;
    for (std::size_t k = 1; k < program.size(); ++k) {
      const auto* opens = std::get_if<OpenFile>(&program[k].body);
      if (opens == nullptr) {
        real.Close(std::get<CloseFd>(program[k].body).fd);
        continue;
      }
      const std::string found = ErrorName(real.Open(opens->fd, *opens->file));
      ++counts[found];
      if (found != expected[k - 1]) {
        text += "command " + std::to_string(k) + ": " + found + ", the checker says " +
                expected[k - 1] + "\n";
      }
    }
    SimulatedState state;
    Diagnostics diag;
    (void)CheckProgram(legal, &state, diag);
    const std::string end = Text(SnapshotOf(state)), found = real.Text();
    if (end != found) text += "found\n" + found + "expected\n" + end;
    open += static_cast<std::size_t>(std::ranges::count(found, '\n'));
    if (text.empty()) continue;
    ++shown;
    ADD_FAILURE() << "seed " << first + i << ": " << text << WriteProgram(program, Layout::kLines);
  }
  std::printf("seed %u:", first);
  for (const auto& [error, count] : counts) {
    std::printf(" %s %zu", error.empty() ? "success" : error.c_str(), count);
  }
  std::printf("; %zu open in the end\n", open);
  EXPECT_GT(counts[""], 500u);
  EXPECT_GT(counts["EINVAL"], 100u);
  EXPECT_GT(counts["E2BIG"], 50u);
  EXPECT_GT(counts["ENOMEM"], 5u);
  EXPECT_GT(open, 500u);
}

}  // namespace
}  // namespace crgen
