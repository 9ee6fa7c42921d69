// SPDX-License-Identifier: Apache-2.0
// Attributes of processes, as the processes themselves see them; and that they have their effect.
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <stddef.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "program.h"

enum { SECBIT_EXEC_DENY = 1 << 8 | 1 << 10 };  // SECBIT_EXEC_RESTRICT_FILE, _DENY_INTERACTIVE
static int secure_bits;

static void ExpectLine(const char* file, const char* key, const char* expected) {
  char text[2 * PAGE];
  ReadFile(file, text, sizeof text);
  char* line = strstr(text, key);
  EXPECT(key, 1, line != NULL);
  if (!line) return;
  line += strlen(key);
  line[strcspn(line, "\n")] = 0;
  EXPECT_TEXT(key, expected, line + strspn(line, " \t"));
}

static void ExpectLimit(int resource, rlim_t current, rlim_t maximum) {
  struct rlimit limit;
  CHECK(getrlimit(resource, &limit));
  EXPECT("limit", current, limit.rlim_cur);
  EXPECT("hard limit", maximum, limit.rlim_max);
}

static void CheckRoot(void) {
  mode_t mask = umask(0);
  umask(mask);
  EXPECT("umask", 027, mask);
  char folder[PATH_MAX] = "", wanted[PATH_MAX];
  CHECK((int)syscall(SYS_getcwd, folder, sizeof folder));
  snprintf(wanted, sizeof wanted, "%s/cwd", home);
  EXPECT_TEXT("working directory", wanted, folder);
  ExpectLimit(RLIMIT_NOFILE, 256, 512);
  ExpectLimit(RLIMIT_CORE, 0, RLIM_INFINITY);
  ExpectLimit(RLIMIT_STACK, 1 << 20, 1 << 22);
  EXPECT("niceness", 3, getpriority(PRIO_PROCESS, 0));
}
static void LastOfRoot(void) {
  ExpectLine("/proc/self/oom_score_adj", "", "0");
  int fd = 0;
  while (fd >= 0 && fd < 1000) fd = open("/dev/null", O_RDONLY);
  EXPECT("more descriptors than the limit", EMFILE, errno);
  close_range(3, ~0U, 0);
}

// Process state that prctl(2), personality(2) and /proc set.
static void CheckSettings(void) {
  int value = -1;
  char comm[20] = "";
  CHECK(prctl(PR_GET_NAME, comm));
  EXPECT_TEXT("comm", "e2e (1) x", comm);
  if (!RestoredByCriu())
    EXPECT("personality", ADDR_NO_RANDOMIZE | UNAME26, personality(0xffffffff));
  CHECK(prctl(PR_GET_PDEATHSIG, &value));
  EXPECT("signal at the parent's death", SIGUSR1, value);
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &value));
  EXPECT("child subreaper", 1, value);
  EXPECT("no_new_privs", 1, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  EXPECT("dumpable", 0, prctl(PR_GET_DUMPABLE));
  EXPECT("no transparent huge pages", 1, prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}
static volatile sig_atomic_t parent_died;
static void OnDeath(int signal) { parent_died = signal; }
static void LastOfSettings(void) {
  ExpectLine("/proc/self/oom_score_adj", "", "300");
  // An orphan below becomes a child of this subreaper.
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) _exit(44);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0));
  CHECK(waitpid(-1, &status, 0));
  EXPECT("status of an adopted orphan", 44, WEXITSTATUS(status));
  Step("settings checked");
  for (int i = 0; !parent_died && i < 1000; i++) Nap();
  EXPECT("signal when the parent died", SIGUSR1, parent_died);
}
static void Settings(void) {
  CHECK(prctl(PR_SET_NAME, "e2e (1) x"));
  CHECK(personality(ADDR_NO_RANDOMIZE | UNAME26));
  CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  int fd = CHECK(open("/proc/self/oom_score_adj", O_WRONLY));
  CHECK(write(fd, "300", 3));
  CHECK(close(fd));
  CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
  CHECK(prctl(PR_SET_DUMPABLE, 0));
  struct sigaction action = {.sa_handler = OnDeath};
  CHECK(sigaction(SIGUSR1, &action, NULL));
  Live(CheckSettings, LastOfSettings);
}
// The parent of that one dies once its child was checked.
static void LastOfMortal(void) {
  AwaitStep("settings checked");
  Report();
  _exit(*failure != 0);
}
static void Mortal(void) {
  Spawn(0, "settings", Settings);
  Live(NULL, LastOfMortal);
}

