// SPDX-License-Identifier: Apache-2.0
// The final state of a program as text in which equal states are equal: read from the simulated
// kernel member by member, without the comparison that it is to judge.
#pragma once

#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "checker/check.h"
#include "checker/kernel/kernel.h"
#include "dsl/json/program_json.h"
#include "model/page_reader.h"

namespace crgen::test {

/// Pages are named by image and offset; with a reader, by the hash of their bytes, without those
/// of zeros where absent ones read as zeros.
class StateText {
 public:
  StateText(const SimulatedState& state, const PageReader& read_page)
      : kernel_(*state.kernel()), read_page_(read_page) {}

  std::string Write() {
    out_ = kernel_.new_pid_namespace ? "new pid namespace\n" : "";
    std::vector<const check::Task*> tasks;
    for (const check::Task& task : kernel_.tasks) {
      if (task.pid != 0 && task.state != check::TaskState::kGone) tasks.push_back(&task);
    }
    std::sort(tasks.begin(), tasks.end(), [](auto* a, auto* b) { return a->pid < b->pid; });
    for (const check::Task* task : tasks) WriteTask(*task);
    WriteLocks();
    return std::move(out_);
  }

 private:
  using Object = check::MemoryObject;

  void Line(const std::string& name, const std::string& value) {
    out_ += name + " " + value + "\n";
  }
  void Line(const std::string& name, std::uint64_t value) { Line(name, std::to_string(value)); }

  static std::string Json(CommandBody body) {
    return WriteProgram({Command{1, std::move(body)}}, Layout::kLines);
  }
  static std::string AttributesText(Attributes attributes) {
    attributes.child_subreaper.reset();  // Task::subreaper has it
    return Json(SetAttr{std::nullopt, std::make_shared<Attributes>(std::move(attributes))});
  }
  static std::string QueueText(const std::vector<PendingSignal>& queue) {
    Attributes attributes;
    attributes.signal_queue = queue;
    return AttributesText(std::move(attributes));
  }

  void WriteTask(const check::Task& task) {
    Line("process", static_cast<std::uint64_t>(task.pid));
    Line("parent", static_cast<std::uint64_t>(kernel_.tasks[kernel_.ParentOf(task)].pid));
    Line("group", static_cast<std::uint64_t>(task.pgid));
    Line("session", static_cast<std::uint64_t>(task.sid));
    Line("state", static_cast<std::uint64_t>(task.state));
    if (task.state == check::TaskState::kZombie) {
      Attributes name;
      name.comm = task.attributes->comm;
      Line("comm", AttributesText(std::move(name)));
      ExitStatus status = task.exit_status;
      if (!status.core_dumped.value_or(false)) status.core_dumped.reset();
      return Line("exit", Json(Exit{status}));
    }
    Line("namespaces", task.namespaces.bits);
    Line("fs sharers", static_cast<std::uint64_t>(task.fs.use_count()));
    Line("subreaper", static_cast<std::uint64_t>(task.subreaper));
    Line("stopped", Json(Resume{task.stopped}));
    Line("attributes", AttributesText(*task.attributes));
    Line("leader", QueueText(task.leader_signal_queue));
    WriteThreads(task);
    WriteTable(task);
    WriteSpace(*task.space);
  }

  void WriteThreads(const check::Task& task) {
    std::vector<std::pair<Pid, std::string>> threads;
    for (const check::SimulatedThread& thread : task.threads) {
      threads.emplace_back(thread.tid, AttributesText(*thread.attributes));
    }
    std::sort(threads.begin(), threads.end());
    for (const auto& [tid, text] : threads) Line("thread " + std::to_string(tid), text);
  }

  void WriteTable(const check::Task& task) {
    auto [known, is_new] = tables_.try_emplace(task.table.get(), task.pid);
    if (!is_new) return Line("table of", static_cast<std::uint64_t>(known->second));
    task.table->slots.ForEach([this](Fd fd, const check::Slot& slot) {
      auto [number, first] =
          descriptions_.try_emplace(slot.description.get(), descriptions_.size());
      Line("fd " + std::to_string(fd) + (slot.cloexec ? " cloexec" : ""), number->second);
      if (first) WriteFile(*slot.description);
    });
  }

