// SPDX-License-Identifier: Apache-2.0
// OPEN_FILE for every type.
#pragma once

#include <tuple>
#include <variant>

#include "generator/files/bpf_map.h"
#include "generator/files/eventfd.h"
#include "generator/files/eventpoll.h"
#include "generator/files/fanotify.h"
#include "generator/files/inet_socket.h"
#include "generator/files/inotify.h"
#include "generator/files/memfd.h"
#include "generator/files/namespace_file.h"
#include "generator/files/netlink_socket.h"
#include "generator/files/opening.h"
#include "generator/files/other.h"
#include "generator/files/packet_socket.h"
#include "generator/files/pidfd.h"
#include "generator/files/pipe.h"
#include "generator/files/planner.h"
#include "generator/files/proc_files.h"
#include "generator/files/regular.h"
#include "generator/files/signalfd.h"
#include "generator/files/timerfd.h"
#include "generator/files/tty.h"
#include "generator/files/tun_file.h"
#include "generator/files/unix_socket.h"

namespace crgen {

/// One planner of each type in the variant.
template <typename Variant>
struct PlannersOf;
template <typename... Body>
struct PlannersOf<std::variant<Body...>> {
  using Type = std::tuple<FilePlanner<Body>...>;
  static Type Make(PlannerContext& context) { return {FilePlanner<Body>(context)...}; }
};

/// Opens files: one planner of each type.
class FileOpener {
 public:
  /// The arguments must outlive the opener.
  FileOpener(const Snapshot& snapshot, const CreationTree& tree, SpareAddresses& spare,
             Emitter& out)
      : proc_files_(snapshot),
        context_{snapshot, tree, spare, out, snapshot.highest_file_id + 1, UnlinkedFiles(snapshot)},
        planners_(PlannersOf<FileBody>::Make(context_)) {
    std::apply([&](auto&... planner) { (planner.PlanOpenings(openings_), ...); }, planners_);
    proc_files_.PlanOpenings(snapshot, tree, openings_);
  }

  /// Which descriptions come in pairs, and what they need.
  const Openings& openings() const { return openings_; }

  /// Opens a description of the snapshot, and its peer. Errors: what its planner says; a file of
  /// /proc whose process is not there yet.
  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file, Diagnostics& diag) {
    if (Failed(proc_files_.Check(*file, diag))) return Result::kError;
    return std::visit(
        [&]<typename Body>(const Body& body) {
          return std::get<FilePlanner<Body>>(planners_).Open(site, file, body, diag);
        },
        file->body);
  }

  /// Opens what backs `region` in order to map it: a description of its own, with an id above all
  /// of the dump's.
  Result OpenToMap(const OpeningSite& site, const Region& region, Diagnostics& diag) {
    if (region.file < 0) return memfds().OpenToMap(site, region, diag);
    std::get<FilePlanner<RegularFile>>(planners_).OpenToMap(site, region);
    return Result::kOk;
  }

  /// Which files of /proc can be opened already; it is told of each process and thread.
  ProcFiles& proc_files() { return proc_files_; }

  FilePlanner<Tty>& terminals() { return std::get<FilePlanner<Tty>>(planners_); }

  FilePlanner<Memfd>& memfds() { return std::get<FilePlanner<Memfd>>(planners_); }

 private:
  ProcFiles proc_files_;
  PlannerContext context_;
  PlannersOf<FileBody>::Type planners_;
  Openings openings_;
};

}  // namespace crgen
