// SPDX-License-Identifier: Apache-2.0
// crgen diff A B
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <thread>

#include "checker/snapshot_of.h"
#include "checker/warnings.h"
#include "crgen/look.h"
#include "crgen/plan_images.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "views/diff.h"

namespace crgen {
namespace {

struct DiffArguments {
  std::string before;
  std::string after;
  std::vector<std::string> images;  ///< of the plans, in their order
  std::optional<Pid> pid;
  bool same_meaning = false;
  std::uint64_t tolerance = DiffOptions().tolerance;
  bool json = false;
};

/// One of the two, as far as it can be read.
struct Side {
  Look look;
  std::string images;  ///< where its pages are; empty: nobody said
  /// What no program can say, by its description: how often. None: it is a program.
  std::optional<std::map<std::string, std::size_t>> unplanned = std::nullopt;
  Diagnostics said = {};     ///< of reading it
  std::string not_compared;  ///< what; empty: nothing that is known

  DiffSide Of(const std::string& name) const {
    LookedAt dump = {look.snapshot, look.unplanned, {}};
    if (look.source != nullptr) dump.read_page = look.Reader();
    return {dump, name};
  }
};

/// The dump at `path`. Of what no program can say, what it is cannot be compared.
void ReadDump(const std::string& path, bool progress, Side* side) {
  OpenLook(path, &side->look, progress);
  side->images = path;
  side->said.AddAll(side->look.findings, OnlyError);
  side->unplanned.emplace();
  for (const Diagnostic& entry : side->look.findings.entries()) {
    if (entry.severity == Severity::kUnsupported) (*side->unplanned)[entry.what] += 1 + entry.more;
  }
  // Those are compared, each in its place.
  for (const auto& it : side->look.unplanned.descriptors) side->unplanned->erase(it.what);
  for (const auto& it : side->look.unplanned.regions) side->unplanned->erase(it.what);
  const std::size_t unsupported = side->look.findings.Count(Severity::kUnsupported);
  if (side->look.whole && unsupported != 0) {
    side->not_compared =
        (unsupported == 1 ? "1 thing" : std::to_string(unsupported) + " things") + " of " + path +
        " that no program can say, but for descriptors and regions: `crgen why` names them";
  }
}

/// What the program in a file ends in. `images`: the dump that it is of; empty: nobody has it.
void ReadPlan(const std::string& path, const std::string& images, Side* side) {
  const std::string name = path == "-" ? "standard input" : path;
  Diagnostics& diag = side->said;
  TextFile text(path);
  Program program;
  std::vector<std::uint32_t> lines;
  SimulatedState state;
  Look& look = side->look;
  look.whole = Succeeded(text.Open(diag)) &&
               Succeeded(ReadProgram(text.Reader(), name, &program, &lines, diag)) &&
               Succeeded(text.Close(diag)) && Succeeded(CheckProgram(program, &state, diag));
  if (look.whole) {
    FindUnfinished(state, diag);
    look.snapshot = SnapshotOf(state);
    if (const About* about = AboutOf(program)) look.snapshot.network_lock = about->network_lock;
  }
  if (!images.empty()) {
    side->images = images;
    look.source = OpenDump(images, diag, nullptr, HasDigests(program));
    look.whole = look.whole && look.source != nullptr;
    const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
    // Whatever these pages are, they are not those that the program loads.
    if (look.whole && Failed(CompareImages(program, *look.source, threads, diag))) {
      look.whole = false;
      look.snapshot = {};
    }
  }
}

/// A session and groups of outside have numbers in a dump, and none in a program; after a restore
/// they are others.
void ForgetOutside(Snapshot* snapshot) {
  if (snapshot->tree.nodes.empty()) return;
  TreeSnapshot tree;
  TreeRefusal contradiction;  // it stays as it is
  if (Succeeded(PrepareTree(snapshot->tree, &tree, &contradiction)))
    snapshot->tree = std::move(tree);
}

bool HasProcess(const Look& look, Pid pid) {
  return std::ranges::find(look.snapshot.tree.nodes, pid, &TreeNode::pid) !=
         look.snapshot.tree.nodes.end();
}

/// Of what cannot be compared, how often each side has it.
void CompareUnplanned(const Side& before, const Side& after, Differences* found) {
  if (!before.unplanned || !after.unplanned) return;
  const auto times = [](const Side& side, const std::string& what) {
    const auto it = side.unplanned->find(what);
    return it == side.unplanned->end() ? std::size_t{0} : it->second;
  };
  std::map<std::string, std::size_t> all = *before.unplanned;
  all.insert(after.unplanned->begin(), after.unplanned->end());
  for (const auto& [what, count] : all) {
    const std::size_t one = times(before, what), other = times(after, what);
    if (one == other) continue;
    found->list.push_back({Aspect::kDump, std::nullopt, what, "", std::to_string(one) + " times",
                           std::to_string(other) + " times"});
  }
}

bool SameFolder(const std::string& one, const std::string& other) {
  std::error_code error;
  return !one.empty() && !other.empty() && std::filesystem::equivalent(one, other, error);
}

ExitCode Usage(const std::string& what) {
  spdlog::error("{}", what);
  return ExitCode::kUsage;
}

ExitCode Compare(const DiffArguments& arguments) {
  const std::string* const paths[] = {&arguments.before, &arguments.after};
  std::vector<std::string> inputs = arguments.images;
  inputs.insert(inputs.end(), {arguments.before, arguments.after});
  ConfineToReading(inputs);
  if (arguments.before == "-" && arguments.after == "-")
    return Usage("A and B cannot both be standard input");
  const bool dumps[] = {IsDump(arguments.before), IsDump(arguments.after)};
  const std::size_t plans = std::ranges::count(dumps, false);
  if (arguments.images.size() > plans)
    return Usage("--images is for plans: there are " + std::to_string(plans) + " of them");
  Side sides[2];
  const auto read = [&](std::size_t i) {
    if (dumps[i]) return ReadDump(*paths[i], i == 0 || !dumps[0], &sides[i]);
    // One folder for two plans is that of both.
    const auto& images = arguments.images;
    ReadPlan(*paths[i],
             images.empty()       ? ""
             : dumps[0] || i == 0 ? images.front()
                                  : images.back(),
             &sides[i]);
  };
  std::future<void> first = std::async(std::launch::async, read, 0);
  read(1);
  first.get();
  for (const Side& side : sides) PrintDiagnostics(side.said);
  for (const Side& side : sides) {
    if (side.look.snapshot.processes.empty() && !side.look.whole) return ExitCode::kBadInput;
  }
  if (arguments.pid && !HasProcess(sides[0].look, *arguments.pid) &&
      !HasProcess(sides[1].look, *arguments.pid)) {
    return Usage("--pid: no process " + std::to_string(*arguments.pid) + " is in " +
                 arguments.before + " or " + arguments.after);
  }
  if (plans == 1 || arguments.same_meaning) {
    for (Side& side : sides) ForgetOutside(&side.look.snapshot);
  }
  DiffOptions options;
  options.same_meaning = arguments.same_meaning;
  options.tolerance = arguments.tolerance;
  options.pid = arguments.pid;
  options.same_images = SameFolder(sides[0].images, sides[1].images);
  Diagnostics unreadable;
  Differences found = Diff(sides[0].Of(*paths[0]), sides[1].Of(*paths[1]), options, unreadable);
  for (const Side& side : sides) {
    if (!side.not_compared.empty()) found.not_compared.push_back(side.not_compared);
  }
  if (!arguments.pid) CompareUnplanned(sides[0], sides[1], &found);
  PrintDiagnostics(unreadable);
  const ExitCode printed =
      PrintView(arguments.json ? DiffJson(found) : DiffText(found, OptionsOfTerminal()));
  if (!sides[0].look.whole || !sides[1].look.whole || unreadable.HasErrors())
    return ExitCode::kBadInput;
  if (printed != ExitCode::kOk) return printed;
  return found.list.empty() ? ExitCode::kOk : ExitCode::kDiffersOrDenied;
}

}  // namespace

std::function<ExitCode()> AddDiff(CLI::App& app) {
  auto arguments = std::make_shared<DiffArguments>();
  app.description("Say in what two dumps, or what plans end in, differ");
  app.add_option("A", arguments->before, "A dump (folder or archive), or a restore program (-)")
      ->required();
  app.add_option("B", arguments->after, "Another one")->required();
  auto* meaning = app.add_flag("--same-meaning", arguments->same_meaning,
                               "Object numbers may be others, clocks and timers may have gone on");
  app.add_option("--tolerance", arguments->tolerance, "With it: for so many seconds (default: 60)")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber.description(""))
      ->needs(meaning);
  app.add_option("--images", arguments->images,
                 "The dump that a plan is of, for the content of its pages; again for B's")
      ->type_name("DIR")
      ->expected(1);
  app.add_option("--pid", arguments->pid, "Only of this process");
  app.add_flag("--json", arguments->json, "Print it for machines");
  app.footer(
      "One line a difference, by process; where several share it, at the first. Of a plan, what "
      "it\n"
      "ends in is compared, not by which commands, nor in which order.\n\n"
      "Examples:\n"
      "  crgen diff before/ after/\n"
      "  crgen diff --images before/ plan.json before/\n"
      "  crgen diff --same-meaning plan.json again/");
  return [arguments] { return Compare(*arguments); };
}

}  // namespace crgen
