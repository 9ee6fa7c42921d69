// SPDX-License-Identifier: Apache-2.0
// The same for machines. Where a program has a form for something, that form: docs/looking.md.
#include <type_traits>

#include "dsl/json/value_json.h"
#include "dsl/json/writer.h"
#include "model/printable.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

class ShowWriter {
 public:
  ShowWriter(const Show& show, JsonWriter& json) : show_(show), json_(json) {}

  void Write(Topic topic) {
    json_.Key(TopicNames()[static_cast<std::size_t>(topic)].name);
    switch (topic) {
      case Topic::kProcesses:
        return List(&ShowWriter::ProcessMembers);
      case Topic::kDescriptors:
        return Tables();
      case Topic::kFiles:
        return Files(false);
      case Topic::kMemory:
        return List(&ShowWriter::MemoryMembers);
      case Topic::kSockets:
        return Files(true);
      case Topic::kMounts:
        return Mounts();
      case Topic::kSignals:
        return Threads(SignalsOf);
      case Topic::kTimers:
        return Timers();
      case Topic::kCredentials:
        return Threads(CredentialsOf);
      case Topic::kSettings:
        return Threads(SettingsOf);
      case Topic::kEnv:
        return List(&ShowWriter::EnvMembers);
    }
  }

 private:
  using Holders = std::vector<Relations::Holder>;

  void Member(std::string_view name, std::string_view text) {
    json_.Key(name);
    json_.String(Printable(text));
  }
  void Member(std::string_view name, const char* text) { Member(name, std::string_view(text)); }
  void Member(std::string_view name, bool value) {
    json_.Key(name);
    json_.Bool(value);
  }
  template <typename Integer>
  void Member(std::string_view name, Integer value) requires std::is_integral_v<Integer> {
    json_.Key(name);
    if constexpr (std::is_signed_v<Integer>) {
      json_.Number(std::int64_t{value});
    } else {
      json_.Number(std::uint64_t{value});
    }
  }

  /// One object with `pid` and what `members` adds, for each process that lives, and for zombies in
  /// the tree alone.
  void List(void (ShowWriter::*members)(ProcessIndex, const Process&)) {
    json_.BeginArray();
    show_.ForEachProcess([&](ProcessIndex index, const Process& process) {
      const bool tree = members == &ShowWriter::ProcessMembers;
      if (process.state == ProcessState::kZombie && !tree) return;
      json_.BeginObject();
      Member("pid", show_.PidOf(index));
      (this->*members)(index, process);
      json_.EndObject();
    });
    json_.EndArray();
  }

  void ProcessMembers(ProcessIndex index, const Process& process) {
    constexpr const char* kStates[] = {"running", "stopped", "zombie"};
    const TreeNode& node = show_.snapshot().tree.nodes[index];
    if (node.parent >= 0) Member("parent", show_.PidOf(node.parent));
    Member("pgid", node.pgid);
    Member("sid", node.sid);
    Member("state", kStates[static_cast<int>(process.state)]);
    if (process.state == ProcessState::kStopped)
      Member("stop_signal", NameText(process.stop_signal));
    if (process.state == ProcessState::kZombie) Member("exit", ExitText(process.exit_status));
    WriteTextJson(json_, "comm", Text{CommOf(process)});
    if (node.subreaper) Member("subreaper", true);
    json_.Key("tids");
    json_.BeginArray();
    for (const Pid tid : node.tids) json_.Number(std::int64_t{tid});
    json_.EndArray();
    if (process.table >= 0) Member("table", process.table.value);
    Member("mapped", MappedBy(process.memory));
    Member("in_dump", PagesOf(process.memory) * kPageSize);
  }

  void Tables() {
    const Snapshot& snapshot = show_.snapshot();
    json_.BeginArray();
    for (std::size_t i = 0; i < snapshot.tables.size(); ++i) {
      const TableIndex table(i);
      bool wanted = false;
      for (const ProcessIndex user : show_.relations.ProcessesOf(table))
        wanted |= show_.Wants(user);
      if (!wanted) continue;
      json_.BeginObject();
      Member("table", table.value);
      json_.Key("pids");
      json_.BeginArray();
      for (const ProcessIndex user : show_.relations.ProcessesOf(table)) {
        json_.Number(std::int64_t{show_.PidOf(user)});
      }
      json_.EndArray();
      json_.Key("descriptors");
      json_.BeginArray();
      for (const Descriptor& slot : snapshot.tables[i].slots) {
        const File& file = *snapshot.files[slot.file];
        Slot(slot.fd, slot.cloexec, file.id, TypeOf(file), "");
      }
      for (const UnplannedDescriptor& slot : show_.relations.LeftOutOf(table)) {
        Slot(slot.fd, slot.cloexec, slot.file, slot.type, slot.what);
      }
      json_.EndArray();
      json_.EndObject();
    }
    json_.EndArray();
  }

