// SPDX-License-Identifier: Apache-2.0
// Openings that are not open(2), and late state, inside the processes.
#pragma once

#include "restorer/executor/system.h"

namespace crgen::restorer {

/// Puts the new descriptor `from` at the number that the command wants, with its flags beyond those
/// that the call itself took.
void Place(const Caller& caller, long from, const OpenOp& open);

void OpenEventfd(const Caller& caller, const OpenOp& open);
void OpenSignalfd(const Caller& caller, const OpenOp& open);
void OpenTimerfd(const Caller& caller, const OpenOp& open);
void OpenEventpoll(const Caller& caller, const OpenOp& open);
void OpenPidfd(const Caller& caller, const OpenOp& open);
/// What another process has, as it is.
void TakeDescriptor(const Caller& caller, const OpenOp& open);
void OpenPipe(const Caller& caller, const OpenOp& open);
void OpenFifo(const Caller& caller, const OpenOp& open);
void OpenSocket(const Caller& caller, const SocketOp& socket);
void OpenBoundSocket(const Caller& caller, const OpenOp& open);

/// TUNSETIFF.
void AttachTun(const Caller& caller, int32_t fd, const TunOp& tun);

void SetLocks(const Caller& caller, const LockOp& op);
void BreakLease(const Caller& caller, const BreakOp& it);
void SetOwner(const Caller& caller, const OwnerOp& owner);
void SetTimer(const Caller& caller, const TimerOp& timer);
void FillEpoll(const Caller& caller, const EpollOp& epoll);
/// TIOCSCTTY.
void TakeTerminal(const Caller& caller, int32_t fd);
void SetForeground(const Caller& caller, const ForegroundOp& op);
void SendQueue(const Caller& caller, const SendOp& send);
void KeepDescriptor(const Caller& caller, const KeepOp& keep);
void SetSocketOptions(const Caller& caller, const SocketOptionsOp& options);
/// Also of a socket that is not connected, which keeps it although the call fails.
void ShutDown(const Caller& caller, long fd, int how);

}  // namespace crgen::restorer
