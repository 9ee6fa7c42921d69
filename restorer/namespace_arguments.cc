// SPDX-License-Identifier: Apache-2.0
#include "restorer/namespace_arguments.h"

#include <algorithm>
#include <cctype>

#include "model/net_namespace.h"

namespace crgen::restorer {
namespace {

/// "KIND[INSIDE]:BEHIND"; false: it is not of that form.
bool Split(const std::string& text, std::string* kind, std::string* inside, std::string* behind) {
  const std::size_t open = text.find('['), close = text.find("]:");
  if (open == text.npos || close == text.npos || close < open) return false;
  *kind = text.substr(0, open);
  *inside = text.substr(open + 1, close - open - 1);
  *behind = text.substr(close + 2);
  return !inside->empty() && !behind->empty();
}

bool IsNumber(const std::string& text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// "unix[88]"
bool IsUnixSocket(const std::string& text) {
  return text.starts_with("unix[") && text.ends_with("]") &&
         IsNumber(text.substr(5, text.size() - 6));
}

std::string ReadExternal(const std::string& text, NamespaceOptions* options) {
  const std::string name = "--external " + text + ": ";
  if (text == "mnt[]" || text == "mnt[]:m" || text == "mnt[]:s" || text == "mnt[]:ms" ||
      text == "mnt[]:sm") {
    options->found_by_dumper = true;
    return "";
  }
  std::string kind, inside, behind;
  const bool is_split = Split(text, &kind, &inside, &behind);
  if (is_split && (kind == "veth" || kind == "macvlan" || kind == "netdev")) {
    OutsideDevice device;
    device.moves = kind == "netdev";
    const std::size_t at = kind == "veth" ? behind.find('@') : behind.npos;
    device.name = behind.substr(0, at);
    if (at != behind.npos) device.bridge = behind.substr(at + 1);
    if (!IsDeviceName(inside) || !IsDeviceName(device.name) ||
        (at != behind.npos && !IsDeviceName(device.bridge))) {
      return name + "expected names of network devices: " + kind + "[IN]:OUT" +
             (kind == "veth" ? " or veth[IN]:OUT@BRIDGE" : "");
    }
    const std::string key = (device.moves ? "veth" : kind) + "[" + inside + "]";
    return options->devices.emplace(key, device).second ? "" : name + "this key stands twice";
  }
  if (!is_split || (kind != "mnt" && kind != "net" && kind != "pid")) {
    return name +
           "expected mnt[KEY]:PATH, such as mnt[/data]:/srv/data, net[PATH]:KEY, pid[PATH]:KEY, "
           "veth[IN]:OUT, macvlan[IN]:OUT, netdev[IN]:OUT or unix[INODE]";
  }
  if (kind != "mnt" && IsNumber(inside)) {
    return name + "a number finds no namespace: expected " + kind +
           "[PATH]:KEY, or --inherit-fd fd[N]:" + behind;
  }
  const bool is_new = kind == "mnt"   ? options->mounts.emplace(inside, behind).second
                      : kind == "net" ? options->networks.emplace(behind, inside).second
                                      : options->pid_namespaces.emplace(behind, inside).second;
  return is_new ? "" : name + "this key stands twice";
}

std::string ReadJoin(const std::string& text, NamespaceOptions* options) {
  const std::string name = "--join-ns " + text + ": ";
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  if (colon == text.npos || colon + 1 == text.size() ||
      (kind != "net" && kind != "ipc" && kind != "uts" && kind != "pid")) {
    return name +
           "expected net:PATH, ipc:PATH, uts:PATH or pid:PATH, or a pid in the place of the path";
  }
  std::string path = text.substr(colon + 1);
  if (IsNumber(path)) path = "/proc/" + path + "/ns/" + kind;
  return options->joined.emplace(kind, path).second ? "" : name + "this kind stands twice";
}

}  // namespace

std::set<std::string> ReadUnixSockets(const std::vector<std::string>& external) {
  std::set<std::string> keys;
  for (const std::string& text : external) {
    if (IsUnixSocket(text)) keys.insert("socket:" + text.substr(4));
  }
  return keys;
}

std::string ReadNamespaceArguments(const NamespaceArguments& arguments, NamespaceOptions* options) {
  for (const std::string& text : arguments.external) {
    if (IsUnixSocket(text)) continue;
    if (std::string wrong = ReadExternal(text, options); !wrong.empty()) return wrong;
  }
  for (const std::string& text : arguments.join) {
    if (std::string wrong = ReadJoin(text, options); !wrong.empty()) return wrong;
  }
  for (const std::string& text : arguments.empty) {
    if (text != "net") return "--empty-ns " + text + ": expected net";
    options->empty_net = true;
  }
  if (options->empty_net && options->joined.contains("net")) {
    return "--empty-ns net and --join-ns net exclude each other";
  }
  return "";
}

}  // namespace crgen::restorer
