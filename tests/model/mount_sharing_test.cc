// SPDX-License-Identifier: Apache-2.0
#include "model/mount_sharing.h"

#include <gtest/gtest.h>

namespace crgen {
namespace {

constexpr std::uint64_t kShared = mount_flag::kShared, kSlave = mount_flag::kSlave;

Mount At(const std::string& root, std::uint64_t shared, std::uint64_t master) {
  Mount mount;
  mount.parent = 1;
  mount.root = {root};
  mount.superblock = 7;
  if (shared != 0) mount.shared = shared;
  if (master != 0) mount.master = master;
  return mount;
}

MountSharing Planned(const std::vector<Mount>& mounts) {
  SharingProblem problem;
  const auto planned = PlanSharing(mounts, &problem);
  EXPECT_TRUE(planned) << problem.mount << " " << problem.what;
  return planned.value_or(MountSharing());
}

TEST(MountSharing, NobodyShares) {
  EXPECT_EQ(Planned({At("/", 0, 0), At("/a", 0, 0)}).steps, std::vector<SharingStep>());
}

/// The kernel takes groups from a mount that has all of the other.
TEST(MountSharing, OthersJoinTheWidest) {
  const std::vector<SharingStep> expected = {{std::nullopt, 1, kShared}, {1, 0, 0}, {1, 2, 0}};
  EXPECT_EQ(Planned({At("/a", 1, 0), At("/", 1, 0), At("/b", 1, 0)}).steps, expected);
}

/// A chain of masters, given the other way round.
TEST(MountSharing, MastersComeFirst) {
  const std::vector<SharingStep> expected = {
      {std::nullopt, 2, kShared}, {2, 1, kSlave}, {std::nullopt, 1, kShared}, {1, 0, kSlave}};
  EXPECT_EQ(Planned({At("/a", 0, 2), At("/a", 2, 1), At("/", 1, 0)}).steps, expected);
}

TEST(MountSharing, TheCallersMountsBecomeSlavesBeforeTheyAreThere) {
  Mount volume = At("/", 0, 5), other = At("/x", 0, 5), part = At("/x", 0, 5);
  volume.external = Text{"a"};
  other.external = Text{"b"};
  const MountSharing sharing = Planned({volume, other, part});
  EXPECT_EQ(sharing.slaves_of_outside, (std::vector<bool>{true, true, false}));
  EXPECT_EQ(sharing.steps, (std::vector<SharingStep>{{0, 2, 0}}));
}

/// Whoever is in a group with what the caller has, gets the group from there.
TEST(MountSharing, TheCallersGroups) {
  Mount volume = At("/x", 5, 0), part = At("/x/y", 5, 0), slave = At("/x", 0, 5);
  volume.external = Text{"a"};
  volume.shared_with_caller = true;
  Mount narrow = volume;
  narrow.root = {"/x/z"};
  const std::vector<SharingStep> expected = {
      {std::nullopt, 2, 0, true}, {std::nullopt, 3, 0, true}, {2, 0, 0}, {2, 1, kSlave}};
  const MountSharing sharing = Planned({part, slave, volume, narrow});
  EXPECT_EQ(sharing.steps, expected);
  EXPECT_EQ(sharing.slaves_of_outside, std::vector<bool>(4));
}

TEST(MountSharing, TheCallersGroupHasTheCallersMaster) {
  Mount volume = At("/x", 5, 6);
  volume.external = Text{"a"};
  volume.shared_with_caller = true;
  const std::vector<SharingStep> expected = {{std::nullopt, 0, 0, true}};
  EXPECT_EQ(Planned({volume}).steps, expected);
  SharingProblem problem;
  EXPECT_FALSE(PlanSharing({volume, At("/", 6, 0)}, &problem));
  EXPECT_EQ(problem.mount, 0u);
  EXPECT_EQ(problem.what,
            "is in a group with what the caller has, and gets the events of one that is not");
}

TEST(MountSharing, WhatCannotBeBoundComesLast) {
  Mount alone = At("/", 0, 0);
  alone.flags.bits = mount_flag::kUnbindable;
  const std::vector<SharingStep> expected = {{std::nullopt, 1, kShared},
                                             {std::nullopt, 0, mount_flag::kUnbindable}};
  EXPECT_EQ(Planned({alone, At("/", 1, 0)}).steps, expected);
}

TEST(MountSharing, MastersOfEachOther) {
  SharingProblem problem;
  EXPECT_FALSE(PlanSharing({At("/", 1, 2), At("/", 2, 1)}, &problem));
  EXPECT_EQ(problem.what, "is its own master's master");
}

}  // namespace
}  // namespace crgen
