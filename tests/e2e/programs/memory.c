// SPDX-License-Identifier: Apache-2.0
// Every kind of private memory, and file mappings: contents are checked again and again; in the end
// /proc/self/maps is word for word what it was, and so are the flags of each area.
#include "program.h"

enum { PAGES = 16, BYTES = PAGES * PAGE, BIG = 64 << 20 };

static char* heap;
static char* holes;        // every third page was written
static char* read_only;    // protected after it was filled
static char* no_access;    // likewise; the middle of three protections in one mapping
static char* code;         // writable, then executable
static char* of_file;      // private: pages 1 and 4 written, the others are the file's
static char* file_shared;  // shared: what is written gets into the file
static char* downwards;    // MAP_GROWSDOWN
static char* locked;
static char* not_forked;
static char* big;
static char below_data[BYTES] = {1};
static uint64_t in_bss[BYTES / 8];
static char maps[1 << 16], flags[1 << 18];

// The area flags of smaps, one line for each area: without "sd" (written to since the last look)
// and "ac", which tells of accounting.
static void ReadFlags(char* out, size_t size) {
  static char text[1 << 18];
  ReadFile("/proc/self/smaps", text, sizeof text);
  size_t length = 0;
  *out = 0;
  for (char *line = strtok(text, "\n"), *area = line; line; line = strtok(NULL, "\n")) {
    if (strchr("0123456789abcdef", line[0])) area = line;
    if (strncmp(line, "VmFlags:", 8) != 0) continue;
    for (char* at; (at = strstr(line, " sd")) || (at = strstr(line, " ac"));) memset(at, ' ', 3);
    length += snprintf(out + length, size - length, "%.17s ", area);
    for (char* at = line; *at; at++)
      if (at == line || *at != ' ' || at[-1] != ' ') out[length++] = *at;
    out[length++] = '\n';
    out[length] = 0;
  }
}

static void MakeFile(const char* path, size_t bytes, uint64_t seed) {
  char content[BYTES];
  Fill(content, bytes, seed);
  int fd = CHECK(open(path, O_RDWR | O_CREAT, 0644));
  CHECK(write(fd, content, bytes));
  CHECK(close(fd));
}

static char* MapFile(const char* path, size_t bytes, int shared, off_t offset) {
  int fd = CHECK(open(path, O_RDWR));
  char* map =
      Map(NULL, bytes, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE, fd, offset);
  CHECK(close(fd));
  return map;
}

static void SetUp(void) {
  heap = malloc(BYTES);
  Fill(heap, BYTES, 1);
  Fill(below_data, BYTES, 2);
  Fill(in_bss, BYTES, 3);
  holes = MapPrivate(BYTES);
  for (int i = 0; i < PAGES; i += 3) Fill(holes + i * PAGE, PAGE, 4 + i);
  read_only = MapPrivate(BYTES);
  Fill(read_only, BYTES, 30);
  CHECK(mprotect(read_only, BYTES, PROT_READ));
  no_access = MapPrivate(3 * PAGE);
  Fill(no_access, 3 * PAGE, 31);
  CHECK(mprotect(no_access + PAGE, PAGE, PROT_NONE));
  CHECK(mprotect(no_access + 2 * PAGE, PAGE, PROT_READ));
  code = MapPrivate(PAGE);
  memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6);  // mov $42, %eax; ret
  CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
  MakeFile("file", 8 * PAGE, 40);
  of_file = MapFile("file", 6 * PAGE, 0, PAGE);
  Fill(of_file + PAGE, PAGE, 41);
  Fill(of_file + 4 * PAGE, PAGE, 44);
  MakeFile("shared", 4 * PAGE, 50);
  file_shared = MapFile("shared", 2 * PAGE, 1, 2 * PAGE);
  Fill(file_shared + PAGE, PAGE, 51);
  // Room to grow into: the neighbour below is gone.
  char* room = MapPrivate(512 * PAGE);
  CHECK(munmap(room, 512 * PAGE));
  downwards = Map(room + 500 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
  Fill(downwards, 4 * PAGE, 60);
  locked =
      Map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
  Fill(locked, 2 * PAGE, 61);
  not_forked = MapPrivate(2 * PAGE);
  Fill(not_forked, 2 * PAGE, 62);
  CHECK(madvise(not_forked, 2 * PAGE, MADV_DONTFORK));
  CHECK(madvise(not_forked, 2 * PAGE, MADV_DONTDUMP));
  big = MapPrivate(BIG);
  Fill(big, BIG, 63);
}

