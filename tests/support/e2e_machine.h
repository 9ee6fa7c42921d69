// SPDX-License-Identifier: Apache-2.0
// What end-to-end tests need of the machine: a pid namespace of their own, commands with a
// deadline, and a CRIU.
#pragma once

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace crgen::test {

namespace fs = std::filesystem;

inline std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline std::string Failed(const std::string& what) { return what + ": " + std::strerror(errno); }

/// Asks again and again; false if the answer is still no after `seconds`.
inline bool Eventually(const std::function<bool()>& holds, int seconds = 20) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// Runs `body` as init of a new pid namespace, with a /proc that shows it, and returns its exit
/// status. Pids in there are this test's own, orphans become children of `body`, and nothing
/// outlives it. Where this machine does not allow that, the result is empty and `reason` says why.
inline std::optional<int> InPidNamespace(const std::function<int()>& body, std::string* reason) {
  if (geteuid() != 0) {
    *reason = "needs root";
    return std::nullopt;
  }
  constexpr int kNotPossible = 200;
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return std::nullopt;
  clone_args args = {};
  args.flags = CLONE_NEWPID | CLONE_NEWNS;
  args.exit_signal = SIGCHLD;
  const long init = syscall(SYS_clone3, &args, sizeof args);
  if (init == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("proc", "/proc", "proc", 0, nullptr) != 0) {
      const std::string text = Failed("mount /proc of a pid namespace");
      _exit(write(report[1], text.data(), text.size()) < 0 ? 1 : kNotPossible);
    }
    close(report[0]);
    close(report[1]);
    std::exit(body());
  }
  close(report[1]);
  if (init < 0) {
    *reason = Failed("clone3(CLONE_NEWPID | CLONE_NEWNS)");
    return std::nullopt;
  }
  char text[200] = "";
  if (read(report[0], text, sizeof text - 1) > 0) *reason = text;
  close(report[0]);
  int status = 0;
  waitpid(static_cast<pid_t>(init), &status, 0);
  if (!reason->empty()) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/// The processes of the namespace, without this one.
inline std::vector<pid_t> OtherProcesses() {
  std::vector<pid_t> pids;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string file = entry.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), pid);
    if (error == std::errc() && end == file.data() + file.size() && pid != getpid()) {
      pids.push_back(pid);
    }
  }
  return pids;
}

/// The state letter of /proc/PID/stat.
inline char StateOf(pid_t pid) {
  const std::string text = ReadText("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end = text.rfind(')');
  return end == std::string::npos ? '?' : text[end + 2];
}

/// A command that ran: its exit status, or -1 if a signal or the deadline ended it.
struct Outcome {
  int status = -1;
  std::string output;  ///< stdout and stderr
};

/// Runs a command with its output in the file `log`. Its descendants may go on.
inline Outcome Execute(const std::vector<std::string>& words, const fs::path& log,
                       int seconds = 30) {
  const pid_t child = fork();
  if (child == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    close_range(3, ~0U, 0);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  Outcome outcome;
  int status = 0;
  if (Eventually([&] { return waitpid(child, &status, WNOHANG) == child; }, seconds)) {
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  } else {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  outcome.output = ReadText(log);
  return outcome;
}

/// A CRIU that runs here: $CRIU, that of the machine, or one that `script` puts into `folder` and
/// that stays there. Empty if there is none; `reason` says why.
inline std::string FindCriu(const fs::path& script, const fs::path& folder, std::string* reason) {
  const fs::path log = folder / "criu.log";
  const auto runs = [&](const std::string& criu) {
    return Execute({criu, "check"}, log).status == 0;
  };
  fs::create_directories(folder);
  if (const char* given = std::getenv("CRIU")) {
    if (runs(given)) return given;
    *reason = std::string("$CRIU does not run here: ") + ReadText(log);
    return "";
  }
  if (runs("criu")) return "criu";
  const std::string own = folder / "criu";
  if (fs::exists(own) && runs(own)) return own;
  if (Execute({script, folder}, folder / "get-criu.log", 300).status == 0 && runs(own)) return own;
  *reason = "no CRIU that runs here: " + ReadText(folder / "get-criu.log");
  return "";
}

}  // namespace crgen::test