  /// POSIX locks belong to a table and a file, others to a description.
  void WriteLocks() {
    std::vector<std::string> lines;
    kernel_.locks.ForEach([&](const FileLock& lock, const check::LockOwner& owner,
                              const check::Description* description) {
      const auto holder = owner.lock();
      if (holder == nullptr) return;
      auto attributes = std::make_shared<Attributes>();
      attributes->descriptors.push_back({0, LockSetting{{lock}}});
      std::string text = Json(SetAttr{{}, std::move(attributes)});
      const auto table = tables_.find(static_cast<const check::Table*>(holder.get()));
      const RegularFile* regular = As<RegularFile>(*description->file);
      if (table == tables_.end()) {
        text += " description " + std::to_string(descriptions_[description]);
      } else {
        text += " table of " + std::to_string(table->second) + " file " +
                (regular == nullptr ? "" : regular->path.bytes);
      }
      lines.push_back(std::move(text));
    });
    std::sort(lines.begin(), lines.end());
    for (const std::string& line : lines) Line("lock", line);
  }

  /// What is only a name for an object: numbered as it comes.
  static void Renumber(std::uint64_t* id, std::unordered_map<std::uint64_t, std::size_t>* numbers) {
    *id = numbers->try_emplace(*id, numbers->size()).first->second;
  }

  void WriteFile(const check::Description& description) {
    auto file = std::make_shared<File>(*description.file);
    Renumber(&file->id.value, &files_);
    if (auto* fifo = std::get_if<Fifo>(&file->body)) Renumber(&fifo->pipe_id.value, &fifos_);
    if (auto* socket = std::get_if<UnixSocket>(&file->body)) {
      Renumber(&socket->socket_id.value, &sockets_);
    }
    auto* pidfd = std::get_if<Pidfd>(&file->body);
    if (pidfd != nullptr && pidfd->dead) Renumber(&pidfd->dead->value, &dead_);
    auto* regular = std::get_if<RegularFile>(&file->body);
    if (regular != nullptr && regular->unlinked) {
      Renumber(&regular->unlinked->id.value, &unlinked_);
      if (regular->unlinked->link_of) Renumber(&*regular->unlinked->link_of, &unlinked_);
    }
    if (auto* memfd = std::get_if<Memfd>(&file->body)) {
      Memfd own;
      own.inode_id.value = NumberOf(*description.object);
      own.pos = memfd->pos;
      *memfd = own;
    }
    Line("file", Json(OpenFile{0, file, false, nullptr}));
    auto late = std::make_shared<Attributes>();
    for (LateState state : description.late) {
      if (auto* set = std::get_if<EpollTargets>(&state)) {
        // ep_insert(): always among them.
        for (EpollTarget& target : set->targets) target.events.bits |= EPOLLERR | EPOLLHUP;
      }
      late->descriptors.push_back({0, std::move(state)});
    }
    if (!description.late.empty()) Line("late", Json(SetAttr{{}, std::move(late)}));
    if (description.object != nullptr) WriteObject(*description.object);
  }

  /// A file that is only mapped: its path, what a restorer checks of it, and how it is opened.
  static std::string MappedFile(const File& file) {
    constexpr std::uint64_t kMatters = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC;
    File own = file;
    own.id = {};
    own.flags.bits &= kMatters;
    if (auto* regular = std::get_if<RegularFile>(&own.body)) {
      regular->pos.reset();
    } else if (auto* memfd = std::get_if<Memfd>(&own.body)) {
      *memfd = Memfd{};  // the region names its object
    }
    return Json(OpenFile{0, std::make_shared<File>(own), false, nullptr});
  }

  /// Objects are the same up to renaming: numbered as they come.
  std::size_t NumberOf(const Object& object) const {
    return numbers_.try_emplace(&object, numbers_.size()).first->second;
  }

