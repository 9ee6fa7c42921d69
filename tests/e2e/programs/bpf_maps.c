// SPDX-License-Identifier: Apache-2.0
// Maps of bpf(2): a hash with two descriptions, of which one only reads, and a duplicate; a frozen
// array; an empty hash that nobody but its reader has; a child with a description of its own. A
// CRIU without libbpf cannot dump them; as a restorer it makes a map of each description.
#include <linux/bpf.h>
#include <linux/kcmp.h>

#include "program.h"

enum { HASH = 10, READER, DUPLICATE, ARRAY, EMPTY, OWN };
enum { KEYS = 4, MOST = 10, ELEMENTS = 5 };
struct Key {
  uint32_t number, zero;
};
struct Value {
  char text[20];
};

static long Bpf(int command, union bpf_attr* attribute) {
  return syscall(SYS_bpf, command, attribute, sizeof *attribute);
}
static int Create(int type, const char* title, int key, int value, int most, int flags) {
  union bpf_attr it = {0};
  it.map_type = type;
  it.key_size = key;
  it.value_size = value;
  it.max_entries = most;
  it.map_flags = flags;
  strcpy(it.map_name, title);
  return CHECK((int)Bpf(BPF_MAP_CREATE, &it));
}
static struct bpf_map_info Info(int fd) {
  struct bpf_map_info info = {0};
  union bpf_attr it = {0};
  it.info.bpf_fd = fd;
  it.info.info_len = sizeof info;
  it.info.info = (uintptr_t)&info;
  CHECK(Bpf(BPF_OBJ_GET_INFO_BY_FD, &it));
  return info;
}
static int Again(int fd, int flags) {
  union bpf_attr it = {0};
  it.map_id = Info(fd).id;
  it.open_flags = flags;
  return CHECK((int)Bpf(BPF_MAP_GET_FD_BY_ID, &it));
}
/// 0, or errno.
static int Element(int command, int fd, const void* key, void* value) {
  union bpf_attr it = {0};
  it.map_fd = fd;
  it.key = (uintptr_t)key;
  it.value = (uintptr_t)value;
  return Bpf(command, &it) == 0 ? 0 : errno;
}
static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}

static void FillMaps(void) {
  for (uint32_t i = 0; i < KEYS; ++i) {
    struct Key key = {i * 1000003, 0};
    struct Value value = {{0}};
    snprintf(value.text, sizeof value.text, "value %u", i);
    CHECK(Element(BPF_MAP_UPDATE_ELEM, HASH, &key, &value) == 0 ? 0 : -1);
  }
  for (uint32_t i = 0; i < ELEMENTS; ++i) {
    uint64_t value[2] = {i * i, ~0ull};
    CHECK(Element(BPF_MAP_UPDATE_ELEM, ARRAY, &i, value) == 0 ? 0 : -1);
  }
  union bpf_attr it = {0};
  it.map_fd = ARRAY;
  CHECK(Bpf(BPF_MAP_FREEZE, &it));
}

/// What there is, through the description `fd` of the hash.
static void CheckHash(int fd) {
  for (uint32_t i = 0; i < KEYS; ++i) {
    struct Key key = {i * 1000003, 0};
    struct Value value = {{0}};
    char wanted[20];
    snprintf(wanted, sizeof wanted, "value %u", i);
    EXPECT("a key of the hash", 0, Element(BPF_MAP_LOOKUP_ELEM, fd, &key, &value));
    EXPECT("its value", 0, strcmp(wanted, value.text));
  }
  struct Key key, next;
  int count = Element(BPF_MAP_GET_NEXT_KEY, fd, NULL, &next) == 0;
  for (key = next; Element(BPF_MAP_GET_NEXT_KEY, fd, &key, &next) == 0; key = next) ++count;
  EXPECT("keys of the hash", KEYS, count);
}

static void CheckMap(int fd, int type, const char* title, int key, int value, int most, int flags) {
  const struct bpf_map_info info = Info(fd);
  EXPECT("type", type, info.type);
  EXPECT("key", key, info.key_size);
  EXPECT("value", value, info.value_size);
  EXPECT("entries", most, info.max_entries);
  EXPECT("flags", flags, info.map_flags);
  EXPECT("name", 0, strcmp(title, info.name));
}

