// SPDX-License-Identifier: Apache-2.0
// What can be known to fail before any process exists: a library for whoever restores, or wants to
// know whether this machine could.
// This folder may include: dsl, model.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "preflight/cgroups.h"
#include "preflight/host.h"
#include "preflight/host_files.h"
#include "preflight/namespace_options.h"

namespace crgen {

struct PreflightOptions {
  std::string images;           ///< the folder of page images; empty: they are not asked for
  bool images_outside = false;  ///< links may lead out of it
  bool own_numbers = false;     ///< a new pid namespace: every number is free, /proc is another
  bool time_namespace = true;   ///< `time` is obeyed
  bool tcp_close = false;       ///< connections come back closed
  bool network_locked = true;   ///< the rules that the dump has left are removed
  /// Descriptors that the caller hands over, by key; -1: somebody has said what is wrong with it.
  std::map<std::string, int> inherited;
  CgroupOptions cgroups = {};
  NamespaceOptions namespaces = {};
  Host* host = nullptr;     ///< who is asked; null: this machine
  bool hold_images = true;  ///< for a restore; else only their sizes are looked at
};

/// Looks at everything outside the program that it needs, as this process sees it:
/// - files (files.cc): regular files, executables, directories: there, of the type, size, mode and
///   build id that they had, with the access that the program wants;
/// - namespaces (namespaces.cc): what the caller has to give for those of the plan's own; paths are
///   then looked up there, as far as they lead to what is given (root_view.h);
/// - images (images.cc): regular files below the folder, long enough, and those that the plan was
///   made of: of the sizes that it says, and with the digests;
/// - what the caller hands over (inherited.cc): all of it, of the right kind, and nothing else;
/// - locks (locks.cc): held by nobody outside, as far as /proc/locks shows;
/// - numbers (numbers.cc): pids that are free, and how many the system has room for;
/// - cgroups (cgroups.cc): the hierarchies are there; directories as the mode wants them, not
/// frozen;
/// - sockets (sockets.cc): ports that are free, addresses and interfaces of this host, connections
///   that nobody has, the tool that removes the network lock;
/// - terminals (terminals.cc): indices of ptys that are free, devices that are what they were;
/// - rights (rights.cc): capabilities, ids and limits that this process must have;
/// - the kernel (kernel.cc): its features, and what no restorer can do; the processor and the vdso
///   (machine.cc).
///
/// `program` has passed CheckProgram. Each finding has a severity, the index of the command and,
/// where something can be done about it, an advice; a cause is named once, at its first command.
/// `files` gets what was looked at, held open: who opens that, and not the name again, opens what
/// was judged. kOk: nothing is wrong; there may be warnings.
///
/// What only the restore itself can show is left to it: files of processes that the program makes
/// (/proc/PID), and whatever others change meanwhile.
Result Preflight(const Program& program, const PreflightOptions& options, HostFiles* files,
                 Diagnostics& diag);

}  // namespace crgen
