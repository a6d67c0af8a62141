// Writing the key-value cache, `[step][keys, values][slot][KV_HEADS][capacity][PITCH]`. PITCH is DIM rounded up to a
// multiple of eight; the padding is zero.

struct Rotate {
    real *qkv;
    real *keys;
    real *values;
    const float *cos;
    const float *sin;
    // Slot and position of each row.
    const u32 *places;
    const float *query_norm;
    const float *key_norm;
    u32 capacity;
    u32 half;
    float eps;
    u32 unused;
};

// Applies the norms on queries and keys (if there are any) and the rotation: to queries in place, to keys on their way
// into the cache. Copies values into the cache. One warp for each row and head; a block has four heads.
KERNEL(rotate, Rotate, 128) {
    u32 lane = THREAD % 32, head = BLOCK_Y * 4 + THREAD / 32, row = BLOCK_X;
    if (head >= HEADS + 2 * KV_HEADS) return;
    real *x = a.qkv + (u64)row * ((HEADS + 2 * KV_HEADS) * DIM) + head * DIM;
    u32 slot = a.places[2 * row], position = a.places[2 * row + 1];
    u32 kv = head < HEADS ? 0 : (head - HEADS) % KV_HEADS;
    u64 at = (((u64)slot * KV_HEADS + kv) * a.capacity + position) * PITCH;
    if (head >= HEADS + KV_HEADS) {
        for (u32 d = lane; d < PITCH; d += 32) a.values[at + d] = d < DIM ? x[d] : put(0.0f);
        return;
    }
    const float *norm = head < HEADS ? a.query_norm : a.key_norm;
    float factor = 1.0f;
    if (norm) {
        float squares = 0.0f;
        for (u32 d = lane; d < DIM; d += 32) squares = mad(get(x[d]), get(x[d]), squares);
        factor = 1.0f / sqrtf(warp_sum(squares) / (float)DIM + a.eps);
    }
    real *to = head < HEADS ? x : a.keys + at;
    const float *cos = a.cos + (u64)position * a.half, *sin = a.sin + (u64)position * a.half;
    for (u32 d = lane; d < a.half; d += 32) {
        float low = get(x[d]) * factor, high = get(x[d + a.half]) * factor;
        if (norm) {
            low *= norm[d];
            high *= norm[d + a.half];
        }
        to[d] = put(low * cos[d] - high * sin[d]);
        to[d + a.half] = put(high * cos[d] + low * sin[d]);
    }
    for (u32 d = 2 * a.half + lane; d < DIM; d += 32)
        to[d] = put(norm ? get(x[d]) * factor * norm[d] : get(x[d]));
    if (head >= HEADS)
        for (u32 d = DIM + lane; d < PITCH; d += 32) to[d] = put(0.0f);
}

struct Copy {
    const real *from;
    real *to;
    u32 from_capacity;
    u32 to_capacity;
    u32 from_slots;
    u32 to_slots;
    u32 from_slot;
    u32 to_slot;
    u32 start;
    u32 length;
};

// Copies `length` positions from `start` on to another slot, of this cache or of another one. The grid: blocks of 1024
// numbers; heads; keys and values of each step.
KERNEL(copy, Copy, 128) {
    u64 from = (((u64)BLOCK_Z * a.from_slots + a.from_slot) * KV_HEADS + BLOCK_Y) * a.from_capacity + a.start;
    u64 to = (((u64)BLOCK_Z * a.to_slots + a.to_slot) * KV_HEADS + BLOCK_Y) * a.to_capacity + a.start;
    u32 c = (BLOCK_X * 128 + THREAD) * 8;
    if (c >= a.length * PITCH) return;
    float x[8];
    load8(a.from + from * PITCH + c, 8, x);
    store8(a.to + to * PITCH + c, 8, x);
}
