// SPDX-License-Identifier: Apache-2.0
// The final state of a program in words.
#include <linux/sched.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "checker/check.h"
#include "checker/compare/difference.h"
#include "checker/kernel/kernel.h"
#include "model/printable.h"

namespace crgen {
namespace check {
namespace {

constexpr std::size_t kMaxIndent = 40;

std::string NameOf(const File& file, const AllFileRules& files) {
  std::string text(TypeOf(file));
  const std::string own =
      files.Visit(file, [](const auto& rules, const auto& body) { return rules.Text(body); });
  if (!own.empty()) text += " " + own;
  if (file.flags.bits != 0 || TypeOf(file) == RegularFile::kType)
    text += " " + ValueText(file.flags);
  return text;
}

std::string BackingText(const MappedRegion& region, const AllFileRules& files) {
  const Backing& backing = *region.backing;
  std::string text;
  switch (backing.kind) {
    case RegionKind::kPrivateAnonymous:
      return "anonymous";
    case RegionKind::kSharedAnonymous:
      text = "shmem " + std::to_string(backing.object->id);
      break;
    case RegionKind::kSysvShm:
      return "sysvipc " + std::to_string(backing.shmid);
    case RegionKind::kVdso:
      return "vdso";
    case RegionKind::kVvar:
      return "vvar";
    case RegionKind::kVsyscall:
      return "vsyscall";
    case RegionKind::kAioRing:
      return "aio " + std::to_string(backing.nr_req);
    default:
      text = NameOf(*backing.file, files);
  }
  return text + " at " + HexText(region.offset);
}

/// What a list shows: each entry; of others the value.
template <typename Value>
std::vector<std::string> ValueLines(const Value& value) {
  return {ValueText(value)};
}
template <typename Entry>
std::vector<std::string> ValueLines(const std::vector<Entry>& entries) {
  std::vector<std::string> lines;
  for (const Entry& entry : entries) lines.push_back(ValueText(entry));
  return lines;
}

class StateWriter {
 public:
  explicit StateWriter(const Kernel& kernel) : kernel_(kernel) {}

  std::string Write() {
    if (kernel_.tasks[kRestorer].family >= 0) WriteTree();
    for (const Task& task : kernel_.tasks) {
      if (task.pid != 0 && task.space != nullptr) WriteProcess(task);
    }
    return std::move(out_);
  }

 private:
  void WriteTree() {
    std::vector<std::pair<TaskIndex, std::size_t>> stack = {{kRestorer, 0}};
    while (!stack.empty()) {
      const auto [index, depth] = stack.back();
      stack.pop_back();
      const Task& task = kernel_.tasks[index];
      if (index != kRestorer) WriteNode(task, depth - 1);
      if (task.family < 0) continue;
      std::vector<TaskIndex> children = kernel_.families[task.family].children;
      std::sort(children.begin(), children.end());
      for (auto it = children.rbegin(); it != children.rend(); ++it) {
        stack.push_back({*it, depth + 1});
      }
    }
  }

  void WriteNode(const Task& task, std::size_t depth) {
    // A chain of a hundred thousand processes is not to cost gigabytes of blanks.
    out_.append(2 * std::min(depth, kMaxIndent), ' ');
    out_ += std::to_string(task.pid) + " group " + std::to_string(task.pgid) + " session " +
            std::to_string(task.sid);
    if (task.state == TaskState::kZombie) out_ += " zombie: " + ExitText(task.exit_status);
    if (task.state == TaskState::kExecuting) out_ += " in the restorer";
    if (task.stopped) out_ += " stopped by " + ValueText(*task.stopped);
    if (task.subreaper) out_ += " subreaper";
    CloneFlags namespaces = task.namespaces;
    if (kernel_.new_pid_namespace && &task == &kernel_.tasks[kernel_.root()]) {
      namespaces.bits |= CLONE_NEWPID;
    }
    if (kernel_.pid_namespace && &task == &kernel_.tasks[kernel_.root()]) {
      out_ += " in pid namespace " + Printable(kernel_.pid_namespace->external.bytes);
    }
    if (namespaces.bits != 0) out_ += " namespaces " + ValueText(namespaces);
    out_ += '\n';
  }

