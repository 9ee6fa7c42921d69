// What a program says of itself: the `about` of the root's FORK.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/describe.h"
#include "model/network_lock.h"

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
  friend bool operator==(const LeftOut&, const LeftOut&) = default;
};
template <>
struct Describe<LeftOut> {
  static constexpr auto kFields =
      std::tuple{Required("where", &LeftOut::where, "image, entry and field"),
                 Required("what", &LeftOut::what, "what stands there")};
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
          "`root`, `mount`, `network`: of namespaces"),
      Required("what", &External::what,
               "for people; of a `descriptor`, `mount` or `network` its key")};
};

template <>
struct Describe<NetworkLock> {
  static constexpr auto kFields =
      std::tuple{Required("method", &NetworkLock::method, "iptables or nftables"),
                 Optional("table", &NetworkLock::table, "nftables: its name in the family inet")};
};

struct About {
  LanguageVersion version;
  std::string machine;
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
      Optional("left_out", &About::left_out,
               "what the dump has and this program omits: a restorer refuses it unless told to"),
      Optional("not_restorable", &About::not_restorable,
               "the same for what nobody can restore: a warning"),
      Optional("external", &About::external, "what is not of the tree, and needed"),
      Optional("network_lock", &About::network_lock,
               "rules by which the dump has stopped its connections: removed when they go on")};
};

}  // namespace crgen
