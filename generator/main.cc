#include <cstdio>
#include <memory>

#include "images/dump.h"

int main(int argc, char** argv) {
  using namespace crgen;
  Diagnostics diag;
  auto source = OpenFolder(argc > 1 ? argv[1] : ".", diag);
  Snapshot snapshot;
  if (source) (void)LoadDump(*source, &snapshot, diag);
  for (auto& d : diag.entries()) {
    std::printf("%d %s: %s\n", static_cast<int>(d.severity), d.where.c_str(), d.what.c_str());
  }
  std::printf("processes %zu files %zu tables %zu\n", snapshot.processes.size(), snapshot.files.size(),
              snapshot.tables.size());
}