  void WriteProcess(const Task& task) {
    out_ += "process " + std::to_string(task.pid) + '\n';
    for (const SimulatedThread& thread : task.threads) {
      out_ += "  thread " + std::to_string(thread.tid) + '\n';
      WriteAttributes(*thread.attributes, {thread.creds_said, false}, "    ");
    }
    WriteAttributes(AttributesOf(task), {task.creds_said, task.attributes->inherit_rlimits}, "  ");
    for (const PendingSignal& signal : task.leader_signal_queue) {
      WriteLine("  ", "signal_queue of the leader", ValueText(signal));
    }
    auto [table, is_new] = tables_.try_emplace(task.table.get(), task.pid);
    if (!is_new) out_ += "  descriptor table of process " + std::to_string(table->second) + '\n';
    if (is_new) task.table->slots.ForEach([this](Fd fd, const Slot& slot) { WriteSlot(fd, slot); });
    task.space->regions.ForEach([this](AddressRange range, const MappedRegion& region) {
      out_ += "  " + RangeText(range) + " prot " + ValueText(region.prot) + " " +
              ValueText(region.flags) + " " + BackingText(region, kernel_.files);
      if (region.madvise.bits != 0) out_ += " " + ValueText(region.madvise);
      out_ += '\n';
    });
    task.space->guards.ForEach([this](AddressRange range, const NoValue&) {
      out_ += "  " + RangeText(range) + " guard\n";
    });
    task.space->pages.ForEach([this](AddressRange range, const PageSource& source) {
      out_ += "  " + RangeText(range) + " pages from " + Printable(kernel_.images[source.image]) +
              " at " + std::to_string(source.offset) + '\n';
    });
  }

  /// With what a process that shares its cwd, root and umask has set last.
  static Attributes AttributesOf(const Task& task) {
    Attributes attributes = *task.attributes;
    if (task.fs != nullptr && task.fs->set_by != nullptr) attributes.fs = task.fs->set_by->fs;
    return attributes;
  }

  /// What was said, if only that it is the restorer's.
  struct Said {
    bool creds, rlimits;
  };

  void WriteAttributes(const Attributes& attributes, Said said, std::string_view indent) {
    ForEachField<Attributes>([&](const auto& field) {
      const auto& member = attributes.*field.member;
      for (const std::string& line : ValueLines(member)) {
        if (member != std::decay_t<decltype(member)>{}) WriteLine(indent, field.name, line);
      }
    });
    if (said.creds && !attributes.creds) WriteLine(indent, "creds", std::string(kInherit));
    if (said.rlimits && attributes.rlimits.empty()) {
      WriteLine(indent, "rlimits", std::string(kInherit));
    }
  }

  void WriteLine(std::string_view indent, std::string_view name, const std::string& value) {
    out_.append(indent).append(name).append(" ").append(value).append("\n");
  }

  void WriteSlot(Fd fd, const Slot& slot) {
    auto [number, is_new] =
        descriptions_.try_emplace(slot.description.get(), descriptions_.size() + 1);
    out_ += "  fd " + std::to_string(fd) + " #" + std::to_string(number->second);
    if (slot.cloexec) out_ += " cloexec";
    if (is_new) out_ += " " + NameOf(*slot.description->file, kernel_.files);
    out_ += '\n';
  }

  const Kernel& kernel_;
  std::string out_;
  std::unordered_map<const Table*, Pid> tables_;
  std::unordered_map<const Description*, std::size_t> descriptions_;
};

}  // namespace
}  // namespace check

std::string DescribeState(const SimulatedState& state) {
  return state.kernel() == nullptr ? "" : check::StateWriter(*state.kernel()).Write();
}

}  // namespace crgen
