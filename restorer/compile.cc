// SPDX-License-Identifier: Apache-2.0
#include "restorer/compile.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "dsl/references.h"
#include "preflight/descriptors.h"
#include "restorer/cgroups.h"
#include "restorer/compile_attributes.h"
#include "restorer/compiled_loads.h"
#include "restorer/compiled_nets.h"
#include "restorer/created_memfds.h"
#include "restorer/files/files.h"
#include "restorer/files/unix_socket.h"
#include "restorer/held_connections.h"
#include "restorer/late_files.h"
#include "restorer/lease_breaks.h"
#include "restorer/mount_descriptors.h"
#include "restorer/mount_spaces.h"
#include "restorer/mounts.h"
#include "restorer/step_times.h"

namespace crgen::restorer {
namespace {

constexpr std::uint32_t kNobody = ~std::uint32_t{0};

class Compiler {
 public:
  Compiler(const Program& program, const Schedule& schedule, const Services& services,
           const OwnState& own, const OwnMaps& maps, Arena& arena, Script& script)
      : program_(program),
        schedule_(schedule),
        services_(services),
        own_(own),
        maps_(maps),
        arena_(arena),
        script_(script),
        taken_over_(FindTakenOver(program)),
        spaces_(FindMountSpaces(program, schedule, services)),
        nets_(services, FindNetSpaces(program, schedule)),
        lease_breaks_(FindLeaseBreaks(program, script.late_files, services)) {}

  void Run() {
    PrepareSetup();
    done_.resize(schedule_.steps.size());
    for (std::size_t i = 0; i < done_.size(); ++i) {
      if (schedule_.steps[i].awaited) done_[i] = arena_.NewOnBoard<Word>();
    }
    for (const ScheduledProcess& planned : schedule_.processes) {
      Process* process = arena_.New<Process>();
      process->pid = planned.pid;
      process->words = arena_.NewOnBoard<ProcessWords>();
      script_.processes.push_back(process);
    }
    script_.births.resize(script_.processes.size());
    FindParents(program_, schedule_, script_.processes);
    MakeThreads();
    FindCreators();
    FindSockets();
    if (!services_.tcp_close) {
      script_.connections = FindHeldConnections(program_, schedule_, script_.late_files);
    }
    carried_ = CarriedOf(script_.connections);
    for (std::size_t i = 0; i < schedule_.processes.size(); ++i) CompileProcess(i);
    for (std::size_t i = 1; i < schedule_.processes.size(); ++i) {
      const ScheduledProcess& planned = schedule_.processes[i];
      Process* process = script_.processes[i];
      process->descriptors = script_.processes[planned.table];
      process->resumes = planned.resumes;
      if (planned.resumes) {
        ++process->descriptors->words->users;
        script_.setup->threads += process->thread_count;
      }
    }
  }

 private:
  void PrepareSetup() {
    script_.socket_files = arena_.NewOnBoard<MadeFile>(services_.socket_files.size());
    if (services_.timed) {
      script_.times =
          arena_.NewOnBoard<StepTimes>(schedule_.steps.size() + schedule_.processes.size());
    }
    script_.board = arena_.NewOnBoard<Board>();
    script_.setup = arena_.New<Setup>();
    Setup& setup = *script_.setup;
    setup.board = script_.board;
    setup.service_fd = preflight::FirstUnusedFd(program_);
    setup.source_fd = setup.service_fd + 1;
    setup.root_fd = setup.source_fd + 1;
    setup.mount_namespaces = static_cast<std::int32_t>(services_.spaces.size());
    setup.hidden_folders = static_cast<std::int32_t>(services_.hidden_folders.size());
    setup.user_namespace = services_.user != nullptr;
    setup.arena_start = arena_.start();
    setup.arena_end = arena_.end();
    setup.user_end = kDefaultUserEnd;
    setup.stack_top = arena_.leader_stack_top();
    setup.helper_stack_top = arena_.helper_stack_top();
    setup.helper_tid = services_.helper_tid;
    setup.own = SocketOwnerOf(own_.creds, arena_);
    setup.vdso_at = maps_.vdso.start;
    setup.vvar_at = maps_.vvar.start;
    setup.vdso_park = arena_.vdso_park();
    setup.vvar_park = arena_.vvar_park();
    setup.vdso_sizes = arena_.Copy(maps_.vdso.sizes);
    setup.vvar_sizes = arena_.Copy(maps_.vvar.sizes);
    setup.vdso_pieces = static_cast<std::uint32_t>(maps_.vdso.sizes.size());
    setup.vvar_pieces = static_cast<std::uint32_t>(maps_.vvar.sizes.size());
  }

