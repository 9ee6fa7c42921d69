// SPDX-License-Identifier: Apache-2.0
#include "policy/host.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "model/mount_paths.h"
#include "model/proc_path.h"
#include "policy/claims.h"
#include "preflight/host_files.h"

namespace crgen {
namespace {

std::string Octal(unsigned mode) {
  char text[16];
  (void)std::snprintf(text, sizeof text, "0%o", mode);
  return text;
}

class Host {
 public:
  Host(const LookAtFiles& look, Authority& authority)
      : look_(look), out_(authority), claims_(authority.claims()), files_(authority.files()) {
    if (!authority.mounts().empty()) paths_.emplace(authority.mounts());
  }

  void Look() {
    std::vector<std::string> paths;
    for (const auto& [path, was] : files_) {
      if (!IsMadeLater(path) && IsHere(path)) paths.push_back(path);
    }
    const std::vector<FileFacts> found = look_(paths);
    for (std::size_t i = 0; i < paths.size(); ++i)
      Judge(paths[i], files_.at(paths[i]), found.at(i));
    // Whatever is done with a name is done with what it leads to.
    for (const Claim& claim : claims_) {
      const bool named = claim.kind == Kind::kPaths || claim.kind == Kind::kDevices;
      const auto facts = named ? facts_.find(claim.parts.front()) : facts_.end();
      if (facts != facts_.end()) Follow(claim, facts->second);
    }
    out_.Sort();
  }

 private:
  bool IsMadeLater(const std::string& path) const {
    if (ParseProcPath(path)) return true;
    return paths_ && path.starts_with('/') && paths_->MountOf(path)->IsNew();
  }

  void Say(Kind kind, const std::string& path, std::string what) {
    out_.Add(kind, path, [&] { return "here " + what; });
  }

  /// Whether it can be looked at. What cannot is said.
  bool IsHere(const std::string& path) {
    const bool absolute = path.starts_with('/');
    if (!absolute) Say(Kind::kMissing, path, "it is no absolute path");
    const bool given = absolute && paths_ && paths_->MountOf(path)->parent;
    if (given) Say(Kind::kMissing, path, "it lies in a mount that the caller of a restore gives");
    return absolute && !given;
  }

  void Judge(const std::string& path, const FileWas& was, const FileFacts& facts) {
    if (facts.error != 0) return Say(Kind::kMissing, path, PathErrorText(facts.error));
    facts_.emplace(path, facts);
    const std::string& name = facts.leads_to.empty() ? path : facts.leads_to;
    if (was.mode && *was.mode != facts.mode) {
      Say(Kind::kChanged, path, "its mode is " + Octal(facts.mode) + ", was " + Octal(*was.mode));
    } else if (was.size && *was.size != facts.size) {
      Say(Kind::kChanged, path,
          "its size is " + std::to_string(facts.size) + ", was " + std::to_string(*was.size));
    } else if (was.build_id && S_ISREG(facts.mode) &&
               !SameBuildId(facts.build_id, was.build_id->bytes)) {
      Say(Kind::kChanged, path,
          "its build id is " + (facts.build_id.empty() ? "none" : Hexadecimal(facts.build_id)) +
              ", was " + Hexadecimal(was.build_id->bytes));
    }
    if (!S_ISREG(facts.mode)) return;
    const bool gid = (facts.mode & S_ISGID) != 0 && (facts.mode & S_IXGRP) != 0;
    if ((facts.mode & S_ISUID) != 0 || gid) Say(Kind::kSetuid, name, "mode " + Octal(facts.mode));
    if ((facts.mode & S_IWOTH) != 0) Say(Kind::kWritable, name, "mode " + Octal(facts.mode));
  }

  void Follow(const Claim& claim, const FileFacts& facts) {
    const std::string& path = claim.parts.front();
    const std::string& name = facts.leads_to.empty() ? path : facts.leads_to;
    const bool device = S_ISCHR(facts.mode) || S_ISBLK(facts.mode);
    const Kind kind = device || policy::IsDevicePath(name) ? Kind::kDevices : Kind::kPaths;
    if (name == path && kind == claim.kind) return;
    out_.Add(kind, {name}, claim.word, [&] { return path + " leads there"; });
  }

  const LookAtFiles& look_;
  Authority& out_;
  const std::vector<Claim> claims_;
  const std::map<std::string, FileWas> files_;
  std::optional<MountPaths> paths_;
  std::map<std::string, FileFacts> facts_;
};

}  // namespace

void AddHost(const std::string& root, const LookAtFiles& look, Authority* authority) {
  if (!authority->mounts().empty() && root.empty()) {
    authority->AddUnknown("this host",
                          "the tree has a root file system of its own, and nobody "
                          "says where it is (--root DIR)");
    return authority->Sort();
  }
  if (!root.empty()) {
    const int fd = open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      authority->AddUnknown("this host", root + ": " + std::strerror(errno));
      return authority->Sort();
    }
    close(fd);
  }
  Host(look, *authority).Look();
}

}  // namespace crgen