// Credentials (other user ids than CRIU's own need CAP_SYS_RESOURCE at the dump).
static void CheckCreds(void) {
  gid_t groups[8];
  EXPECT("number of groups", 3, getgroups(8, groups));
  EXPECT("group", 24, groups[1]);
  EXPECT("fsuid", 1001, setfsuid(-1));
  EXPECT("fsgid", 1005, setfsgid(-1));
  EXPECT("secure bits", secure_bits, prctl(PR_GET_SECUREBITS));
  EXPECT("bounding set", 0, prctl(PR_CAPBSET_READ, CAP_SYS_TIME));
  EXPECT("ambient set", 1,
         prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0));
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  CHECK((int)syscall(SYS_capget, &header, data));
  EXPECT("permitted set", 1 << CAP_KILL | 1 << CAP_NET_BIND_SERVICE, data[0].permitted);
  EXPECT("effective set", 1 << CAP_KILL, data[0].effective);
  EXPECT("inheritable set", 1 << CAP_NET_BIND_SERVICE, data[0].inheritable);
  EXPECT("upper permitted set", 0, data[1].permitted);
}
static void LastOfCreds(void) { EXPECT("without CAP_SYS_CHROOT", -1, chroot("/")); }
static void Creds(void) {
  gid_t groups[] = {4, 24, 1000};
  CHECK(setgroups(3, groups));
  CHECK(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
  secure_bits = SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP | SECBIT_EXEC_DENY;
  if (prctl(PR_SET_SECUREBITS, secure_bits) != 0) {  // before Linux 6.14
    secure_bits &= ~SECBIT_EXEC_DENY;
    CHECK(prctl(PR_SET_SECUREBITS, secure_bits));
  }
  CHECK(setresuid(0, 0, 0));
  setfsgid(1005);
  setfsuid(1001);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0}, {0}};
  data[0].permitted = 1 << CAP_KILL | 1 << CAP_NET_BIND_SERVICE;
  data[0].effective = 1 << CAP_KILL;
  data[0].inheritable = 1 << CAP_NET_BIND_SERVICE;
  CHECK((int)syscall(SYS_capset, &header, data));
  CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0));
  Live(CheckCreds, LastOfCreds);
}

// In a root directory of its own: the one above the folder with the files of the protocol.
static void CheckJail(void) {
  char folder[100] = "";
  CHECK((int)syscall(SYS_getcwd, folder, sizeof folder));
  char wanted[PATH_MAX];
  snprintf(wanted, sizeof wanted, "%s/inside", home);
  EXPECT_TEXT("working directory in a chroot", wanted, folder);
  struct sched_param parameter;
  EXPECT("policy", SCHED_FIFO | SCHED_RESET_ON_FORK, sched_getscheduler(0));
  CHECK(sched_getparam(0, &parameter));
  EXPECT("priority", 7, parameter.sched_priority);
}
static void LastOfJail(void) {
  struct stat upper, root;
  CHECK(stat("/..", &upper));
  CHECK(stat("/", &root));
  EXPECT("above the root directory", root.st_ino, upper.st_ino);
  EXPECT("a path of outside", -1, access("/proc/self", F_OK));
}
static void Jail(void) {
  struct sched_param fifo = {.sched_priority = 7};
  CHECK(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo));
  CHECK(mkdir("inside", 0755));
  CHECK(chroot(".."));
  memmove(home, strrchr(home, '/'), strlen(strrchr(home, '/')) + 1);
  CHECK(chdir(home));
  CHECK(chdir("inside"));
  Live(CheckJail, LastOfJail);
}

// Two filters: what one allows, the other refuses with an errno of its own.
static void CheckFilter(void) {
  EXPECT("seccomp mode", SECCOMP_MODE_FILTER, prctl(PR_GET_SECCOMP));
  errno = 0;
  EXPECT("first filter", -1, syscall(SYS_reboot, 0, 0, 0, 0));
  EXPECT("errno of the first filter", EXDEV, errno);
  EXPECT("second filter", -1, syscall(SYS_swapoff, 0));
  EXPECT("errno of the second filter", EL2HLT, errno);
  errno = 0;
  EXPECT("policy", SCHED_BATCH, sched_getscheduler(0));
  EXPECT("niceness", -4, getpriority(PRIO_PROCESS, 0));
}
static void LastOfFilter(void) { ExpectLine("/proc/self/status", "Seccomp_filters:", "2"); }
static void InstallFilter(int number, int error) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {4, filter};
  CHECK((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}
static void Filter(void) {
  struct sched_param batch = {0};
  CHECK(sched_setscheduler(0, SCHED_BATCH, &batch));
  CHECK(setpriority(PRIO_PROCESS, 0, -4));
  InstallFilter(SYS_reboot, EXDEV);
  InstallFilter(SYS_swapoff, EL2HLT);
  Live(CheckFilter, LastOfFilter);
}

int main(void) {
  Begin();
  CHECK(chmod(home, 0777));  // for files of the process with another fsuid
  Spawn(0, "mortal", Mortal);
  Spawn(0, "creds", Creds);
  Spawn(0, "jail", Jail);
  Spawn(0, "filter", Filter);
  CHECK(mkdir("cwd", 0755));
  CHECK(chdir("cwd"));
  umask(027);
  struct rlimit files = {256, 512}, core = {0, RLIM_INFINITY}, stack = {1 << 20, 1 << 22};
  CHECK(setrlimit(RLIMIT_NOFILE, &files));
  CHECK(setrlimit(RLIMIT_CORE, &core));
  CHECK(setrlimit(RLIMIT_STACK, &stack));
  CHECK(setpriority(PRIO_PROCESS, 0, 3));
  Live(CheckRoot, LastOfRoot);
}