  void MakeThreads() {
    const bool own_numbers = HasOwnNumbers(program_);
    std::vector<std::vector<Pid>> tids(schedule_.processes.size());
    for (std::size_t i = 1; i < tids.size(); ++i) tids[i].push_back(schedule_.processes[i].pid);
    for (std::size_t i = 0; i < program_.size(); ++i) {
      if (const auto* create = std::get_if<CreateThread>(&program_[i].body)) {
        tids[schedule_.executor[i]].push_back(create->tid);
      }
    }
    for (std::size_t i = 1; i < tids.size(); ++i) {
      Process* process = script_.processes[i];
      process->threads = arena_.New<Thread>(tids[i].size());
      process->thread_count = static_cast<std::uint32_t>(tids[i].size());
      for (std::size_t t = 0; t < tids[i].size(); ++t) {
        Thread& thread = process->threads[t];
        thread.tid = tids[i][t];
        thread.process = process;
        if (own_numbers) thread.outer_tid = arena_.NewOnBoard<Word>();
        thread.stack_top = t == 0 ? arena_.leader_stack_top() : arena_.thread_stack_top(t - 1);
      }
    }
  }

  void FindCreators() {
    creator_.resize(schedule_.processes.size(), 0);
    for (std::size_t i = 0; i < program_.size(); ++i) {
      if (!std::holds_alternative<Fork>(program_[i].body)) continue;
      creator_[schedule_.child[i]] = schedule_.executor[i];
    }
    loginuids_.resize(schedule_.processes.size(), own_.loginuid);
  }

  /// What their processes are to be, and who listens.
  void FindSockets() {
    owners_.resize(schedule_.processes.size(), nullptr);
    for (std::size_t i = 0; i < program_.size(); ++i) {
      if (const auto* open = std::get_if<OpenFile>(&program_[i].body)) {
        const std::optional<SocketId> listener = std::visit(
            []<typename Body>(const Body& body) { return FileRestorer<Body>::Listener(body); },
            open->file->body);
        if (listener) listeners_[*listener] = program_[i].pid;
      }
      const auto* set = std::get_if<SetAttr>(&program_[i].body);
      if (set == nullptr || !(set->attributes->creds || set->attributes->inherit_creds)) continue;
      if (set->tid && *set->tid != program_[i].pid) continue;
      const SocketOwner*& owner = owners_[schedule_.executor[i]];
      owner = set->attributes->creds ? OwnerOf(*set->attributes->creds) : nullptr;
    }
  }

  /// Null: those that this process has anyway.
  const SocketOwner* OwnerOf(const Creds& creds) {
    const Creds& own = own_.creds;
    const auto ids = [](const Creds& it) {
      return std::tie(it.euid, it.egid, it.fsuid, it.fsgid, it.groups);
    };
    if (ids(creds) == ids(own)) return nullptr;
    SocketOwner* owner = arena_.New<SocketOwner>();
    *owner = SocketOwnerOf(creds, arena_);
    return owner;
  }

