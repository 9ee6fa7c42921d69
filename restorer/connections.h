// SPDX-License-Identifier: Apache-2.0
// TCP connections at the hand-over: from bound sockets in repair mode (tcp(7), TCP_REPAIR) to
// connections that talk to their peers. All of them take each step together: one end of a
// connection may be in the tree as well as the other, and a packet that finds no peer ends it.
#pragma once

#include <string>
#include <vector>

#include "preflight/host_files.h"
#include "restorer/compile.h"
#include "restorer/net_spaces.h"

namespace crgen::restorer {

class Connections {
 public:
  /// The network namespaces of the tree; this process is in its root's.
  struct Networks {
    const NetDescriptors& all;
    const NetNamespace* own;  ///< nullptr: there is one at most
  };
  /// `keeper`: where descriptors have come of those that no process has.
  Connections(const Script& script, const HostFiles& files, int keeper, const Networks& networks);
  /// As they are.
  ~Connections();

  /// Takes the sockets over from their processes, which this process traces. Empty, or what failed.
  std::string Take();
  /// Connects, fills the queues, and lets them go on. Empty, or what failed: then Hold().
  std::string Start();
  /// For connections that have gone on while no packet passed: each asks its peer whether it is
  /// there, as one that goes on does. One that is not answers with a reset.
  void Probe();
  /// Those to outside that have received something since they go on, which the dump does not have.
  std::string Advanced() const;
  /// Back into repair mode, in which a socket is closed without a word to its peer.
  void Hold();

 private:
  struct Socket;

  std::string TakeFrom(pid_t leader, const HeldConnection& held);
  std::string TakeKept(std::size_t count);
  std::string Connect(Socket& socket);
  std::string Fill(Socket& socket, const ImageBytes& range, int queue);
  std::string CloseEnds(Socket& socket);
  std::string LetGo(Socket& socket);
  std::string Request(Socket& socket);
  static std::string LeaveRepair(Socket& socket);

  const Script& script_;
  const HostFiles& files_;
  const int keeper_;
  const Networks networks_;
  std::vector<Socket> sockets_;
};

}  // namespace crgen::restorer
