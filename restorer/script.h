// SPDX-License-Identifier: Apache-2.0
// The script: a restore program in the form that runs inside the processes being restored. It lies
// in memory that the supervisor and all processes have at the same address, so it is plain data
// and its pointers are valid in all of them. Nobody can write it once it is compiled; what
// processes write is the board, which the supervisor does not trust. No standard library here:
// the executor has none.
#pragma once

#include <stdint.h>

#include "restorer/script_attributes.h"
#include "restorer/script_mounts.h"
#include "restorer/script_sockets.h"

namespace crgen::restorer {

/// A word that processes wait for with futex(2): 0 not yet, 1 done; or a counter.
using Word = uint32_t;

enum class OpKind : uint32_t {
  kFork,
  kSetSid,
  kSetPgid,
  kCreateThread,
  kExit,
  kWait,
  kOpen,
  kOpenEventfd,
  kOpenSignalfd,
  kOpenTimerfd,
  kOpenEventpoll,
  kOpenPidfd,
  kTakeDescriptor,
  kOpenPipe,
  kOpenFifo,
  kOpenSocket,
  kOpenBoundSocket,
  kDup,
  kClose,
  kMap,
  kMapView,
  kMapSpecial,
  kMapAio,
  kMapSysvIpc,
  kUnmap,
  kMove,
  kProtect,
  kLoad,
  kSubreaper,
  kName,
  kDirectories,
  kLock,
  kBreakLease,
  kSetOwner,
  kSetTimer,
  kFillEpoll,
  kSetForeground,
  kSend,
  kShutdown,
  kSetOptions,
  kKeep,
  kClocks,
  kEnterCgroups,
  kMounts,
  kEnterMounts,
  kEnterNet,
  kTakeIds,
  kNothing,  ///< only waits and signals
};

struct Board;
struct Process;
struct Thread;

struct ForkOp {
  const Process* child;
  uint64_t flags;  ///< CLONE_ flags
};
struct PgidOp {
  int32_t pgid;
};
struct ThreadOp {
  const Thread* thread;
};
struct ExitOp {
  int32_t code;
  int32_t signal;  ///< 0: by exit_group(2) with `code`
};
struct WaitOp {
  int32_t pid;
  bool reap;  ///< false: only until it is a zombie, and it stays one
};

/// What a file must be when it is opened: as the plan says, and what preflight has judged.
struct FileCheck {
  const char* held;  ///< its name in the service directory; null: nobody has looked at it before
  int64_t size;      ///< -1: any
  uint32_t mode;     ///< st_mode; 0: any
  bool fifo;         ///< it must be one, else it must be none
  bool no_links;     ///< on the way to it: below the directory that it is opened from
};

/// kOpenPipe, kOpenFifo: what is beside the description.
struct PipeOp {
  int32_t held[2];        ///< the supervisor's ends, to read and to write; -1: it has none
  const char* held_name;  ///< of the end for this description, in the service directory
  bool exists;            ///< and only one more description is wanted
  Word* kept;             ///< on the board, of a FIFO: 1: its queue was there already
  uint64_t capacity;      ///< 0: as the kernel makes it
  const char* image;      ///< name in the service directory of what was queued
  uint64_t offset, bytes;
  int32_t peer_fd;  ///< -1: the other end is nobody's
  uint32_t peer_flags;
  bool peer_cloexec;
};

struct OpenOp {
  const char* path;
  int32_t created;         ///< the supervisor's descriptor to take over instead; -1: none
  const FileCheck* check;  ///< null: what the supervisor has made
  /// AT_FDCWD, the service descriptor (what the supervisor holds), or a mount namespace's root.
  int32_t directory;
  int32_t fd;
  uint32_t flags;
  bool cloexec;
  int64_t pos;  ///< -1: do not seek
  uint32_t seals;
  const PipeOp* pipe;  ///< kOpenPipe, kOpenFifo
  // kOpenEventfd, kOpenSignalfd, kOpenTimerfd, which have no path.
  bool semaphore;
  int32_t clock;
  int32_t target;  ///< kOpenPidfd; kTakeDescriptor: from whom
  int32_t source;  ///< kTakeDescriptor: which
  bool thread;     ///< likewise
  uint64_t counter;
  uint64_t mask;
  const BoundSocketState* bound_socket;  ///< kOpenBoundSocket
  const TunOp* tun;                      ///< what it is attached to; null: nothing
  bool controlling;                      ///< it becomes the terminal of the session
};
struct DupOp {
  int32_t old_fd;
  int32_t new_fd;
  bool cloexec;
};
struct CloseOp {
  int32_t fd;
};

/// The content of an AIO ring.
struct RingState {
  uint32_t head, tail;
  const char* image;  ///< name in the service directory of all slots; null: they are empty
  uint64_t offset;
};

struct MapOp {
  uint64_t start;
  uint64_t size;
  uint64_t offset;  ///< into the file or segment; of kMapView: where in the arena the object has
                    ///< that byte
  int32_t fd;       ///< -1: anonymous
  uint32_t prot;
  uint32_t flags;
  uint32_t number;        ///< kMapAio: nr_req; kMapSysvIpc: shmid
  const RingState* ring;  ///< kMapAio
  uint64_t advice;        ///< bit n: madvise(2) value n; bit 63: MADV_GUARD_INSTALL
};

/// What the kernel provides to each process, parked in the arena until a command wants it.
struct SpecialOp {
  uint64_t from;
  uint64_t to;
  const uint64_t* sizes;  ///< of the kernel's own pieces, which move one by one
  uint32_t pieces;
};

struct RangeOp {
  uint64_t start;
  uint64_t size;
  uint64_t to;      ///< kMove
  int64_t prot;     ///< kProtect; -1: unchanged
  uint64_t advice;  ///< kProtect
};

struct Slice {  // struct iovec
  uint64_t start;
  uint64_t size;
};
struct LoadOp {
  const char* image;  ///< its name in the service directory
  uint64_t offset;
  const Slice* slices;
  uint32_t count;
};

struct FlagOp {
  int32_t value;
};
struct NameOp {
  const char* name;
};
struct DirectoriesOp {
  const char* cwd;   ///< as the supervisor's root has it, also below another root
  const char* root;  ///< null: unchanged
  int32_t umask;     ///< -1: unchanged
  // Then it is the supervisor's descriptor, by its name in the service directory.
  bool cwd_held, root_held;
};

/// fcntl(2) F_SETLK, F_OFD_SETLK, F_SETLEASE, flock(2).
struct LockState {
  uint32_t kind;  ///< as in file_lock_entry
  int16_t type;
  int64_t start;
  int64_t length;
};
struct LockOp {
  int32_t fd;
  const LockState* locks;
  uint32_t count;
  const char* path;  ///< for messages; or null
};

/// Opens what is leased, as somebody did who wants the lease to end.
struct BreakOp {
  const char* held;  ///< its name in the service directory
  uint32_t flags;    ///< of open(2)
  const char* path;
};

/// fcntl(2) F_SETOWN_EX, F_SETSIG; the ids that the signal is sent with.
struct OwnerOp {
  int32_t fd;
  int32_t signal;  ///< 0: unchanged
  bool has_owner;
  int32_t type;
  int32_t pid;
  uint32_t uid;
  uint32_t euid;
};

/// struct timespec.
struct TimeOp {
  int64_t sec;
  int64_t nsec;
};

/// timerfd_settime(2); `value` is time left whatever the flags say.
struct TimerOp {
  int32_t fd;
  int32_t clock;
  int32_t flags;
  uint64_t ticks;
  TimeOp interval;
  TimeOp value;
};

/// TIOCSPGRP of ioctl_tty(2).
struct ForegroundOp {
  int32_t fd;
  int32_t pgid;
};

struct WatchedOp {
  int32_t fd;
  uint32_t events;
  uint64_t data;
  bool fired;  ///< EPOLLONESHOT has
};
/// epoll_ctl(2), EPOLL_CTL_ADD.
struct EpollOp {
  int32_t fd;
  uint32_t count;
  const WatchedOp* watched;  ///< those that have fired come first
};

/// Clocks of the initial time namespace that the new one is to show at this moment.
struct ClocksOp {
  TimeOp monotonic;
  TimeOp boottime;
};

/// When a step was reached, had nothing more to wait for, and was done: nanoseconds of
/// CLOCK_REALTIME, which no time namespace moves. 0: not yet.
struct StepTimes {
  uint64_t reached, begun, done;
};
constexpr uint64_t kWithTheOneBefore = ~0ul;  ///< `reached`: one system call does both

/// One step of one process.
struct Op {
  OpKind kind;
  uint32_t command;    ///< index in the program, for messages
  Word* const* await;  ///< all of these are done before
  uint32_t await_count;
  Word* done;        ///< becomes 1 afterwards; null if nobody waits for it
  StepTimes* times;  ///< on the board; null: nobody asks. Those of one step have the same
  union {
    ForkOp fork;
    PgidOp pgid;
    ThreadOp thread;
    ExitOp exit;
    WaitOp wait;
    OpenOp open;
    DupOp dup;
    CloseOp close;
    MapOp map;
    SpecialOp special;
    RangeOp range;
    LoadOp load;
    FlagOp flag;
    NameOp name;
    DirectoriesOp directories;
    LockOp lock;
    BreakOp lease_break;
    OwnerOp owner;
    TimerOp timer;
    EpollOp epoll;
    ForegroundOp foreground;
    const SocketOp* socket;
    SendOp send;
    ClocksOp clocks;
    CgroupsOp cgroups;
    MountsOp mounts;
    EnterMountsOp enter_mounts;
    EnterNetOp enter_net;
    SocketOptionsOp options;
    ShutdownOp shutdown;
    KeepOp keep;
  };
};

/// What a thread gets when everything is built; null or unset: as it is.
struct Thread {
  int32_t tid;
  /// On the board, if the supervisor's pid namespace has another number: the thread says which.
  Word* outer_tid;
  uint32_t command;  ///< of its last SET_ATTR, for messages
  const Process* process;
  uint64_t stack_top;
  const char* name;
  const CredentialsState* credentials;
  const SchedulingState* scheduling;
  uint64_t timer_slack;  ///< ns; 0: as it is
  const QueuedSignal* queue;
  uint32_t queue_count;
  const FilterState* filters;
  uint32_t filter_count;
  bool seccomp_strict;
  int32_t pdeath_signal;  ///< 0: none
  uint64_t robust_list, robust_size;
  uint64_t clear_tid_address;
  uint64_t rseq, rseq_size, rseq_signature;
  bool has_altstack;
  uint64_t altstack_sp, altstack_size;
  uint32_t altstack_flags;
  const void* tls;  ///< struct user_desc[tls_count]
  uint32_t tls_count;
};

/// struct prctl_mm_map, and the executable.
struct MemoryState {
  uint64_t bounds[11];  ///< in the kernel's order: start_code … env_end
  const uint64_t* auxv;
  uint32_t auxv_size;  ///< bytes
  const char* exe;     ///< from the service directory
  int32_t space;       ///< `exe` is below the root of that mount namespace instead; -1: it is not
  FileCheck exe_check;
};

/// What one process writes on the board.
struct ProcessWords {
  Word step;     ///< one more than the op that it executes; 0: none yet
  Word reads;    ///< of page images
  Word leaving;  ///< it is about to exit
  Word users;    ///< of its descriptor table: who is last closes the service descriptor
  Word changed;  ///< threads that have their ids, and still all capabilities
  Word hidden;   ///< memory is out of reach for these ids: go on
  Word armed;    ///< threads that have everything but what the leader sets last
};

constexpr int32_t kParentExits = -1;

/// What a process gets when everything is built.
struct Process {
  int32_t pid;
  int32_t parent;  ///< it dies with; 0: the supervisor; kParentExits: nobody, its parent exits
  ProcessWords* words;
  const Process* descriptors;  ///< the process whose descriptor table it shares, maybe itself
  const Op* ops;
  uint32_t op_count;
  bool resumes;
  int32_t stopped;  ///< the signal that stops it again; 0: it runs
  Thread* threads;  ///< the leader first
  uint32_t thread_count;
  const MemoryState* memory;
  const SignalActionState* actions;
  uint32_t action_count;
  const LimitState* limits;
  uint32_t limit_count;
  const QueuedSignal* queue;
  uint32_t queue_count;
  const PosixTimerState* posix_timers;
  uint32_t posix_timer_count;
  const uint64_t* interval_timers;  ///< for each: interval sec, usec, value sec, usec
  int64_t personality;              ///< -1: unchanged, as in the next ones
  int32_t dumpable;                 ///< 0 or 1; the supervisor sets it when the process is let go
  int32_t thp_disabled;
  const char* oom_score_adj;
  const char* loginuid;  ///< set before it has threads: each keeps its own
  uint64_t membarrier;   ///< commands of membarrier(2), as bits
  // On the board; null: nobody asks.
  StepTimes* end_times;     ///< from when all of the process is built: its last attributes
  StepTimes* resume_times;  ///< of the step that is RESUME, which the supervisor does
};

/// A process in a user namespace of the plan's own asks for what takes rights outside: a size of a
/// socket's buffers. The supervisor looks at each number before it does anything.
struct Request {
  Word busy;  ///< somebody asks
  Word set;   ///< it is all there
  Word done;  ///< answered
  int32_t pid;
  int32_t fd;
  int32_t option;  ///< SO_SNDBUFFORCE, SO_RCVBUFFORCE
  int32_t value;
  int32_t error;  ///< errno; 0: it is set
};

struct Failure {
  Word claimed;
  Word set;
  uint32_t command;
  int32_t pid;
  int32_t error;      ///< errno
  const char* what;   ///< the system call
  const char* path;   ///< or null
  const char* there;  ///< what is in the way; or null
};

/// What all processes write: the only memory that is shared and writable, but for the plan's own.
struct Board {
  Word wake;        ///< the supervisor's futex: changes when all have arrived, or are armed
  Word arrived;     ///< threads that have nothing left to build
  Word armed;       ///< threads that only wait for their registers
  Word arm;         ///< the supervisor traces everybody: go on
  Word supervisor;  ///< its tid; FUTEX_OWNER_DIED is added when it dies (robust futex)
  Word helper_busy;
  Request request;
  Failure failure;
  // Calls so far, and those at the end; only a build for tests counts them.
  Word calls;
  Word last_calls;
};

/// What all processes are told, and none can change.
struct Setup {
  Board* board;
  // The arena stays; everything else is unmapped in the root.
  uint64_t arena_start;
  uint64_t arena_end;
  uint64_t user_end;
  uint64_t stack_top;  ///< of each process's main thread
  // For loading much at once: a number that neither the program nor the system uses, and a stack.
  int32_t helper_tid;
  uint64_t helper_stack_top;
  // In a user namespace of the plan's own: those of the holder, who has the same descriptors.
  int32_t service_fd;   ///< /proc/<supervisor>/fd: whatever the supervisor holds can be reopened
  int32_t source_fd;    ///< a pidfd of the supervisor, to take over what it holds
  bool user_namespace;  ///< all are in one of the plan's own: nobody has rights outside
  /// The roots of the tree's own mount namespaces, one behind the other, and behind them, if there
  /// are several, the namespaces; then the folders that mounts hide.
  int32_t root_fd;
  int32_t mount_namespaces, hidden_folders;  ///< how many
  uint32_t threads;                          ///< of all processes that resume
  SocketOwner own;                           ///< what all processes are until the end
  // Where the supervisor has its vdso, and where the arena keeps it.
  uint64_t vdso_at, vvar_at, vdso_park, vvar_park;
  const uint64_t* vdso_sizes;
  const uint64_t* vvar_sizes;
  uint32_t vdso_pieces, vvar_pieces;
  // Faults on purpose: the n-th system call fails; the n-th at the end, where attributes are set,
  // is not made and succeeds. 0: none. With kDeadly the process that makes it is killed.
  Word failing_call;
  Word skipped_call;
};

inline constexpr Word kDeadly = Word{1} << 31;

/// The executor's first function: runs `process` to its end in the arena; never returns.
using Entry = void (*)(const Setup* setup, const Process* process);

}  // namespace crgen::restorer
