// SPDX-License-Identifier: Apache-2.0
#include "images/dump.h"

#include <algorithm>

#include "images/load/core_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::size_t kProgressStep = 256;

/// Kinds that say what a namespace is: whatever lies in it means another thing outside.
constexpr std::string_view kContainers[] = {"UTSNS", "PIDNS", "USERNS", "MNTS", "IPC_VAR", "NETNS"};
/// What is lost with an image that no command describes.
Loss LossOf(const ImageKind& kind) {
  return kind.name == "APPARMOR" ? Loss::kLabels : Loss::kOther;
}

/// Reports every entry of an image that no command describes.
void ReportUnsupported(Loader& loader, const ImageSet::Image& image) {
  ImageSet& images = loader.images;
  Diagnostics& diag = loader.diag;
  const ImageKind& kind = *image.kind;
  const bool container = std::ranges::find(kContainers, kind.name) != std::end(kContainers);
  if (kind.payload != Payload::kNone) {
    diag.Unsupported(image.name, std::string(kind.note), LossOf(kind));
    return;
  }
  std::string content;
  if (Failed(images.source().Read(image.name, &content, diag))) return;
  ImageReader reader(image.name, content);
  std::string_view bytes;
  if (Failed(reader.ReadMagic(kind, diag))) return;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (container) {
      loader.UnsupportedContainer(reader.Where(), std::string(kind.note));
    } else {
      diag.Unsupported(reader.Where(), std::string(kind.note), LossOf(kind));
    }
  }
}

/// A file that calls itself an image, but is of no kind that crgen knows.
void ReportStranger(ImageSource& source, const std::string& name, Diagnostics& diag) {
  std::uint64_t size = 0;
  std::uint32_t magics[2] = {0, 0};
  if (Failed(source.Size(name, &size, diag))) return;
  if (size >= sizeof magics &&
      Failed(source.ReadAt(name, 0, {reinterpret_cast<char*>(magics), sizeof magics}, diag))) {
    return;
  }
  if (magics[0] == kCommonMagic || magics[0] == kServiceMagic) {
    diag.Unsupported(
        name, "an image of a kind that this crgen does not know, magic " + HexText(magics[1]));
  } else {
    diag.Warning(name, "is called an image, but is none that CRIU itself writes: left alone");
  }
}

/// It is missing or damaged, and then as good as empty.
bool LacksInventory(Loader& loader) {
  const ImageKind& kind = ImageKindNamed("INVENTORY");
  Diagnostics said;
  pb::inventory_entry entry;
  if (loader.images.Has(kind) && Succeeded(loader.images.ReadSingle(kind, 0, &entry, said))) {
    return false;
  }
  loader.inventory.Clear();
  return true;
}

void Load(Loader& loader, const LoadOptions& options) {
  Diagnostics& diag = loader.diag;
  const ImageKind& seccomp = ImageKindNamed("SECCOMP");
  if (loader.images.Has(seccomp)) {
    if (Succeeded(loader.images.ReadSingle(seccomp, 0, &loader.seccomp, diag))) {
      CheckSeccomp(loader.seccomp, diag);
    }
  }
  loader.LoadCgroups();
  loader.FindMountNamespaces();
  loader.FindNetNamespaces();
  loader.file_loaders.LoadObjects(loader);
  loader.LoadFiles();
  if (options.threads > 1) loader.ReadAhead(options.threads);
  loader.LoadProcesses(options.progress);
  loader.images.StopReadingAhead();
  (void)CheckZombies(loader.snapshot.tree, diag);
  loader.WarnOfOuterZombies();
  loader.LoadLocks();
  loader.FinishFiles();
  loader.FinishSharedMemory();
  loader.FinishSegments();
  loader.CheckMappedIds();
  loader.CheckPathPlaces();
  loader.FinishCgroups();
  loader.LoadDumpId();
  loader.LoadCpu();
  loader.ReportUnsupportedFiles();
  loader.AccountForTheRest();
}

}  // namespace

/// In the order in which LoadProcesses() opens them. Of descriptor tables it is known only that
/// later processes have higher numbers.
void Loader::ReadAhead(unsigned threads) {
  std::vector<ImageSet::Image*> order;
  std::vector<ImageSet::Image*> tables_in_order;
  auto add = [&](std::string_view kind, Pid number) {
    ImageSet::Image* image = images.Find(ImageKindNamed(kind), static_cast<std::uint64_t>(number));
    if (image != nullptr) order.push_back(image);
  };
  for (ImageSet::Image& image : images.images()) {
    if (image.kind->name == "FDINFO") tables_in_order.push_back(&image);
  }
  for (std::size_t i = 0; i < snapshot.tree.nodes.size(); ++i) {
    const TreeNode& node = snapshot.tree.nodes[i];
    add("CORE", node.pid);
    add("IDS", node.pid);
    if (i < tables_in_order.size()) order.push_back(tables_in_order[i]);
    for (std::string_view kind : {"MM", "PAGEMAP", "FS"}) add(kind, node.pid);
    for (Pid tid : node.tids) {
      if (tid != node.pid) add("CORE", tid);
    }
  }
  images.ReadAhead(order, threads);
}

void Loader::LoadProcesses(const LoadProgress& progress) {
  const std::size_t count = snapshot.processes.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (progress && i % kProgressStep == 0) progress(i, count);
    LoadCore(ProcessIndex(i));
  }
  if (progress) progress(count, count);
}

void Loader::AccountForTheRest() {
  for (const std::string& name : images.strangers()) ReportStranger(images.source(), name, diag);
  for (const ImageSet::Image& image : images.images()) {
    if (!image.used && image.kind->treatment == Treatment::kUnsupported) {
      ReportUnsupported(*this, image);
    }
  }
  // What is wrong or unsupported may have been what would have referred to an image.
  if (diag.HasErrors() || diag.Count(Severity::kUnsupported) != 0) return;
  for (const ImageSet::Image& image : images.images()) {
    if (!image.used && image.kind->treatment == Treatment::kPlanned) {
      diag.Warning(image.name, "nothing in this dump refers to it");
    }
  }
}

Result LoadDump(ImageSource& source, Snapshot* snapshot, Diagnostics& diag,
                const LoadOptions& options) {
  const std::size_t errors = diag.Count(Severity::kError);
  *snapshot = Snapshot{};
  Loader loader(source, snapshot, diag, options);
  const bool indexed = Succeeded(loader.images.Index(diag));
  // Who looks at what there is does so without an inventory too, but not at images of another form.
  const bool known = indexed && (Succeeded(loader.LoadInventory()) ||
                                 (options.unplanned != nullptr && LacksInventory(loader)));
  if (!known || Failed(loader.LoadProcessTree())) {
    *snapshot = Snapshot{};
    return Result::kError;
  }
  Load(loader, options);
  return diag.Count(Severity::kError) == errors ? Result::kOk : Result::kError;
}

}  // namespace crgen
