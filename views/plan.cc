// SPDX-License-Identifier: Apache-2.0
#include "views/plan.h"

#include <sys/mman.h>

#include <algorithm>
#include <unordered_map>

#include "dsl/attributes.h"
#include "dsl/descriptor_tables.h"
#include "dsl/json/writer.h"
#include "dsl/references.h"
#include "model/printable.h"
#include "views/plan_reasons.h"
#include "views/table.h"
#include "views/words.h"

namespace crgen {
namespace {

template <typename T>
bool IsThere(const T& value) {
  if constexpr (requires { value.has_value(); }) {
    return value.has_value();
  } else if constexpr (requires { value.empty(); }) {
    return !value.empty();
  } else {
    return value;
  }
}

/// "comm, creds, rlimits"
std::string AttributeNames(const Attributes& attributes) {
  std::string text;
  ForEachField<Attributes>([&](const auto& field) {
    bool there = IsThere(attributes.*field.member);
    if constexpr (Inheritable<std::decay_t<decltype(field)>>) {
      there = there || attributes.*field.inherited;
    }
    if (there) text += (text.empty() ? "" : ", ") + std::string(field.name);
  });
  return text;
}

std::string RangeOf(Hex start, Hex end) {
  return HexText(start.value).substr(2) + "-" + HexText(end.value).substr(2);
}

std::string FdText(Fd fd, bool cloexec = false) {
  return "fd " + std::to_string(fd) + (cloexec ? " c" : "");
}

std::string OpenedText(const File& file) {
  const std::string flags = FlagText(file.flags), what = FileText(file);
  return std::string(TypeOf(file)) + (what.empty() ? "" : " " + what) +
         (flags.empty() ? "" : " " + flags);
}

struct Totals {
  std::size_t processes = 0, invented = 0, threads = 0, files = 0;
  std::uint64_t pages = 0;
};

/// One command in words.
struct Step {
  std::size_t index = 0;
  std::string does;
  std::string with;
  std::string what;
  std::string why;
};

struct Actor {
  Pid pid = 0;
  Pid parent = 0;
  std::string comm;
  bool invented = false;
  std::vector<std::size_t> commands;
};

/// What is to be known of a whole program before its commands are put into words.
struct Survey {
  explicit Survey(const Program& program);

  std::vector<Actor> actors;  ///< in the order of births
  Totals totals;

 private:
  template <typename Body>
  void On(std::size_t, Pid, const Body&) {}
  void On(std::size_t, Pid pid, const Fork& fork) {
    ++totals.processes;
    by_pid_[fork.child_pid] = actors.size();
    actors.push_back({fork.child_pid, pid, "", false, {}});
  }
  void On(std::size_t, Pid, const Wait& wait) {
    ++totals.invented;
    if (Actor* child = Find(wait.child_pid)) child->invented = true;
  }
  void On(std::size_t, Pid, const CreateThread&) { ++totals.threads; }
  void On(std::size_t, Pid, const LoadPages& load) { totals.pages += load.pages; }
  void On(std::size_t, Pid, const OpenFile& open) {
    if (open.from) return;  // counted where it is opened
    ForEachOpened(open, [&](Fd, const File&, bool) { ++totals.files; });
  }
  void On(std::size_t, Pid pid, const SetAttr& set) {
    if (set.tid && *set.tid != pid) return;
    Actor* actor = Find(pid);
    if (actor != nullptr && set.attributes->comm) actor->comm = set.attributes->comm->bytes;
  }
  Actor* Find(Pid pid) {
    const auto found = by_pid_.find(pid);
    return found == by_pid_.end() ? nullptr : &actors[found->second];
  }

  std::unordered_map<Pid, std::size_t> by_pid_;
};

Survey::Survey(const Program& program) {
  actors.push_back({0, 0, "the restorer", false, {}});
  by_pid_[0] = 0;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const Command& command = program[i];
    std::visit([&](const auto& body) { On(i, command.pid, body); }, command.body);
    if (Actor* actor = Find(command.pid)) actor->commands.push_back(i);
  }
}

/// Puts commands into words, one after the other in the program's order.
class Narrator {
 public:
  /// `reasons`: null: none.
  explicit Narrator(PlanReasons* reasons) : reasons_(reasons) {}