  void WriteObject(const Object& object) {
    if (!objects_.try_emplace(&object, true).second) return;
    Line(object.memfd ? "memfd" : "shmem", NumberOf(object));
    Line("size", object.size);
    if (object.memfd) {
      Memfd created = object.created;
      created.inode_id = {};
      created.pos.reset();
      created.seals = object.seals;
      created.uid = created.uid.value_or(0);
      created.gid = created.gid.value_or(0);
      auto file = std::make_shared<File>(File{{}, {}, created});
      Line("created", Json(OpenFile{0, file, false, nullptr}));
    }
    WritePages(object.pages, [](std::uint64_t) { return true; });
  }

  std::string RegionText(const check::MappedRegion& region) const {
    const check::Backing& backing = *region.backing;
    std::string text = std::to_string(static_cast<int>(backing.kind)) + " prot " +
                       std::to_string(region.prot.bits) + " flags " +
                       std::to_string(region.flags.bits) + " advice " +
                       std::to_string(region.madvise.bits) + " nr_req " +
                       std::to_string(backing.nr_req) + " shmid " + std::to_string(backing.shmid);
    if (backing.object != nullptr) text += " object " + std::to_string(NumberOf(*backing.object));
    if (backing.file != nullptr) text += " file " + MappedFile(*backing.file);
    return text;
  }

  void WriteSpace(const check::Space& space) {
    AddressRange last;
    std::uint64_t last_offset = 0;
    std::string last_text;
    auto flush = [&] {
      if (!last_text.empty()) {
        Line(check::RangeText(last), last_text + " at " + std::to_string(last_offset));
      }
    };
    space.regions.ForEach([&](AddressRange range, const check::MappedRegion& region) {
      const std::string text = RegionText(region);
      const bool has_offset = region.backing->HasOffset();
      const std::uint64_t expected = last_offset + (has_offset ? last.size() : 0);
      if (text == last_text && range.start == last.end && region.offset == expected &&
          !region.backing->IsSpecial()) {
        last.end = range.end;
        return;
      }
      flush();
      last = range;
      last_offset = region.offset;
      last_text = text;
    });
    flush();
    space.regions.ForEach([&](AddressRange, const check::MappedRegion& region) {
      if (region.backing->object != nullptr) WriteObject(*region.backing->object);
    });
    WriteGuards(space);
    WritePages(space.pages, [&](std::uint64_t at) {
      auto region = space.regions.FirstOverlap({at, at + kPageSize});
      return region && region->value->backing->kind == RegionKind::kPrivateAnonymous;
    });
  }

  void WriteGuards(const check::Space& space) {
    space.guards.ForEach([this](AddressRange range, const check::NoValue&) {
      for (std::uint64_t at = range.start; at < range.end; at += kPageSize) {
        Line("guard", at);
      }
    });
  }

  template <typename ReadsAsZero>
  void WritePages(const check::PageMap& pages, ReadsAsZero&& reads_as_zero) {
    pages.ForEach([&](AddressRange range, const check::PageSource& source) {
      for (std::uint64_t at = range.start; at < range.end; at += kPageSize) {
        const std::uint64_t offset = source.offset + (at - range.start);
        const std::string content = Content(kernel_.images[source.image], offset);
        if (content == "zeros" && reads_as_zero(at)) continue;
        Line("page " + std::to_string(at), content);
      }
    });
  }

  std::string Content(const std::string& image, std::uint64_t offset) const {
    const std::string place = image + " at " + std::to_string(offset);
    if (!read_page_) return place;
    std::string bytes(kPageSize, 'x');
    Diagnostics diag;
    if (Failed(read_page_(image, offset, bytes, diag))) return place;
    if (bytes.find_first_not_of('\0') == std::string::npos) return "zeros";
    return std::to_string(std::hash<std::string>()(bytes));
  }

  const check::Kernel& kernel_;
  const PageReader& read_page_;
  std::string out_;
  std::unordered_map<const check::Table*, Pid> tables_;
  std::unordered_map<const check::Description*, std::size_t> descriptions_;
  mutable std::unordered_map<const Object*, std::size_t> numbers_;
  std::unordered_map<std::uint64_t, std::size_t> files_, fifos_, sockets_, unlinked_, dead_;
  std::unordered_map<const Object*, bool> objects_;
};

inline std::string TextOf(const SimulatedState& state, const PageReader& read_page) {
  return StateText(state, read_page).Write();
}

}  // namespace crgen::test
