// Prelude of the kernels when they are compiled for the CPU, for tests. The threads of a block are coroutines: each
// runs to its next barrier or exchange, then the next one runs. It is an error if not all threads of a block reach a
// barrier, if not all threads of a warp reach an exchange, or if an address is not aligned. `backwards` runs the
// threads in the other order: a result that depends on it lacks a barrier.

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;

#define MOST_THREADS 256
#define STACK (128 << 10)
#define WARP 32

enum state { READY, EXCHANGES, WAITS, DONE };

struct thread {
    jmp_buf at;
    ucontext_t start;
    enum state state;
    int line, mask;
    u32 value, found;
    int begun;
};

static _Thread_local struct thread *threads;
static _Thread_local u32 self, block[3];
static _Thread_local jmp_buf scheduler;
static _Thread_local void (*body)(const void *);
static _Thread_local const void *arguments;
static _Thread_local char failure[200];

static void yield(void) {
    if (!_setjmp(threads[self].at)) _longjmp(scheduler, 1);
}

// A coroutine runs the same thread of one block after another.
static void play(void) {
    for (;;) {
        body(arguments);
        threads[self].state = DONE;
        yield();
    }
}

static void resume(u32 t) {
    self = t;
    if (_setjmp(scheduler)) return;
    if (threads[t].begun) _longjmp(threads[t].at, 1);
    threads[t].begun = 1;
    setcontext(&threads[t].start);
}

static void stop_at(enum state state, int line) {
    threads[self].state = state;
    threads[self].line = line;
    yield();
}

static u32 exchange(u32 value, int mask, int line) {
    threads[self].value = value;
    threads[self].mask = mask;
    stop_at(EXCHANGES, line);
    return threads[self].found;
}

// Runs a warp until all its threads wait at a barrier or are done.
static int run_warp(u32 first, u32 end, int backwards) {
    for (;;) {
        u32 exchanging = 0;
        for (u32 i = first; i < end; i++) {
            u32 t = backwards ? end - 1 - (i - first) : i;
            if (threads[t].state == READY) resume(t);
        }
        for (u32 t = first; t < end; t++) exchanging += threads[t].state == EXCHANGES;
        if (!exchanging) return 1;
        for (u32 t = first; t < end; t++) {
            if (threads[t].state != EXCHANGES || threads[t].line != threads[first].line) {
                snprintf(failure, sizeof failure, "not all of a warp exchange at line %d", threads[t].line);
                return 0;
            }
            threads[t].found = threads[first + ((t - first) ^ (u32)threads[t].mask)].value;
            threads[t].state = READY;
        }
    }
}

static int run_block(u32 count, int backwards) {
    for (u32 t = 0; t < count; t++) threads[t].state = READY;
    for (;;) {
        u32 warps = (count + WARP - 1) / WARP, done = 0;
        for (u32 i = 0; i < warps; i++) {
            u32 first = (backwards ? warps - 1 - i : i) * WARP;
            if (!run_warp(first, first + WARP < count ? first + WARP : count, backwards)) return 0;
        }
        for (u32 t = 0; t < count; t++) done += threads[t].state == DONE;
        if (done == count) return 1;
        for (u32 t = 0; t < count; t++) {
            if (threads[t].state != WAITS || threads[t].line != threads[0].line) {
                snprintf(failure, sizeof failure, "not all threads reach the barrier at line %d", threads[t].line);
                return 0;
            }
            threads[t].state = READY;
        }
    }
}

static const char *emulate(void (*of)(const void *), const u32 *grid, u32 count, const void *with, int backwards) {
    if (!threads) {
        threads = calloc(MOST_THREADS, sizeof *threads);
        for (u32 t = 0; t < MOST_THREADS; t++) {
            getcontext(&threads[t].start);
            threads[t].start.uc_stack.ss_sp = malloc(STACK);
            threads[t].start.uc_stack.ss_size = STACK;
            makecontext(&threads[t].start, play, 0);
        }
    }
    body = of;
    arguments = with;
    failure[0] = 0;
    for (block[2] = 0; block[2] < grid[2]; block[2]++)
        for (block[1] = 0; block[1] < grid[1]; block[1]++)
            for (block[0] = 0; block[0] < grid[0]; block[0]++)
                if (!run_block(count, backwards)) {
                    // Threads that stopped in the middle start again next time.
                    for (u32 t = 0; t < count; t++) threads[t].begun = 0;
                    return failure;
                }
    return failure[0] ? failure : 0;
}

#define KERNEL(name, type, most)                                                                       \
    static void name##_body(const struct type a);                                                      \
    static void name##_thread(const void *p) { name##_body(*(const struct type *)p); }                 \
    const char *name(const u32 *grid, u32 count, const void *p, u32 size, int backwards) {             \
        if (count != most || count > MOST_THREADS) return #name ": threads that it is not made for";   \
        if (size != sizeof(struct type)) return #name ": arguments of another size";                   \
        return emulate(name##_thread, grid, count, p, backwards);                                      \
    }                                                                                                  \
    static void name##_body(const struct type a)
#define DEVICE static inline
#define SHARED static _Thread_local
#define UNROLL
#define BARRIER() stop_at(WAITS, __LINE__)
#define THREAD self
#define BLOCK_X block[0]
#define BLOCK_Y block[1]
#define BLOCK_Z block[2]
#define LEAST (-INFINITY)

struct quad {
    u32 w[4];
};

DEVICE float as_float(u32 x) { float f; memcpy(&f, &x, 4); return f; }
DEVICE u32 as_bits(float f) { u32 x; memcpy(&x, &f, 4); return x; }
DEVICE float plus(float a, float b) { return a + b; }
DEVICE float minus(float a, float b) { return a - b; }
DEVICE float times(float a, float b) { return a * b; }
DEVICE float over(float a, float b) { return a / b; }
DEVICE float fused(float a, float b, float c) { return fmaf(a, b, c); }
DEVICE float mad(float a, float b, float c) { return a * b + c; }
#define swapped(x, mask) as_float(exchange(as_bits(x), mask, __LINE__))
#define swapped_bits(x, mask) exchange(x, mask, __LINE__)

DEVICE void check(const void *p) {
    if ((uintptr_t)p % 16) snprintf(failure, sizeof failure, "16 bytes at an address that is no multiple of 16");
}

DEVICE struct quad load16(const void *p) { struct quad q; check(p); memcpy(&q, p, 16); return q; }
DEVICE void store16(void *p, struct quad q) { check(p); memcpy(p, &q, 16); }
