// SPDX-License-Identifier: Apache-2.0
// Where processes have their mount namespaces, and their roots, while they are built.
#pragma once

#include "restorer/script.h"

namespace crgen::restorer {

inline int32_t RootFd(const Setup* setup, int32_t space) { return setup->root_fd + space; }
/// `root_fd`: of the first of that many namespaces.
inline int32_t MountNamespaceFd(int32_t root_fd, size_t namespaces, int32_t space) {
  return root_fd + (int32_t)namespaces + space;
}
inline int32_t MountNamespaceFd(const Setup* setup, int32_t space) {
  return MountNamespaceFd(setup->root_fd, (size_t)setup->mount_namespaces, space);
}
inline int32_t HiddenFolderFd(const Setup* setup, int32_t number) {
  const int32_t count = setup->mount_namespaces;
  return setup->root_fd + (count > 1 ? 2 * count : count) + number;
}
/// Behind all numbers that the executor keeps for the whole time.
inline int32_t FirstFreeFd(const Setup* setup) {
  return HiddenFolderFd(setup, setup->hidden_folders);
}

}  // namespace crgen::restorer