  void CompileProcess(std::size_t index) {
    const ScheduledProcess& planned = schedule_.processes[index];
    std::vector<Op> ops;
    ops.reserve(planned.steps.size());
    ProcessAttributes attributes;
    attributes.Begin(script_.processes[index], services_, spaces_.of_process[index]);
    for (std::uint32_t number : planned.steps) {
      const Step& step = schedule_.steps[number];
      command_ = step.command;
      Op op = {};
      op.kind = OpKind::kNothing;
      op.command = step.command;
      op.done = done_[number];
      if (script_.times != nullptr) op.times = script_.times + number;
      std::vector<Word*> await;
      for (std::uint32_t earlier : step.await) await.push_back(done_[earlier]);
      op.await = arena_.Copy(await);
      op.await_count = static_cast<std::uint32_t>(await.size());
      if (step.watched != 0) {
        op.kind = OpKind::kWait;
        op.wait = {step.watched, false};
      } else if (const auto* set = std::get_if<SetAttr>(&program_[command_].body)) {
        attributes.Add(*set, command_);
        AddEarly(*set, op, ops);
        AddLate(*set, op, ops);
      } else if (const auto* load = std::get_if<LoadPages>(&program_[command_].body)) {
        if (loads_.Join(*load, op, ops)) continue;
      } else {
        std::visit([&](const auto& body) { Translate(body, op); }, program_[command_].body);
      }
      if (op.kind == OpKind::kFork) {
        script_.births[schedule_.child[command_]] = {script_.processes[index], ops.size()};
      }
      const bool timed =
          op.times != nullptr && !(planned.resumes && IsOfTheEnd(program_[command_]));
      nets_.Surround(program_[command_], command_, arena_, op, ops);
      if (op.kind != OpKind::kNothing || op.await_count != 0 || op.done != nullptr || timed) {
        ops.push_back(op);
      }
    }
    loads_.Finish(ops);
    if (services_.user != nullptr && index != 0 && creator_[index] == 0)
      AddTakeIds(script_.processes[index], &script_.births, &ops);
    Process* process = script_.processes[index];
    process->ops = arena_.Copy(ops);
    process->op_count = static_cast<std::uint32_t>(ops.size());
    if (index != 0) {
      command_ = kNobody;
      loginuids_[index] = attributes.loginuid();
      if (loginuids_[index] != loginuids_[creator_[index]]) {
        process->loginuid = arena_.Text(std::to_string(loginuids_[index]));
      }
      attributes.End(own_, arena_, planned.resumes, &script_.threads);
    }
    if (planned.resumes && script_.times != nullptr) {
      process->end_times = script_.times + schedule_.steps.size() + index;
      process->resume_times = script_.times + planned.steps.back();
    }
  }

  /// What of SET_ATTR later commands depend on is set at once, the rest when all is built.
  void AddEarly(const SetAttr& set, Op& last, std::vector<Op>& ops) {
    const Attributes& attributes = *set.attributes;
    const bool leader = !set.tid || *set.tid == program_[command_].pid;
    loads_.Finish(ops);
    const auto add = [&](OpKind kind, auto fill) {
      Op op = OneOf(last);
      op.kind = kind;
      fill(op);
      ops.push_back(op);
    };
    if (EntersCgroups(set, services_)) {
      add(OpKind::kEnterCgroups, [&](Op& op) { op.cgroups = CgroupsOf(set, services_, arena_); });
    }
    if (attributes.comm && leader) {
      add(OpKind::kName, [&](Op& op) { op.name.name = arena_.Text(attributes.comm->bytes); });
    }
    if (attributes.child_subreaper) {
      add(OpKind::kSubreaper, [&](Op& op) { op.flag.value = *attributes.child_subreaper; });
    }
    if (attributes.time && services_.time_namespace) {
      add(OpKind::kClocks, [&](Op& op) { op.clocks = ClocksOf(*attributes.time, own_); });
    }
    if (!attributes.mounts.empty()) {
      add(OpKind::kMounts,
          [&](Op& op) { op.mounts = CompileMounts(attributes.mounts, services_, arena_); });
    }
    if (attributes.setns && nets_.HasSeveral()) {
      add(OpKind::kEnterNet, [&](Op& op) { op.enter_net = nets_.OfProcess(command_, arena_); });
    }
    if (spaces_.moves.contains(command_)) {
      add(OpKind::kEnterMounts,
          [&](Op& op) { op.enter_mounts = {services_.spaces.at(attributes.setns->mnt)}; });
    }
    if (attributes.fs) {
      add(OpKind::kDirectories,
          [&](Op& op) { op.directories = DirectoriesOf(*attributes.fs, services_, arena_); });
    }
  }

  /// When all leases are there.
  void AddLeaseBreaks(Op& last, std::vector<Op>& ops) {
    for (const LeaseBreak& it : lease_breaks_.all) {
      Op op = OneOf(last);
      op.kind = OpKind::kBreakLease;
      op.lease_break = {arena_.Text(it.held), it.flags, arena_.Text(it.path)};
      ops.push_back(op);
    }
  }