  /// `unplanned`: what it is, if no program says it.
  void Slot(Fd fd, bool cloexec, FileId file, std::string_view type, const std::string& unplanned) {
    json_.BeginObject();
    Member("fd", fd);
    Member("cloexec", cloexec);
    Member("file", file.value);
    Member("type", type);
    if (!unplanned.empty()) Member("unplanned", unplanned);
    json_.EndObject();
  }

  void HolderList(const Holders& holders) {
    json_.Key("holders");
    json_.BeginArray();
    for (const Relations::Holder& holder : holders) {
      json_.BeginObject();
      Member("table", holder.table.value);
      Member("fd", holder.fd);
      json_.EndObject();
    }
    json_.EndArray();
  }

  void Files(bool sockets) {
    const Snapshot& snapshot = show_.snapshot();
    json_.BeginArray();
    for (std::size_t i = 0; i < snapshot.files.size(); ++i) {
      const File& file = *snapshot.files[i];
      const Holders& holders = show_.relations.HoldersOf(FileIndex(i));
      if ((sockets && !IsSocket(TypeOf(file))) || !show_.Wants(holders)) continue;
      json_.BeginObject();
      json_.Key("file");
      WriteFileJson(json_, file);
      if (sockets) SocketMembers(FileIndex(i));
      HolderList(holders);
      json_.Key("late");
      json_.BeginArray();
      for (const LateEntry& late : show_.relations.LateOf(FileIndex(i))) {
        WriteLateStateJson(json_, late.state);
      }
      json_.EndArray();
      json_.EndObject();
    }
    for (const UnplannedDescriptor& it : show_.dump.unplanned.descriptors) {
      const Holders& holders = show_.relations.HoldersOf(it.file);
      const bool is_first = holders.front().table == it.table && holders.front().fd == it.fd;
      if (!is_first || (sockets && !IsSocket(it.type)) || !show_.Wants(holders)) continue;
      json_.BeginObject();
      json_.Key("file");
      json_.BeginObject();
      Member("type", it.type);
      Member("id", it.file.value);
      json_.EndObject();
      Member("unplanned", it.what);
      HolderList(holders);
      json_.EndObject();
    }
    json_.EndArray();
  }

  void SocketMembers(FileIndex file) {
    const FileIndex peer = show_.relations.PeerOf(file);
    if (peer >= 0) Member("peer", show_.snapshot().files[peer]->id.value);
    Member("unread", UnreadIn(show_, file));
  }

  void MemoryMembers(ProcessIndex index, const Process& process) {
    json_.Key("regions");
    json_.BeginArray();
    OwnPages pages(process.memory, show_.snapshot().page_images);
    for (const Region& region : process.memory.regions) {
      json_.BeginObject();
      Range(region.range);
      Member("prot", ProtText(region.prot, IsSharedRegion(region)));
      Member("what", RegionText(region, process, show_.snapshot()));
      const OwnPages::Count own = pages.In(region.range);
      Member("in_dump", (own.all + show_.relations.ObjectPages(region)) * kPageSize);
      if (own.in_parents != 0) Member("in_parents", own.in_parents * kPageSize);
      const std::string object = show_.relations.ObjectName(region);
      if (!object.empty()) Member("object", object);
      json_.EndObject();
    }
    for (const UnplannedRegion& region : show_.relations.LeftOutOf(index)) {
      json_.BeginObject();
      Range(region.range);
      Member("unplanned", region.what);
      json_.EndObject();
    }
    json_.EndArray();
  }

  void Range(const AddressRange& range) {
    json_.Key("start");
    json_.HexNumber(range.start);
    json_.Key("end");
    json_.HexNumber(range.end);
  }

  void IdMapMember(std::string_view name, const IdMap& map) {
    json_.Key(name);
    json_.BeginArray();
    for (const IdRange& range : map) {
      json_.BeginObject();
      Member("inside", range.inside);
      Member("outside", range.outside);
      Member("count", range.count);
      json_.EndObject();
    }
    json_.EndArray();
  }

