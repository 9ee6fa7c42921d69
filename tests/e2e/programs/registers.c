// SPDX-License-Identifier: Apache-2.0
// Dumped amid a loop that holds a value in every register: general, x87, SSE, AVX and, where the
// processor has it, AVX-512. The flags of the floating-point units are not the default ones,
// either.
#include <cpuid.h>

#include "program.h"

enum { X87 = 1, SSE = 2, AVX = 4, AVX512 = 0xe0, AREA = 8192 };

static uint64_t general[13], found[13];
static volatile uint64_t rounds;
static uint64_t components;
static _Alignas(64) unsigned char loaded[AREA], saved[AREA];

static void Save(unsigned char* area) {
  __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((uint32_t)components), "d"(0) : "memory");
}

// A pattern in the data of every component; control words and the x87 numbers stay valid.
static void MakePattern(void) {
  uint32_t eax, ebx, ecx, edx;
  __cpuid_count(13, 0, eax, ebx, ecx, edx);
  components = eax & (X87 | SSE | AVX | AVX512);
  if ((components & AVX512) != AVX512) components &= ~(uint64_t)AVX512;
  Save(loaded);
  for (int i = 0; i < 8; i++) {  // st(i): an 80-bit number
    Fill(loaded + 32 + i * 16, 8, 100 + i);
    loaded[32 + i * 16 + 7] |= 0x80;
    uint16_t exponent = 0x3fff + i * 3;
    memcpy(loaded + 32 + i * 16 + 8, &exponent, 2);
  }
  Fill(loaded + 160, 256, 120);
  uint16_t control = 0x0f7f, status = 0;  // round to zero, precision exceptions
  uint32_t mxcsr = 0xbfc0;                // round up, flush to zero, denormals are zeros
  memcpy(loaded, &control, 2);
  memcpy(loaded + 2, &status, 2);
  loaded[4] = 0xff;  // all eight in use
  memcpy(loaded + 24, &mxcsr, 4);
  for (int bit = 2; bit < 8; bit++) {
    if (!(components >> bit & 1)) continue;
    __cpuid_count(13, bit, eax, ebx, ecx, edx);
    Fill(loaded + ebx, eax, 200 + bit);
  }
  memcpy(loaded + 512, &components, 8);
  for (int i = 0; i < 13; i++) general[i] = Word(300, i);
}

// Loads everything, counts down in memory, stores everything. rsp and rflags are at work anyway.
__attribute__((naked, noinline)) static void Loop(void) {
  __asm__(
      "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
      "lea loaded(%rip), %rcx; mov components(%rip), %eax; xor %edx, %edx\n"
      "xrstor64 (%rcx)\n"
      "lea general(%rip), %rax\n"
      "mov 0(%rax), %rbx; mov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rsi\n"
      "mov 32(%rax), %rdi; mov 40(%rax), %rbp; mov 48(%rax), %r8; mov 56(%rax), %r9\n"
      "mov 64(%rax), %r10; mov 72(%rax), %r11; mov 80(%rax), %r12; mov 88(%rax), %r13\n"
      "mov 96(%rax), %r14; mov $0x5a5a5a5a5a5a5a5a, %r15; mov %r15, %rax\n"
      "1: cmp %r15, %rax; jne 2f; decq rounds(%rip); jnz 1b\n"
      "lea found(%rip), %rax\n"
      "mov %rbx, 0(%rax); mov %rcx, 8(%rax); mov %rdx, 16(%rax); mov %rsi, 24(%rax)\n"
      "mov %rdi, 32(%rax); mov %rbp, 40(%rax); mov %r8, 48(%rax); mov %r9, 56(%rax)\n"
      "mov %r10, 64(%rax); mov %r11, 72(%rax); mov %r12, 80(%rax); mov %r13, 88(%rax)\n"
      "mov %r14, 96(%rax)\n"
      "lea saved(%rip), %rcx; mov components(%rip), %eax; xor %edx, %edx\n"
      "xsave64 (%rcx)\n"
      "2: fninit; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret");
}

static void Check(void) {
  static const uint32_t standard = 0x1f80;
  memset(found, 0, sizeof found);
  memset(saved, 0, 512);
  rounds = 20000000;
  Loop();
  __asm__ volatile("ldmxcsr %0" : : "m"(standard));
  if (components & AVX) __asm__ volatile("vzeroupper");
  EXPECT("rax, r15 and the counter agree", 0, rounds);
  for (int i = 0; i < 13; i++) EXPECT("general register", general[i], found[i]);
  EXPECT("x87 control word", *(uint16_t*)loaded, *(uint16_t*)saved);
  EXPECT("x87 tags", loaded[4], saved[4]);
  EXPECT("MXCSR", *(uint32_t*)(loaded + 24), *(uint32_t*)(saved + 24));
  for (int i = 0; i < 8; i++)
    EXPECT("x87 register", 0, memcmp(loaded + 32 + i * 16, saved + 32 + i * 16, 10));
  EXPECT_FILLED("SSE registers", saved + 160, 256, 120);
  for (int bit = 2; bit < 8; bit++) {
    if (!(components >> bit & 1)) continue;
    uint32_t eax, ebx, ecx, edx;
    __cpuid_count(13, bit, eax, ebx, ecx, edx);
    EXPECT_FILLED("AVX registers", saved + ebx, eax, 200 + bit);
  }
}

int main(void) {
  Begin();
  MakePattern();
  Check();
  // Without a pause in between: the dump is to come amid the loop.
  Announce("ready", name, "");
  while (!Exists("go")) Check();
  Check();
  Finish();
}