  /// Late state of descriptions: they are all there, since the step awaits everybody.
  void AddLate(const SetAttr& set, Op& last, std::vector<Op>& ops) {
    for (std::size_t i = 0; i < set.attributes->descriptors.size(); ++i) {
      const DescriptorState& late = set.attributes->descriptors[i];
      Op op = OneOf(last);
      std::visit(
          [&]<typename Late>(const Late& state) {
            LateContext context = {services_, arena_, carried_};
            LateRestorer<Late>::Compile(late.fd, state, *script_.late_files.at(command_)[i],
                                        context, op);
          },
          late.state);
      ops.push_back(op);
      if (lease_breaks_.after == std::pair(command_, i)) AddLeaseBreaks(last, ops);
    }
  }

  /// One of the operations that a command becomes; the first of them awaits what it awaits.
  static Op OneOf(Op& last) {
    Op op = last;
    op.done = nullptr;
    last.await_count = 0;
    return op;
  }

  void Translate(const Fork& fork, Op& op) {
    op.kind = OpKind::kFork;
    op.fork = {script_.processes[schedule_.child[command_]], fork.flags.bits};
    if (program_[command_].pid == 0) op.fork.flags |= CLONE_CLEAR_SIGHAND;
  }
  void Translate(const SetSid&, Op& op) { op.kind = OpKind::kSetSid; }
  void Translate(const SetPgid& join, Op& op) {
    op.kind = OpKind::kSetPgid;
    op.pgid = {join.pgid};
  }
  void Translate(const CreateThread& create, Op& op) {
    const Process* process = script_.processes[schedule_.executor[command_]];
    op.kind = OpKind::kCreateThread;
    op.thread.thread = std::find_if(process->threads, process->threads + process->thread_count,
                                    [&](const Thread& thread) { return thread.tid == create.tid; });
  }
  void Translate(const Exit& exit, Op& op) {
    op.kind = OpKind::kExit;
    op.exit = {exit.status.code ? static_cast<std::int32_t>(*exit.status.code) : 0,
               exit.status.signal ? static_cast<std::int32_t>(exit.status.signal->value) : 0};
  }
  void Translate(const Wait& wait, Op& op) {
    op.kind = OpKind::kWait;
    op.wait = {wait.child_pid, true};
  }

  void Translate(const OpenFile& open, Op& op) {
    op.kind = OpKind::kOpen;
    op.open.fd = open.fd;
    op.open.cloexec = open.cloexec;
    op.open.pos = -1;
    op.open.flags = static_cast<std::uint32_t>(open.file->flags.bits);
    op.open.created = -1;
    if (open.from) {
      op.kind = OpKind::kTakeDescriptor;
      op.open.target = open.from->pid;
      op.open.source = open.from->fd;
      return;
    }
    if (open.file->external && As<Pipe>(*open.file) == nullptr) {
      // The caller's description, as it is.
      op.open.flags = 0;
      op.open.created = services_.inherited.at(*open.file->external);
      return;
    }
    OpenContext context = {*open.file,
                           services_,
                           script_.setup->service_fd,
                           arena_,
                           op,
                           open.peer.get(),
                           taken_over_.contains(command_),
                           owners_[schedule_.executor[command_]],
                           listeners_,
                           script_.socket_files,
                           script_.setup->root_fd,
                           HiddenFolderFd(script_.setup, 0),
                           spaces_.OfCommand(command_)};
    NetVisit there(services_.nets, nets_.own(), NetOf(*open.file));
    std::visit([&]<typename Body>(const Body& body) { FileRestorer<Body>::Compile(body, context); },
               open.file->body);
    if (script_.problem.empty()) script_.problem = there.Leave();
  }
  void Translate(const DupFd& dup, Op& op) {
    op.kind = OpKind::kDup;
    op.dup = {dup.old_fd, dup.new_fd, dup.cloexec};
  }
  void Translate(const CloseFd& close, Op& op) { op.kind = OpKind::kClose, op.close = {close.fd}; }
  void Translate(const MapRegion& map, Op& op) {
    const std::uint64_t size = map.end.value - map.start.value;
    op.kind = OpKind::kMap;
    op.map.start = map.start.value;
    op.map.size = size;
    op.map.prot = static_cast<std::uint32_t>(map.prot.bits);
    op.map.flags = static_cast<std::uint32_t>(map.flags.bits) & ~std::uint32_t{MAP_FIXED};
    op.map.fd = map.fd.value_or(-1);
    op.map.offset = map.offset.value_or(0);
    op.map.advice = map.madvise.bits;
    if (map.shmem) {
      op.kind = OpKind::kMapView;
      op.map.offset = arena_.shmem(map.shmem->id.value) + map.shmem->offset;
    } else if (map.special) {
      TranslateSpecial(map, op);
    }
  }

