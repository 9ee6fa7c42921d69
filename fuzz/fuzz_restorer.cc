// SPDX-License-Identifier: Apache-2.0
// What crrestore does of a program before any process is there: preflight, asked by a host that has
// said what it is, the schedule and what describes it, and the script, compiled into an arena.
// Nothing is made, opened or executed of it. Every program that the checker takes as a whole
// restore must go through, into an arena of the size that is asked for.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "dsl/references.h"
#include "fuzz/program_mutator.h"
#include "fuzz/require.h"
#include "preflight/held_mounts.h"
#include "preflight/host_facts.h"
#include "preflight/preflight.h"
#include "restorer/compile.h"
#include "restorer/files/files.h"
#include "restorer/files/unix_socket.h"
#include "restorer/schedule.h"
#include "restorer/settle.h"
#include "restorer/user_namespace.h"

namespace crgen::fuzz {
namespace {

/// A name, or a number, of what the supervisor would hold. Nobody opens it.
constexpr int kStandIn = 3;

/// What the supervisor would have made for `program`, by name only.
class StandIns {
 public:
  explicit StandIns(const Program& program) {
    services_.files = &files_;
    services_.socket_files = restorer::NumberSocketFiles(program);
    services_.handed_on = restorer::FindHandedOn(program);
    services_.timed = true;
    for (const Command& command : program) {
      if (const auto* open = std::get_if<OpenFile>(&command.body); open != nullptr && !open->from) {
        ForEachOpened(*open, [&](Fd, const File& file, bool) { Add(file); });
      }
      if (const auto* set = std::get_if<SetAttr>(&command.body)) Add(*set->attributes);
    }
  }
  const restorer::Services& services() const { return services_; }

 private:
  void Add(UnlinkedId id) { services_.unlinked[id] = std::to_string(kStandIn); }

  void Add(const File& file) {
    if (file.external) services_.inherited[*file.external] = kStandIn;
    if (const auto linked = LinkedOf(file)) {
      services_.linked[restorer::LinkKey(*linked->path, *linked->link, preflight::MountOf(file))] =
          std::to_string(kStandIn);
    }
    ForEachValueOf<UnlinkedId>(file, [&](UnlinkedId id) { Add(id); });
    if (const auto* memfd = As<Memfd>(file)) {
      services_.memfds[memfd->inode_id] = std::to_string(kStandIn);
    } else if (const auto* socket = As<UnixSocket>(file)) {
      services_.sockets.emplace(socket->socket_id, *socket);
      services_.name_roots.emplace(socket->socket_id, std::to_string(kStandIn));
    } else if (As<RegularFile>(file) == nullptr) {
      services_.made[file.id] = kStandIn;
    }
  }

  void Add(const Attributes& attributes) {
    if (attributes.fs) {
      if (attributes.fs->cwd_unlinked) Add(*attributes.fs->cwd_unlinked);
      if (attributes.fs->root_unlinked) Add(*attributes.fs->root_unlinked);
    }
    if (attributes.mm) {
      const MmAttributes& mm = *attributes.mm;
      if (mm.exe_unlinked) Add(*mm.exe_unlinked);
      if (mm.exe_opened_by) {
        services_.linked[restorer::LinkKey(mm.exe, *mm.exe_opened_by, mm.exe_mount)] =
            std::to_string(kStandIn);
      }
    }
    for (const Mount& mount : attributes.mounts) {
      services_.mounts[mount.id] = kStandIn;
      const auto number = static_cast<std::int32_t>(services_.spaces.size());
      services_.space_of[mount.id] =
          services_.spaces.try_emplace(mount.namespace_id, number).first->second;
    }
  }

  HostFiles files_;
  restorer::Services services_;
};

void RequireOrder(const restorer::Schedule& schedule) {
  for (const restorer::Step& step : schedule.steps) {
    for (const std::uint32_t earlier : step.await) {
      Require(earlier < schedule.steps.size() && schedule.steps[earlier].command <= step.command,
              "command " + std::to_string(step.command) + " waits for what comes later");
    }
  }
}

void CompileIt(const Program& program, const restorer::Schedule& schedule, std::size_t text_size) {
  OwnMaps maps;
  Diagnostics diag;
  Require(ReadOwnMaps(&maps, diag) == Result::kOk, "no own maps", diag);
  const int board = memfd_create("board", MFD_CLOEXEC);
  {
    restorer::Arena arena;
    const restorer::ArenaSizes sizes =
        restorer::SizesFor(program, schedule, text_size, /*timed=*/true);
    const Result made = arena.Make(program, maps, sizes, board, {}, diag);
    Require(Failed(made) == diag.HasErrors(), "result and findings contradict each other", diag);
    if (Succeeded(made)) {
      const StandIns stand_ins(program);
      const restorer::Script script = restorer::Compile(program, schedule, stand_ins.services(),
                                                        restorer::OwnState(), maps, arena);
      Require(script.processes.size() == schedule.processes.size(), "a process is lost");
    }
    if (arena.end() != 0) {
      munmap(reinterpret_cast<void*>(arena.start()), arena.end() - arena.start());
    }
  }
  close(board);
}

void Try(std::string_view text) {
  static const HostFacts facts = RecordHostFacts(nullptr);
  Program program;
  Diagnostics diag;
  if (Failed(ReadProgram(text, "plan", &program, diag)) || program.empty()) return;
  SimulatedState state;
  if (Failed(CheckProgram(program, &state, diag))) return;
  Host host(facts);
  PreflightOptions options;
  options.host = &host;
  HostFiles files;
  Diagnostics found;
  const Result possible = Preflight(program, options, &files, found);
  const bool refused = found.HasErrors() || found.Count(Severity::kUnsupported) != 0;
  Require(Failed(possible) == refused, "result and findings contradict each other", found);
  for (const Diagnostic& entry : found.entries()) {
    Require(!entry.where.empty() && !entry.what.empty(), "a finding without place or cause", found);
  }
  if (Failed(CheckComplete(program, state, diag))) return;

  const restorer::Schedule schedule = restorer::MakeSchedule(program);
  RequireOrder(schedule);
  Require(restorer::OrderOf(program, schedule).size() == schedule.steps.size(), "steps are lost");
  (void)restorer::WaitsOf(program, schedule);
  Diagnostics settled;
  restorer::Settle(schedule, false, &program, settled);
  // Who holds a user namespace of its own is a process, which nobody makes here.
  if (!restorer::OwnUserNamespace(program)) CompileIt(program, schedule, text.size());
}

}  // namespace
}  // namespace crgen::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  crgen::fuzz::Try({reinterpret_cast<const char*>(data), size});
  return 0;
}