static void Check(void) {
  CheckHash(HASH);
  CheckHash(READER);
  CheckMap(HASH, BPF_MAP_TYPE_HASH, "e2e_hash", 8, 20, MOST, BPF_F_NO_PREALLOC);
  CheckMap(ARRAY, BPF_MAP_TYPE_ARRAY, "e2e.array", 4, 16, ELEMENTS, BPF_F_RDONLY_PROG);
  CheckMap(EMPTY, BPF_MAP_TYPE_HASH, "", 1, 1, 1, 0);
  for (uint32_t i = 0; i < ELEMENTS; ++i) {
    uint64_t value[2] = {0};
    EXPECT("an element", 0, Element(BPF_MAP_LOOKUP_ELEM, ARRAY, &i, value));
    EXPECT("its first half", i * i, value[0]);
    EXPECT("its second half", ~0ull, value[1]);
    EXPECT("it is frozen", EPERM, Element(BPF_MAP_UPDATE_ELEM, ARRAY, &i, value));
  }
  char key = 0;
  EXPECT("nothing is in it", ENOENT, Element(BPF_MAP_LOOKUP_ELEM, EMPTY, &key, &key));
  EXPECT("a duplicate", 0, syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, HASH, DUPLICATE));
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(DUPLICATE, F_GETFD));
  EXPECT("flags", O_RDWR, fcntl(HASH, F_GETFL));
  if (RestoredByCriu()) return;
  EXPECT("the reader's flags", O_RDONLY | O_NONBLOCK, fcntl(READER, F_GETFL));
  EXPECT("two descriptions", 1,
         syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, HASH, READER) != 0);
  EXPECT("it only reads", EPERM, Element(BPF_MAP_UPDATE_ELEM, EMPTY, &key, &key));
  EXPECT("one map", Info(HASH).id, Info(READER).id);
}

static void LastOfChild(void) {
  CheckHash(OWN);
  struct Key key = {77, 0};
  struct Value value = {"of the child"};
  EXPECT("a new key", 0, Element(BPF_MAP_UPDATE_ELEM, OWN, &key, &value));
  Step("child_set");
}
static void Child(void) {
  At(OWN, Again(HASH, 0));
  CHECK(close(READER));
  CHECK(close(HASH));
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  AwaitStep("child_set");
  if (RestoredByCriu()) return;
  struct Key key = {77, 0};
  struct Value value = {{0}};
  EXPECT("what the child has set", 0, Element(BPF_MAP_LOOKUP_ELEM, READER, &key, &value));
  EXPECT("its value", 0, strcmp("of the child", value.text));
  for (uint32_t i = 1; i < MOST - KEYS; ++i) {
    key.number = 77 + i;
    EXPECT("room", 0, Element(BPF_MAP_UPDATE_ELEM, HASH, &key, &value));
  }
  key.number = 7;
  EXPECT("it is full", E2BIG, Element(BPF_MAP_UPDATE_ELEM, HASH, &key, &value));
}

int main(void) {
  Begin();
  At(HASH, Create(BPF_MAP_TYPE_HASH, "e2e_hash", sizeof(struct Key), sizeof(struct Value), MOST,
                  BPF_F_NO_PREALLOC));
  At(READER, Again(HASH, BPF_F_RDONLY));
  CHECK(fcntl(READER, F_SETFL, O_NONBLOCK));
  CHECK(dup3(HASH, DUPLICATE, O_CLOEXEC));
  At(ARRAY, Create(BPF_MAP_TYPE_ARRAY, "e2e.array", 4, 16, ELEMENTS, BPF_F_RDONLY_PROG));
  const int empty = Create(BPF_MAP_TYPE_HASH, "", 1, 1, 1, 0);
  At(EMPTY, Again(empty, BPF_F_RDONLY));
  CHECK(close(empty));
  FillMaps();
  Spawn(0, "child", Child);
  Live(Check, LastOfRoot);
}