  void TranslateSpecial(const MapRegion& map, Op& op) {
    switch (*map.special) {
      case SpecialRegion::kVdso:
        return Park(map, maps_.vdso, arena_.vdso_park(), script_.setup->vdso_sizes, op);
      case SpecialRegion::kVvar:
        return Park(map, maps_.vvar, arena_.vvar_park(), script_.setup->vvar_sizes, op);
      case SpecialRegion::kVsyscall:
        op.kind = OpKind::kNothing;  // every process has it
        return;
      case SpecialRegion::kAio:
        op.kind = OpKind::kMapAio;
        op.map.number = map.nr_req.value_or(0);
        op.map.ring = RingOf(map);
        return;
      case SpecialRegion::kSysvIpc:
        op.kind = OpKind::kMapSysvIpc;
        op.map.number = static_cast<std::uint32_t>(map.shmid.value_or(0));
        op.map.offset = map.shm_offset.value_or(0);
        return;
    }
  }

  const RingState* RingOf(const MapRegion& map) {
    RingState* ring = arena_.New<RingState>();
    ring->head = map.head.value_or(0);
    ring->tail = map.tail.value_or(0);
    if (!map.events) return ring;
    ring->image = loads_.ImageName(map.events->image);
    ring->offset = map.events->offset;
    return ring;
  }

  void Park(const MapRegion& map, const KernelRegion& own, std::uint64_t from,
            const std::uint64_t* sizes, Op& op) {
    op.kind = OpKind::kMapSpecial;
    op.special = {from, map.start.value, sizes, static_cast<std::uint32_t>(own.sizes.size())};
  }

  void Translate(const UnmapRegion& unmap, Op& op) {
    op.kind = OpKind::kUnmap;
    op.range = {unmap.start.value, unmap.end.value - unmap.start.value, 0, -1, 0};
  }
  void Translate(const MoveRegion& move, Op& op) {
    op.kind = OpKind::kMove;
    op.range = {move.start.value, move.end.value - move.start.value, move.to.value, -1, 0};
  }
  void Translate(const ProtectRegion& protect, Op& op) {
    op.kind = OpKind::kProtect;
    op.range = {protect.start.value, protect.end.value - protect.start.value, 0,
                protect.prot ? static_cast<std::int64_t>(protect.prot->bits) : -1,
                protect.madvise.bits};
  }
  void Translate(const LoadPages&, Op&) {}
  void Translate(const SetAttr&, Op&) {}
  void Translate(const Resume& resume, Op&) {
    if (resume.stopped) {
      script_.processes[schedule_.executor[command_]]->stopped =
          static_cast<std::int32_t>(resume.stopped->value);
    }
  }

  const Program& program_;
  const Schedule& schedule_;
  const Services& services_;
  const OwnState& own_;
  const OwnMaps& maps_;
  Arena& arena_;
  Script& script_;
  const std::unordered_set<std::size_t> taken_over_;
  const MountSpaces spaces_;
  const CompiledNets nets_;
  const LeaseBreaks lease_breaks_;
  std::size_t command_ = 0;
  std::vector<std::uint32_t> creator_;      ///< of each process
  std::vector<std::uint32_t> loginuids_;    ///< of each process
  std::vector<const SocketOwner*> owners_;  ///< of the sockets of each process
  std::map<SocketId, Pid> listeners_;
  std::vector<Word*> done_;
  CarriedConnections carried_;
  CompiledLoads loads_{arena_, services_};
};

}  // namespace

Script Compile(const Program& program, const Schedule& schedule, const Services& services,
               const OwnState& own, const OwnMaps& maps, Arena& arena) {
  Script script;
  script.late_files = FindLateFiles(program);
  Compiler(program, schedule, services, own, maps, arena, script).Run();
  return script;
}

}  // namespace crgen::restorer