  Step Tell(const Command& command, std::size_t index) {
    step_ = {index, "", "", "", ""};
    pid_ = command.pid;
    std::visit([&](const auto& body) { On(body); }, command.body);
    if (reasons_ != nullptr) step_.why = reasons_->Of(command, tables_);
    tables_.Follow(command);
    return std::move(step_);
  }

 private:
  void Say(std::string does, std::string with, std::string what = "") {
    step_.does = std::move(does);
    step_.with = std::move(with);
    step_.what = std::move(what);
  }

  void On(const Fork& fork) {
    std::string how = FlagText(fork.flags);
    if (fork.pid_namespace) {
      how += (how.empty() ? "" : ", ") + ("in pid namespace " + fork.pid_namespace->external.bytes);
    }
    Say("fork", std::to_string(fork.child_pid), how);
  }
  void On(const SetSid&) { Say("session", std::to_string(pid_), "of its own, and a group"); }
  void On(const SetPgid& set) { Say("group", std::to_string(set.pgid)); }
  void On(const CreateThread& create) { Say("thread", std::to_string(create.tid)); }
  void On(const Exit& exit) { Say("exit", "", ExitText(exit.status)); }
  void On(const Wait& wait) { Say("reap", std::to_string(wait.child_pid)); }
  void On(const OpenFile& open) {
    std::string with, what;
    ForEachOpened(open, [&](Fd fd, const File& file, bool cloexec) {
      with += (with.empty() ? "" : " + ") + FdText(fd, cloexec);
      what += (what.empty() ? "" : " + ") + OpenedText(file);
    });
    if (open.from) {
      what += " of process " + std::to_string(open.from->pid) + ", " + FdText(open.from->fd, false);
    }
    Say(open.from ? "take" : "open", with, what);
  }
  void On(const DupFd& dup) {
    const bool same = dup.old_fd == dup.new_fd;
    Say("dup", FdText(dup.new_fd, dup.cloexec), same ? "" : "= " + FdText(dup.old_fd));
  }
  void On(const CloseFd& close) { Say("close", FdText(close.fd)); }
  void On(const MapRegion& map) {
    constexpr std::uint64_t kShared = MAP_SHARED;
    std::string what = ProtText(map.prot, map.flags.Has(kShared)) + " " +
                       SizeText(map.end.value - map.start.value);
    if (map.fd) what += " of " + OpenedText(tables_.At(pid_, *map.fd));
    if (map.fd && map.offset && *map.offset != 0) what += " from " + HexText(*map.offset);
    if (map.shmem) what += " of shared memory " + std::to_string(map.shmem->id.value);
    if (map.special) what += " " + std::string(kSpecialRegionNames[static_cast<int>(*map.special)]);
    Say("map", RangeOf(map.start, map.end), what);
  }
  void On(const UnmapRegion& unmap) { Say("unmap", RangeOf(unmap.start, unmap.end)); }
  void On(const MoveRegion& move) {
    Say("move", RangeOf(move.start, move.end), "to " + HexText(move.to.value).substr(2));
  }
  void On(const ProtectRegion& protect) {
    std::string what = protect.prot ? ProtText(*protect.prot, false).substr(0, 3) : "";
    if (protect.madvise.bits != 0) what += FlagText(protect.madvise);
    Say("protect", RangeOf(protect.start, protect.end), what);
  }
  void On(const LoadPages& load) {
    Say("load", HexText(load.start.value).substr(2),
        Count(load.pages, "page", "pages") + " of " + load.source.image + " from byte " +
            std::to_string(load.source.offset));
  }
  void On(const SetAttr& set) {
    Say("set", set.tid ? "thread " + std::to_string(*set.tid) : "",
        AttributeNames(*set.attributes));
  }
  void On(const Resume& resume) {
    Say("resume", "", resume.stopped ? "stopped by " + NameText(*resume.stopped) : "");
  }