static void CheckContents(void) {
  EXPECT_FILLED("heap", heap, BYTES, 1);
  EXPECT_FILLED("data", below_data, BYTES, 2);
  EXPECT_FILLED("bss", in_bss, BYTES, 3);
  for (int i = 0; i < PAGES; i += 3)
    EXPECT_FILLED("page between holes", holes + i * PAGE, PAGE, 4 + i);
  EXPECT_FILLED("read-only", read_only, BYTES, 30);
  EXPECT_FILLED("first of three protections", no_access, PAGE, 31);
  ExpectFilled(__LINE__, "last of three protections", no_access + 2 * PAGE, PAGE, 31, 2 * PAGE / 8);
  EXPECT("code", 42, ((int (*)(void))code)());
  for (int i = 0; i < 6; i++) {
    if (i == 1 || i == 4)
      EXPECT_FILLED("page of its own over a file", of_file + i * PAGE, PAGE, 40 + i);
    else
      ExpectFilled(__LINE__, "page of the file", of_file + i * PAGE, PAGE, 40, (i + 1) * PAGE / 8);
  }
  ExpectFilled(__LINE__, "shared with the file", file_shared, PAGE, 50, 2 * PAGE / 8);
  EXPECT_FILLED("written through to the file", file_shared + PAGE, PAGE, 51);
  EXPECT_FILLED("grows down", downwards, 4 * PAGE, 60);
  EXPECT_FILLED("locked", locked, 2 * PAGE, 61);
  EXPECT_FILLED("not forked", not_forked, 2 * PAGE, 62);
}

static void CheckMaps(void) {
  static char now[sizeof maps], flags_now[sizeof flags];
  ReadFile("/proc/self/maps", now, sizeof now);
  EXPECT_TEXT("maps", maps, now);
  ReadFlags(flags_now, sizeof flags_now);
  EXPECT_TEXT("flags of areas", flags, flags_now);
}

static void CheckHoles(void) {
  uint64_t entry;
  int fd = CHECK(open("/proc/self/pagemap", O_RDONLY));
  for (int i = 0; i < PAGES; i++) {
    CHECK(pread(fd, &entry, 8, (uintptr_t)(holes + i * PAGE) / PAGE * 8));
    EXPECT("page is present, or none", i % 3 == 0, entry >> 63 || (entry >> 62 & 1));
    if (i % 3 != 0) EXPECT_BYTES("hole", holes + i * PAGE, PAGE, 0);
  }
  CHECK(close(fd));
}

static char* volatile fault;
static void OnFault(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  fault = info->si_addr;
  if (mprotect((void*)((uintptr_t)info->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE) != 0)
    _exit(94);
}

static void Last(void) {
  CheckMaps();
  CheckHoles();
  EXPECT_FILLED("64 MB", big, BIG, 63);
  memset(big, 5, BIG);
  EXPECT_BYTES("64 MB written anew", big, BIG, 5);

  struct sigaction action = {.sa_sigaction = OnFault, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGSEGV, &action, NULL));
  *(volatile char*)(read_only + 5 * PAGE);
  EXPECT("reading read-only memory", 0, fault);
  *(volatile char*)(read_only + 5 * PAGE) = 1;
  EXPECT("writing to read-only memory", read_only + 5 * PAGE, fault);
  *(volatile char*)(no_access + PAGE + 8);
  EXPECT("reading memory without access", no_access + PAGE + 8, fault);
  ExpectFilled(__LINE__, "what was without access", no_access + PAGE, PAGE, 31, PAGE / 8);

  file_shared[0] = 77;
  char now[PAGE];
  int fd = CHECK(open("shared", O_RDONLY));
  CHECK(pread(fd, now, PAGE, 2 * PAGE));
  EXPECT("the file has what is written to its shared mapping", 77, now[0]);
  CHECK(close(fd));
  of_file[0] = 78;
  fd = CHECK(open("file", O_RDONLY));
  CHECK(pread(fd, now, PAGE, PAGE));
  ExpectFilled(__LINE__, "the file has nothing of its private mapping", now, PAGE, 40, PAGE / 8);
  CHECK(close(fd));

  // One page below after another: the area grows.
  fault = NULL;
  for (int i = 1; i <= 20; i++) downwards[-i * PAGE] = i;
  EXPECT("fault below the area that grows down", NULL, fault);
}

// The stack is deep when it is dumped.
static __attribute__((noinline)) void Deep(int levels, uint64_t seed) {
  volatile uint64_t frame[64];
  for (int i = 0; i < 64; i++) frame[i] = Word(seed, i);
  if (levels > 0) {
    Deep(levels - 1, seed + 1);
  } else {
    Announce("ready", name, "");
    while (!Exists("go")) {
      CheckContents();
      Nap();
    }
  }
  for (int i = 0; i < 64; i++) EXPECT("word of a stack frame", Word(seed, i), frame[i]);
}

// After this the stack does not grow any more.
static __attribute__((noinline)) void GrowStack(void) {
  char room[64 * PAGE];
  memset(room, 1, sizeof room);
  EXPECT_BYTES("stack", room, sizeof room, 1);
}

int main(void) {
  Begin();
  SetUp();
  GrowStack();
  ReadFlags(flags, sizeof flags);
  ReadFile("/proc/self/maps", maps, sizeof maps);
  ReadFlags(flags, sizeof flags);
  Deep(20, 1000);
  CheckContents();
  Last();
  Finish();
}
