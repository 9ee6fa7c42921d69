// SPDX-License-Identifier: Apache-2.0
/* A tree to restore: N processes that sleep, the first with MEGABYTES of memory that it has written.
 * usage: sleepers N MEGABYTES READY; the file READY appears when all are there. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int processes = atoi(argv[1]);
  const size_t size = (size_t)atol(argv[2]) << 20;
  if (size != 0) {
    char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
      *(uint64_t*)(memory + i) = i * UINT64_C(0x9e3779b97f4a7c15);
    }
  }
  for (int i = 1; i < processes; ++i) {
    const pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      for (;;) pause();
    }
  }
  close(open(argv[3], O_CREAT | O_WRONLY, 0600));
  for (;;) pause();
}
