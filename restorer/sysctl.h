// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace crgen::restorer {

/// Writes "kernel/msgmax", say: of the namespace in which the supervisor is. Empty, or what failed.
std::string WriteSysctl(const std::string& name, const std::string& value);

/// What this process may not write it writes from now on with these effective ids: sysctls of an
/// IPC namespace are its root's (ipc_permissions() of the kernel).
void WriteSysctlsAs(uid_t uid, gid_t gid);

}  // namespace crgen::restorer