  void Mounts() {
    const Snapshot& snapshot = show_.snapshot();
    json_.BeginObject();
    Member("new_pid_namespace", snapshot.new_pid_namespace);
    if (snapshot.pid_namespace) {
      Member("external_pid_namespace", snapshot.pid_namespace->external.bytes);
    }
    if (snapshot.user_namespace) {
      IdMapMember("uid_map", snapshot.user_namespace->uid_map);
      IdMapMember("gid_map", snapshot.user_namespace->gid_map);
    }
    json_.Key("attributes");
    Attributes own;
    if (!snapshot.processes.empty() && snapshot.processes.front().attributes != nullptr) {
      const Attributes& root = *snapshot.processes.front().attributes;
      own.uts = root.uts;
      own.ipc = root.ipc;
      own.net = root.net;
      own.further_nets = root.further_nets;
      own.mounts = root.mounts;
    }
    if (!snapshot.cgroup_directories.empty()) {
      own.cgroup = CgroupMembership{{}, snapshot.cgroup_directories};
    }
    WriteAttributesJson(json_, own);
    json_.EndObject();
  }

  static Attributes SignalsOf(const Attributes& all) {
    Attributes part;
    part.sigactions = all.sigactions;
    part.signal_mask = all.signal_mask;
    part.signal_queue = all.signal_queue;
    part.sigaltstack = all.sigaltstack;
    part.pdeath_signal = all.pdeath_signal;
    return part;
  }
  static Attributes CredentialsOf(const Attributes& all) {
    Attributes part;
    part.creds = all.creds;
    part.seccomp = all.seccomp;
    return part;
  }
  static Attributes SettingsOf(const Attributes& all) {
    Attributes part;
    part.fs = all.fs;
    part.rlimits = all.rlimits;
    part.personality = all.personality;
    part.oom_score_adj = all.oom_score_adj;
    part.loginuid = all.loginuid;
    part.dumpable = all.dumpable;
    part.thp_disabled = all.thp_disabled;
    part.child_subreaper = all.child_subreaper;
    part.sched = all.sched;
    part.timer_slack = all.timer_slack;
    return part;
  }
  static Attributes TimersOf(const Attributes& all) {
    Attributes part;
    part.timers = all.timers;
    part.posix_timers = all.posix_timers;
    return part;
  }

  void Threads(Attributes (*part)(const Attributes&)) {
    json_.BeginArray();
    show_.ForEachProcess([&](ProcessIndex index, const Process& process) {
      if (process.state == ProcessState::kZombie) return;
      const auto add = [&](Pid tid, const Attributes* attributes) {
        if (attributes == nullptr) return;
        json_.BeginObject();
        Member("pid", show_.PidOf(index));
        Member("tid", tid);
        json_.Key("attributes");
        WriteAttributesJson(json_, part(*attributes));
        json_.EndObject();
      };
      add(show_.PidOf(index), process.attributes.get());
      for (const Thread& thread : process.threads) add(thread.tid, thread.attributes.get());
    });
    json_.EndArray();
  }

  void Timers() {
    json_.BeginObject();
    json_.Key("processes");
    Threads(TimersOf);
    json_.Key("timerfds");
    json_.BeginArray();
    for (const LateEntry& late : show_.snapshot().late) {
      const Holders& holders = show_.relations.HoldersOf(late.file);
      if (!std::holds_alternative<TimerfdSetting>(late.state) || !show_.Wants(holders)) continue;
      json_.BeginObject();
      Member("file", show_.snapshot().files[late.file]->id.value);
      json_.Key("setting");
      WriteLateStateJson(json_, late.state);
      json_.EndObject();
    }
    json_.EndArray();
    json_.EndObject();
  }

  void EnvMembers(ProcessIndex, const Process& process) {
    const Arguments found = ArgumentsOf(process, show_.dump);
    const auto strings = [&](std::string_view name, const std::vector<std::string>& texts) {
      json_.Key(name);
      json_.BeginArray();
      for (const std::string& text : texts) json_.String(Printable(text));
      json_.EndArray();
    };
    strings("arguments", found.arguments);
    strings("environment", found.environment);
  }

  const Show& show_;
  JsonWriter& json_;
};

}  // namespace

std::string ShowJson(const LookedAt& dump, const std::vector<Topic>& topics,
                     std::optional<Pid> pid) {
  std::string text;
  const Relations relations(dump.snapshot, dump.unplanned);
  ViewOptions options;
  options.pid = pid;
  const Show show = {dump, relations, options, nullptr};
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  ShowWriter writer(show, json);
  json.BeginObject();
  for (const Topic topic : topics) writer.Write(topic);
  json.EndObject();
  return text + "\n";
}

}  // namespace crgen
