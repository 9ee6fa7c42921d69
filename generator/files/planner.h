// SPDX-License-Identifier: Apache-2.0
// How a type of open file description is opened, one specialisation a type.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "generator/creation_tree.h"
#include "generator/emitter.h"
#include "generator/files/opening.h"
#include "generator/files/unlinked.h"
#include "generator/memory/spare_addresses.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// What planners know and share. The references outlive them.
struct PlannerContext {
  const Snapshot& snapshot;
  const CreationTree& tree;
  SpareAddresses& spare;
  Emitter& out;
  /// The next id for an opening that the snapshot does not have: above all of the dump's.
  std::uint64_t next_file_id;
  UnlinkedFiles unlinked;
};

/// Where a description is to be.
struct OpeningSite {
  Pid pid;
  Fd fd;        ///< free
  Fd other_fd;  ///< another free number, for what is needed only meanwhile
  bool cloexec = false;
  /// The other end of a pair; null: it is opened alone.
  std::shared_ptr<const PeerEnd> peer = nullptr;
  /// Where the process has a description of the snapshot; -1: nowhere.
  std::function<Fd(FileIndex)> number_of = nullptr;
};

/// How descriptions with that body are opened. Undefined: every type of FileBody has its own,
/// derived from PlainPlanner, constructed from a PlannerContext&.
template <typename Body>
class FilePlanner;

/// What is done unless a type says otherwise: one OPEN_FILE, which says what the snapshot says.
template <typename Body>
class PlainPlanner {
 public:
  explicit PlainPlanner(PlannerContext& context) : context_(context) {}

  /// Says which descriptions of the type come in pairs, and what they need. Before any is opened.
  void PlanOpenings(Openings&) {}

  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file, const Body&,
              Diagnostics&) {
    context_.out.Emit(site.pid, OpenFile{site.fd, file, site.cloexec, site.peer});
    return Result::kOk;
  }

 protected:
  PlannerContext& context_;
};

}  // namespace crgen
