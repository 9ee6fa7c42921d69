// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "model/printable.h"
#include "restorer/momentary_name.h"
#include "restorer/unlinked.h"

namespace crgen::restorer {

void RemoveLinks(const std::vector<DumpersLink>& links, const TreePaths& paths) {
  for (const DumpersLink& it : links) {
    const Place place(paths.In(it.mnt), it.path);
    struct stat now;
    const bool there =
        place.folder.get() >= 0 &&
        fstatat(place.folder.get(), place.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        now.st_dev == it.device && now.st_ino == it.inode;
    if (there && unlinkat(place.folder.get(), place.name.c_str(), 0) == 0) continue;
    std::fprintf(stderr, "crrestore: warning: %s: the dumper's hard link is not removed: %s\n",
                 Printable(it.path).c_str(),
                 there ? std::strerror(errno) : "it is another file now");
  }
}

}  // namespace crgen::restorer