  PlanReasons* reasons_;
  DescriptorTables tables_;
  Pid pid_ = 0;
  Step step_;
};

/// All steps, by command.
std::vector<Step> Steps(const Program& program, bool explain) {
  std::vector<Step> steps;
  steps.reserve(program.size());
  std::optional<PlanReasons> reasons;
  if (explain) reasons.emplace(program);
  Narrator narrator(reasons ? &*reasons : nullptr);
  for (std::size_t i = 0; i < program.size(); ++i) steps.push_back(narrator.Tell(program[i], i));
  return steps;
}

std::string HeadingOf(const Actor& actor) {
  if (actor.pid == 0) return actor.comm;
  std::string text = std::to_string(actor.pid) + (actor.comm.empty() ? "" : " " + actor.comm);
  text += ", child of " + (actor.parent == 0 ? "the restorer" : std::to_string(actor.parent));
  return text + (actor.invented ? ", invented: it is not in the dump" : "");
}

std::string TotalText(const Program& program, const Totals& totals) {
  return Count(totals.processes - totals.invented, "process", "processes") + ", " +
         std::to_string(totals.invented) + " invented, " +
         Count(totals.threads, "further thread", "further threads") + ", " +
         Count(totals.files, "file", "files") + " to open, " +
         Count(totals.pages, "page", "pages") + " to load; " +
         Count(program.size(), "command", "commands");
}

void WriteAbout(const About& about, const ViewOptions& options, std::string* out) {
  for (const External& it : about.external) {
    WriteLine("from outside: " + it.kind + " " + it.what, Ink::kMissing, options, out);
  }
  for (const LeftOut& it : about.left_out) {
    WriteLine("left out: " + it.where + ": " + it.what, Ink::kMissing, options, out);
  }
}

bool Wants(const ViewOptions& options, const Actor& actor) {
  return options.pid ? *options.pid == actor.pid : !actor.commands.empty();
}

}  // namespace

std::string PlanText(const Program& program, const ViewOptions& options, bool explain,
                     const WaitsFor* waits) {
  std::string text;
  const Survey survey(program);
  const std::vector<Step> steps = Steps(program, explain);
  WriteLine(TotalText(program, survey.totals), Ink::kPlain, options, &text);
  if (const About* about = AboutOf(program)) WriteAbout(*about, options, &text);
  for (const Actor& actor : survey.actors) {
    if (!Wants(options, actor)) continue;
    text += '\n';
    WriteLine(HeadingOf(actor), Ink::kHeading, options, &text);
    std::vector<Table::Column> columns = {
        {"#", Table::Align::kRight}, {"DOES"}, {"WITH"}, {"WHAT"}};
    if (waits != nullptr) columns.push_back({"WAITS FOR"});
    if (explain) columns.push_back({"WHY"});
    Table table(columns);
    for (const std::size_t index : actor.commands) {
      const Step& step = steps[index];
      std::vector<std::string> cells = {std::to_string(index), step.does, step.with, step.what};
      if (waits != nullptr) {
        const auto found = waits->find(index);
        cells.push_back(found == waits->end() ? "" : found->second);
      }
      if (explain) cells.push_back(step.why);
      table.Add(std::move(cells));
    }
    table.Write(0, options, &text);
  }
  return text;
}

std::string PlanJson(const Program& program, const ViewOptions& options) {
  std::string text;
  const Survey survey(program);
  const std::vector<Step> steps = Steps(program, true);
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  const auto number = [&](std::string_view name, std::uint64_t value) {
    json.Key(name);
    json.Number(value);
  };
  const auto words = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    json.Key(name);
    json.String(Printable(value));
  };
  json.BeginObject();
  number("processes", survey.totals.processes - survey.totals.invented);
  number("invented", survey.totals.invented);
  number("threads", survey.totals.threads);
  number("files", survey.totals.files);
  number("pages", survey.totals.pages);
  number("commands", program.size());
  json.Key("actors");
  json.BeginArray();
  for (const Actor& actor : survey.actors) {
    if (!Wants(options, actor)) continue;
    json.BeginObject();
    number("pid", static_cast<std::uint64_t>(actor.pid));
    if (actor.pid != 0) number("parent", static_cast<std::uint64_t>(actor.parent));
    words("comm", actor.comm);
    if (actor.invented) {
      json.Key("invented");
      json.Bool(true);
    }
    json.Key("steps");
    json.BeginArray();
    for (const std::size_t index : actor.commands) {
      json.BeginObject();
      number("command", index);
      words("does", steps[index].does);
      words("with", steps[index].with);
      words("what", steps[index].what);
      words("why", steps[index].why);
      json.EndObject();
    }
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return text + "\n";
}

}  // namespace crgen
