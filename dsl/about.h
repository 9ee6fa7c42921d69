// SPDX-License-Identifier: Apache-2.0
// What a program says of itself: the `about` of the root's FORK.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/describe.h"
#include "model/dump_identity.h"
#include "model/network_lock.h"
#include "model/vdso.h"

namespace crgen {

/// "1.0": of the language. Readers know their major number only; a minor one adds members.
struct LanguageVersion {
  static constexpr std::string_view kCurrent = "1.0";
  static constexpr std::string_view kMajor = "1";
  static constexpr std::string_view kPattern = "^1\\.[0-9]{1,4}$";  ///< for the schema

  std::string text;
  /// Whether kPattern matches.
  bool IsKnown() const;
  friend bool operator==(const LanguageVersion&, const LanguageVersion&) = default;
};

/// Something of the dump that a program does not restore.
struct LeftOut {
  std::string where;
  std::string what;
  bool callers = false;
  friend bool operator==(const LeftOut&, const LeftOut&) = default;
};
template <>
struct Describe<LeftOut> {
  static constexpr auto kFields =
      std::tuple{Required("where", &LeftOut::where, "image, entry and field"),
                 Required("what", &LeftOut::what, "what stands there"),
                 Optional("callers", &LeftOut::callers,
                          "true: a namespace, whose place the restorer's own takes, if its user "
                          "wants that")};
};

/// Something outside the tree that a restored process goes on with.
struct External {
  /// The root's session and group are the caller's.
  static constexpr std::string_view kSession = "session";
  /// A description that the caller of a restore hands over: `what` is its key.
  static constexpr std::string_view kDescriptor = "descriptor";
  /// The caller's terminal, or a pty whose master the caller gets.
  static constexpr std::string_view kTerminal = "terminal";
  /// The root file system of a mount namespace.
  static constexpr std::string_view kRoot = "root";
  /// What is mounted there: `what` is its key.
  static constexpr std::string_view kMount = "mount";
  /// A network namespace: `what` is its key.
  static constexpr std::string_view kNetwork = "network";
  /// A pid namespace: `what` is its key.
  static constexpr std::string_view kPidNamespace = "pid_namespace";
  /// A network device, of which a part is in a namespace of the tree: `what` is its key.
  static constexpr std::string_view kDevice = "device";

  std::string kind;
  std::string what;
  friend bool operator==(const External&, const External&) = default;
};
template <>
struct Describe<External> {
  static constexpr auto kFields = std::tuple{
      Required(
          "kind", &External::kind,
          "`session`, `terminal`: a restorer wants to be told to; `descriptor`: it is handed over; "
          "`root`, `mount`, `network`, `device`, `pid_namespace`: of namespaces"),
      Required("what", &External::what,
               "for people; of a `descriptor`, `mount`, `network`, `device` or `pid_namespace` its "
               "key")};
};

template <>
struct Describe<NetworkLock> {
  static constexpr auto kFields =
      std::tuple{Required("method", &NetworkLock::method, "iptables or nftables"),
                 Optional("table", &NetworkLock::table, "nftables: its name in the family inet")};
};

template <>
struct Describe<ImageFile> {
  static constexpr auto kFields = std::tuple{
      Required("name", &ImageFile::name, "relative to the dump, never absolute, never with `..`"),
      Required("size", &ImageFile::size, "bytes; the file must have it"),
      Optional("digest", &ImageFile::digest,
               "`sha256:` and 64 hexadecimal digits; the file must have it")};
};

template <>
struct Describe<DumpIdentity> {
  static constexpr auto kFields = std::tuple{
      Optional("id", &DumpIdentity::id, "of the run of CRIU that made it"),
      Optional("images", &DumpIdentity::images,
               "all that the program reads bytes of; with none said, nothing is known of them")};
};

template <>
struct Describe<CpuNeeds> {
  static constexpr auto kFields = std::tuple{
      Optional("xsave", &CpuNeeds::xsave, "components of XSAVE that threads have in use: XCR0"),
      Optional("features", &CpuNeeds::features,
               "that bring instructions, as /proc/cpuinfo calls them among its `flags`")};
};

template <>
struct Describe<VdsoSymbol> {
  static constexpr auto kFields =
      std::tuple{Required("name", &VdsoSymbol::name, "of a function"),
                 Required("offset", &VdsoSymbol::offset, "from the start of the vdso")};
};

template <>
struct Describe<Vdso> {
  static constexpr auto kFields =
      std::tuple{Required("size", &Vdso::size, "bytes"),
                 Optional("build_id", &Vdso::build_id, "hexadecimal digits"),
                 Optional("symbols", &Vdso::symbols,
                          "where programs have found what they call in it, or may find it")};
};

struct About {
  LanguageVersion version;
  std::string machine;
  std::optional<DumpIdentity> dump;
  std::optional<CpuNeeds> cpu;
  std::optional<Vdso> vdso;
  std::vector<LeftOut> left_out;
  std::vector<LeftOut> not_restorable;
  std::vector<External> external;
  std::optional<NetworkLock> network_lock;
  friend bool operator==(const About&, const About&) = default;
};
template <>
struct Describe<About> {
  static constexpr auto kFields = std::tuple{
      Required("version", &About::version, "of this language; another major number is refused"),
      Optional("machine", &About::machine, "`x86_64`"),
      Optional("dump", &About::dump, "which dump this is the program of"),
      Optional("cpu", &About::cpu, "what it needs of a processor"),
      Optional("vdso", &About::vdso,
               "of the kernel of the dump: another one has these symbols at the same places"),
      Optional("left_out", &About::left_out,
               "what the dump has and this program omits: a restorer refuses it unless told to"),
      Optional("not_restorable", &About::not_restorable,
               "the same for what nobody can restore: a warning"),
      Optional("external", &About::external, "what is not of the tree, and needed"),
      Optional("network_lock", &About::network_lock,
               "rules by which the dump has stopped its connections: removed when they go on")};
};

}  // namespace crgen
