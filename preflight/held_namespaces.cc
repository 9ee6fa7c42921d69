// SPDX-License-Identifier: Apache-2.0
#include "preflight/held_namespaces.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "model/flags.h"
#include "model/printable.h"
#include "preflight/doing.h"

namespace crgen::preflight {
namespace {

/// CLONE_NEW…; 0: it is no namespace, -1: nobody knows.
int TypeOf(int fd) {
  struct statfs system = {};
  if (fstatfs(fd, &system) != 0 || system.f_type != NSFS_MAGIC) return 0;
  const int readable = Reopen(fd, O_RDONLY);
  const int type = readable < 0 ? -1 : ioctl(readable, NS_GET_NSTYPE);
  if (readable >= 0) close(readable);
  return type;
}

std::string NameOf(int type) {
  return ValueName(NamespaceTypeKind::Names(), static_cast<std::uint32_t>(type));
}

/// Tells if `fd`, which `name` calls, is no namespace of the kind. False: it has told.
bool CheckKind(Context& context, int fd, const std::string& name, const std::string& kind) {
  const int type = TypeOf(fd);
  if (type < 0 || (type > 0 && NameOf(type) == kind)) return true;
  context.findings.Wrong(
      name + (type == 0 ? " is no namespace" : " is a namespace of the kind " + NameOf(type)),
      "such a file is /proc/PID/ns/" + kind +
          (type == 0 && kind == "net" ? ", or what ip-netns(8) has mounted" : ""));
  return false;
}

}  // namespace

bool CheckNamespace(Context& context, int fd, const std::string& key, const std::string& kind) {
  const std::string name =
      "descriptor " + std::to_string(fd) + ", handed over as " + Printable(key) + ",";
  if (fcntl(fd, F_GETFD) < 0) {
    context.findings.Wrong(name + " is not open");
    return false;
  }
  return CheckKind(context, fd, name, kind);
}

bool HoldNamespace(Context& context, const std::string& option, const std::string& path,
                   const std::string& kind, const std::string& place) {
  const Doing doing("opening it", path);
  const int fd = OpenPath(AT_FDCWD, path, 0, 0);
  if (fd < 0) {
    context.findings.Wrong(option + ": " + path + ": " + std::strerror(errno));
    return false;
  }
  context.files.HoldPlace(place, fd);
  return CheckKind(context, fd, option + ": " + path, kind);
}

}  // namespace crgen::preflight
