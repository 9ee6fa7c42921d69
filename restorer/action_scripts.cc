// SPDX-License-Identifier: Apache-2.0
#include "restorer/action_scripts.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "model/printable.h"
#include "restorer/deadline.h"
#include "restorer/tools.h"

namespace crgen::restorer {

ActionScripts::ActionScripts(std::vector<std::string> commands, const std::string& images,
                             unsigned timeout)
    : commands_(std::move(commands)), timeout_(timeout) {
  if (!commands_.empty()) images_ = std::filesystem::absolute(images);
}

std::string ActionScripts::Run(std::initializer_list<const char*> stages, pid_t init) const {
  if (commands_.empty()) return "";
  const Ticks ticks;
  std::string problem;
  setenv("CRTOOLS_IMAGE_DIR", images_.c_str(), 1);
  if (init != 0) setenv("CRTOOLS_INIT_PID", std::to_string(init).c_str(), 1);
  for (const char* stage : stages) {
    setenv("CRTOOLS_SCRIPT_ACTION", stage, 1);
    for (const std::string& command : commands_) {
      if (!problem.empty()) break;
      const ToolOutcome outcome = RunTool({"/bin/sh", "-c", command.c_str()}, "", timeout_);
      problem = ToolComplaint("--action-script " + Printable(command) + ", " + stage, outcome);
      if (problem.empty()) std::fputs(outcome.output.c_str(), stderr);
    }
  }
  for (const char* name : {"CRTOOLS_SCRIPT_ACTION", "CRTOOLS_INIT_PID", "CRTOOLS_IMAGE_DIR"}) {
    unsetenv(name);
  }
  return problem;
}

}  // namespace crgen::restorer
