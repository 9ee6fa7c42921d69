// SPDX-License-Identifier: Apache-2.0
// What crgen takes from itself before it reads what others have written: a defect in a parser then
// reaches nothing. By Landlock (landlock(7)) and a seccomp(2) filter of system calls.
#pragma once

#include <string>
#include <vector>

namespace crgen {

/// What stays possible, beside standard input, output and error and whatever else is open.
struct Access {
  std::vector<std::string> read;  ///< files, and folders with all that is below them
  std::vector<std::string> fill;  ///< folders: files and folders may be made and removed in them
};

/// For the rest of this process, which has no other thread yet, and its threads: no other file is
/// opened, nothing is written by name outside of `access.fill`, no program is started, no process
/// made, signalled or traced, no socket made or connected, no memory made executable. What is
/// refused fails with EACCES (a file) or EPERM (a call). Paths that lead to nothing give nothing.
/// What the kernel lacks is left out, and said by name (-v): there are no errors.
void Confine(const Access& access);

/// Whether Confine() was called. Who reads a dump or a program asks, so that nobody forgets it.
bool IsConfined();

/// For a process that reads nothing but what a confined one has asked it, and asks this machine
/// what preflight/ asks: files are seen and read, sockets of IP and netlink bound to where nothing
/// is sent, features of the kernel tried. Nothing is written but to `answers` and standard error,
/// which stay what they are; no program is started, no process made, signalled or traced, no file
/// made, removed, changed or opened for writing, no memory made executable. What is refused fails
/// with EPERM. Only where that does not change what the machine answers: with CAP_SYS_ADMIN, which
/// needs no no_new_privs. What only a child finds out is asked before: KeepOwnStatus().
void ConfineToAsking(int answers);

}  // namespace crgen
