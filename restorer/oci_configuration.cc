// SPDX-License-Identifier: Apache-2.0
#include "restorer/oci_configuration.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/printable.h"
#include "restorer/input_file.h"

namespace crgen::restorer {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLargest = 4 << 20;  ///< bytes; those of engines have some thousand

/// Why `it[name]` is no absolute path, or no relative one where that may be; empty: it is one.
std::string ReadPath(const Json& it, const char* name, bool relative, std::string* path) {
  const auto found = it.find(name);
  if (found == it.end() || !found->is_string()) return std::string("lacks \"") + name + "\"";
  *path = found->get<std::string>();
  if (path->find('\0') != path->npos || path->empty() || (!relative && path->front() != '/')) {
    return std::string(name) + ": \"" + Printable(*path) + "\", expected a path" +
           (relative ? "" : " that begins with /");
  }
  return "";
}

bool IsBind(const Json& mount) {
  if (mount.value("type", Json()) == "bind") return true;
  const Json options = mount.value("options", Json::array());
  for (const Json& option : options) {
    if (option == "bind" || option == "rbind") return true;
  }
  return false;
}

std::string ReadConfiguration(const Json& it, const std::filesystem::path& bundle,
                              NamespaceOptions* options) {
  const auto root = it.find("root");
  if (root != it.end() && options->root.empty()) {
    std::string path;
    if (!root->is_object()) return "root: expected an object";
    if (std::string wrong = ReadPath(*root, "path", true, &path); !wrong.empty()) {
      return "root: " + wrong;
    }
    options->root = bundle / path;
  }
  const auto mounts = it.find("mounts");
  if (mounts == it.end()) return "";
  if (!mounts->is_array()) return "mounts: expected an array";
  for (std::size_t i = 0; i < mounts->size(); ++i) {
    const Json& mount = (*mounts)[i];
    const std::string place = "mounts[" + std::to_string(i) + "]: ";
    if (!mount.is_object()) return place + "expected an object";
    if (!IsBind(mount)) continue;
    std::string destination, source;
    std::string wrong = ReadPath(mount, "destination", false, &destination);
    if (wrong.empty()) wrong = ReadPath(mount, "source", true, &source);
    if (!wrong.empty()) return place + wrong;
    options->configured[destination] = bundle / source;  // of two in one place, the last is seen
  }
  return "";
}

}  // namespace

std::string ReadOciConfiguration(const std::string& path, NamespaceOptions* options) {
  const std::string name = "--oci " + path + ": ";
  InputFile file(path);
  if (const std::string wrong = file.Open(InputFile::Fifo::kRefuse); !wrong.empty()) {
    return name + wrong;
  }
  std::string text(kLargest + 1, '\0');
  text.resize(file.Read(text));
  if (file.error() != 0) return name + std::strerror(file.error());
  if (text.size() > kLargest) {
    return name + "more than " + std::to_string(kLargest) + " bytes: this is no configuration";
  }
  const Json configuration = Json::parse(text, nullptr, false);
  if (!configuration.is_object()) return name + "expected a JSON object, as config.json is";
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const std::string wrong =
      ReadConfiguration(configuration, folder.empty() ? "." : folder, options);
  if (!wrong.empty()) return name + wrong;
  options->configured.emplace("/dev/null", "/dev/null");
  return "";
}

}  // namespace crgen::restorer
