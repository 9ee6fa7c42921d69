// SPDX-License-Identifier: Apache-2.0
#include "restorer/other_ids.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "restorer/supervisor_calls.h"

namespace crgen::restorer {

int WithEffectiveIds(uid_t uid, gid_t gid, const std::function<int()>& make) {
  const uid_t own_uid = geteuid();
  const gid_t own_gid = getegid();
  if (uid == own_uid && gid == own_gid) return make();
  const int dumpable = prctl(PR_GET_DUMPABLE);
  int death_signal = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal);
  if (FailsOnPurpose() || setresgid(-1, gid, -1) != 0) return -1;
  int made = -1;
  if (!FailsOnPurpose() && setresuid(-1, uid, -1) == 0) made = make();
  const int error = errno;
  if (setresuid(-1, own_uid, -1) != 0 || setresgid(-1, own_gid, -1) != 0) return -1;
  if (dumpable == 0 || dumpable == 1) prctl(PR_SET_DUMPABLE, dumpable);
  prctl(PR_SET_PDEATHSIG, death_signal);
  errno = error;
  return made;
}

}  // namespace crgen::restorer
