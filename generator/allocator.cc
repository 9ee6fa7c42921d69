// jemalloc's settings, compiled in (jemalloc(3), TUNING). A plan of millions of commands is filled
// once, from front to back: with huge pages the kernel is asked for memory 512 times less. One
// arena: few threads allocate at once, and what a small dump takes stays small.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "thp:always,narenas:1";
}
