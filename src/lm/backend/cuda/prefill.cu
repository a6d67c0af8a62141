// Attention of many new tokens of a sequence over its keys and values in the cache, which already holds those of the
// new tokens: tiles of 32 rows by 32 keys, with the running softmax of `decode.cu`.
//
// A block handles one tile and one query head. For scores a thread has 4 rows and 2 keys; for weighted values 4 rows
// and every 16th pair of features.

#define ROWS 32
#define AHEAD 32
// Row stride in shared memory: four bytes more than a row, so that adjacent rows lie in different banks.
#define STRIDE (PITCH + 2)
#define PAIRS ((PITCH / 2 + 15) / 16)

struct Prefill {
    const real *qkv;
    const real *keys;
    const real *values;
    // For each tile: first row, number of rows, slot, and position of the first row.
    const u32 *tiles;
    real *out;
    u32 capacity;
    u32 window;
    float scale;
    float cap;
};

DEVICE void pair(const real *p, float *low, float *high) {
#if WIDE
    *low = p[0];
    *high = p[1];
#else
    u32 w = *(const u32 *)p;
    *low = as_float(w << 16);
    *high = as_float(w & 0xffff0000u);
#endif
}

// Loads rows of the cache from `begin` on; zeros from `end` on.
DEVICE void bring(real *to, const real *from, u32 begin, u32 end) {
    for (u32 c = THREAD; c < AHEAD * (PITCH / 8); c += 128) {
        u32 j = c / (PITCH / 8), d = c % (PITCH / 8) * 8;
        float x[8];
        load8(from + (u64)(begin + j) * PITCH + d, begin + j < end ? 8 : 0, x);
        UNROLL
        for (int i = 0; i < 8; i++) to[j * STRIDE + d + i] = put(x[i]);
    }
}

KERNEL(prefill, Prefill, 128) {
    SHARED u32 queries_words[ROWS * STRIDE * sizeof(real) / 4];
    SHARED u32 ahead_words[AHEAD * STRIDE * sizeof(real) / 4];
    SHARED float weights[ROWS * (AHEAD + 1)];
    SHARED float shrinks[ROWS];
    SHARED float sums[ROWS];
    real *queries = (real *)queries_words, *ahead = (real *)ahead_words;
    const u32 *tile = a.tiles + 4 * BLOCK_X;
    u32 row = tile[0], count = tile[1], slot = tile[2], position = tile[3];
    u32 head = BLOCK_Y, kv = head / GROUP;
    const real *keys = a.keys + ((u64)slot * KV_HEADS + kv) * a.capacity * PITCH;
    const real *values = a.values + ((u64)slot * KV_HEADS + kv) * a.capacity * PITCH;
    u32 end = position + count;
    u32 begin = a.window && position + 1 > a.window ? position + 1 - a.window : 0;

    for (u32 c = THREAD; c < ROWS * (PITCH / 8); c += 128) {
        u32 r = c / (PITCH / 8), d = c % (PITCH / 8) * 8;
        const real *from = a.qkv + (u64)(row + r) * ((HEADS + 2 * KV_HEADS) * DIM) + head * DIM + d;
        float x[8];
        load8(from, r < count ? left8(d, DIM) : 0, x);
        UNROLL
        for (int i = 0; i < 8; i++) queries[r * STRIDE + d + i] = put(x[i]);
    }

    // Four threads share a row's maximum and sum.
    float most = LEAST, sum = 0.0f;
    float acc[4][2 * PAIRS];
    UNROLL
    for (int r = 0; r < 4; r++) {
        UNROLL
        for (int i = 0; i < 2 * PAIRS; i++) acc[r][i] = 0.0f;
    }
    u32 r0 = THREAD / 16 * 4, column = THREAD % 16;

    for (u32 j0 = begin; j0 < end; j0 += AHEAD) {
        BARRIER();
        bring(ahead, keys, j0, end);
        BARRIER();
        float score[4][2];
        UNROLL
        for (int r = 0; r < 4; r++) score[r][0] = score[r][1] = 0.0f;
        for (u32 d = 0; d < PITCH; d += 2) {
            float k0[2], k1[2];
            pair(ahead + column * STRIDE + d, k0, k0 + 1);
            pair(ahead + (column + 16) * STRIDE + d, k1, k1 + 1);
            UNROLL
            for (int r = 0; r < 4; r++) {
                float low, high;
                pair(queries + (r0 + r) * STRIDE + d, &low, &high);
                score[r][0] = mad(low, k0[0], mad(high, k0[1], score[r][0]));
                score[r][1] = mad(low, k1[0], mad(high, k1[1], score[r][1]));
            }
        }
        UNROLL
        for (int r = 0; r < 4; r++) {
            UNROLL
            for (int k = 0; k < 2; k++) {
                u32 j = j0 + column + 16 * k, p = position + r0 + r;
                float s = score[r][k] * a.scale;
                if (a.cap > 0.0f) s = a.cap * tanhf(s / a.cap);
                if (j > p || j >= end || (a.window && j + a.window <= p)) s = LEAST;
                weights[(r0 + r) * (AHEAD + 1) + column + 16 * k] = s;
            }
        }
        BARRIER();
        bring(ahead, values, j0, end);
        float *mine = weights + THREAD / 4 * (AHEAD + 1) + THREAD % 4 * 8;
        float top = most;
        UNROLL
        for (int i = 0; i < 8; i++) top = fmaxf(top, mine[i]);
        top = fmaxf(top, swapped(top, 1));
        top = fmaxf(top, swapped(top, 2));
        float added = 0.0f;
        UNROLL
        for (int i = 0; i < 8; i++) {
            mine[i] = mine[i] == LEAST ? 0.0f : expf(mine[i] - top);
            added += mine[i];
        }
        added += swapped(added, 1);
        added += swapped(added, 2);
        float shrink = most == LEAST ? 0.0f : expf(most - top);
        sum = sum * shrink + added;
        most = top;
        if (THREAD % 4 == 0) shrinks[THREAD / 4] = shrink;
        BARRIER();
        UNROLL
        for (int r = 0; r < 4; r++) {
            float shrink = shrinks[r0 + r];
            UNROLL
            for (int i = 0; i < 2 * PAIRS; i++) acc[r][i] *= shrink;
        }
        for (u32 j = 0; j < AHEAD; j++) {
            float v[2 * PAIRS];
            UNROLL
            for (int i = 0; i < PAIRS; i++) {
                u32 d = 2 * (column + 16 * i);
                if (d < PITCH) pair(ahead + j * STRIDE + d, v + 2 * i, v + 2 * i + 1);
                else v[2 * i] = v[2 * i + 1] = 0.0f;
            }
            UNROLL
            for (int r = 0; r < 4; r++) {
                float w = weights[(r0 + r) * (AHEAD + 1) + j];
                UNROLL
                for (int i = 0; i < 2 * PAIRS; i++) acc[r][i] = mad(w, v[i], acc[r][i]);
            }
        }
    }
    if (THREAD % 4 == 0) sums[THREAD / 4] = sum;
    BARRIER();
    UNROLL
    for (int r = 0; r < 4; r++) {
        if (r0 + r >= count) break;
        real *out = a.out + (u64)(row + r0 + r) * (HEADS * DIM) + head * DIM;
        UNROLL
        for (int i = 0; i < PAIRS; i++) {
            u32 d = 2 * (column + 16 * i);
            if (d < DIM) {
                out[d] = put(acc[r][2 * i] / sums[r0 + r]);
                out[d + 1] = put(acc[r][2 * i + 1] / sums[r0 + r]);
            }
        }
    }
}
