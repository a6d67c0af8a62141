// Attention of one new token in each sequence over its keys and values in the cache, in one pass: running maximum,
// sum and weighted values ("Online normalizer calculation for softmax", Milakov & Gimelshein 2018).
//
// A block handles one row, one key head, and up to TILE query heads that share it, so that keys and values are read
// once for all of them. A team of LANES threads holds one key, PACKS times eight features in each thread. Teams take
// turns with KEYS consecutive keys, and combine their results in the end.

#define TEAMS (128 / LANES)
#define KEYS 4
#define SPAN (LANES * 8 * PACKS)

struct Decode {
    const real *qkv;
    const real *keys;
    const real *values;
    const u32 *places;
    real *out;
    u32 capacity;
    // Sliding window: positions that a token sees, its own included; 0 means all.
    u32 window;
    float scale;
    // Soft cap of the scores; 0 means none.
    float cap;
};

DEVICE float capped(float score, float cap) { return cap > 0.0f ? cap * tanhf(score / cap) : score; }

// A thread's features of KEYS consecutive keys from `j0` on. Beyond the end the last key is repeated; it gets no weight.
DEVICE void gather(struct eight (*kept)[PACKS], const real *from, u32 j0, u32 end, u32 lane) {
    UNROLL
    for (int u = 0; u < KEYS; u++) {
        u32 j = j0 + u < end ? j0 + u : end - 1;
        UNROLL
        for (int p = 0; p < PACKS; p++) {
            u32 d = (p * LANES + lane) * 8;
            kept[u][p] = fetch8(from + (u64)j * PITCH + (d < PITCH ? d : 0));
        }
    }
}

KERNEL(decode, Decode, 128) {
    SHARED float mixed[TEAMS * TILE * SPAN];
    SHARED float greatest[TEAMS * TILE];
    SHARED float sums[TEAMS * TILE];
    u32 lane = THREAD % LANES, team = THREAD / LANES;
    u32 row = BLOCK_X, kv = BLOCK_Y, first = BLOCK_Z * TILE;
    u32 slot = a.places[2 * row], end = a.places[2 * row + 1] + 1;
    u32 begin = a.window && end > a.window ? end - a.window : 0;
    const real *keys = a.keys + ((u64)slot * KV_HEADS + kv) * a.capacity * PITCH;
    const real *values = a.values + ((u64)slot * KV_HEADS + kv) * a.capacity * PITCH;

    float q[TILE][8 * PACKS], acc[TILE][8 * PACKS], most[TILE], sum[TILE];
    UNROLL
    for (int h = 0; h < TILE; h++) {
        // Beyond the last head the last one is computed again and not written.
        u32 head = first + h < GROUP ? first + h : GROUP - 1;
        const real *from = a.qkv + (u64)row * ((HEADS + 2 * KV_HEADS) * DIM) + (kv * GROUP + head) * DIM;
        most[h] = LEAST;
        sum[h] = 0.0f;
        UNROLL
        for (int p = 0; p < PACKS; p++) {
            u32 d = (p * LANES + lane) * 8;
            load8(from + d, d < DIM ? left8(d, DIM) : 0, q[h] + 8 * p);
            UNROLL
            for (int i = 0; i < 8; i++) {
                q[h][8 * p + i] *= a.scale;
                acc[h][8 * p + i] = 0.0f;
            }
        }
    }

    // Every team makes the same number of rounds, because all threads of a warp must exchange together.
    u32 rounds = (end - begin + TEAMS * KEYS - 1) / (TEAMS * KEYS);
    for (u32 round = 0; round < rounds; round++) {
        u32 j0 = begin + (round * TEAMS + team) * KEYS;
        struct eight kept[KEYS][PACKS];
        float score[KEYS][TILE];
        gather(kept, keys, j0, end, lane);
        UNROLL
        for (int u = 0; u < KEYS; u++) {
            UNROLL
            for (int h = 0; h < TILE; h++) score[u][h] = 0.0f;
            UNROLL
            for (int p = 0; p < PACKS; p++) {
                float k[8];
                unpack8(kept[u][p], k);
                UNROLL
                for (int h = 0; h < TILE; h++) {
                    UNROLL
                    for (int i = 0; i < 8; i++) score[u][h] = mad(q[h][8 * p + i], k[i], score[u][h]);
                }
            }
        }
        gather(kept, values, j0, end, lane);
        UNROLL
        for (int h = 0; h < TILE; h++) {
            float top = most[h];
            UNROLL
            for (int u = 0; u < KEYS; u++) {
                float s = score[u][h];
                UNROLL
                for (int mask = LANES / 2; mask; mask >>= 1) s += swapped(s, mask);
                s = j0 + u < end ? capped(s, a.cap) : LEAST;
                score[u][h] = s;
                top = fmaxf(top, s);
            }
            // A team that has seen no key yet has nothing to rescale.
            float shrink = most[h] == LEAST ? 0.0f : expf(most[h] - top);
            sum[h] *= shrink;
            UNROLL
            for (int i = 0; i < 8 * PACKS; i++) acc[h][i] *= shrink;
            UNROLL
            for (int u = 0; u < KEYS; u++) {
                score[u][h] = j0 + u < end ? expf(score[u][h] - top) : 0.0f;
                sum[h] += score[u][h];
            }
            most[h] = top;
        }
        UNROLL
        for (int u = 0; u < KEYS; u++) {
            UNROLL
            for (int p = 0; p < PACKS; p++) {
                float v[8];
                unpack8(kept[u][p], v);
                UNROLL
                for (int h = 0; h < TILE; h++) {
                    UNROLL
                    for (int i = 0; i < 8; i++) acc[h][8 * p + i] = mad(score[u][h], v[i], acc[h][8 * p + i]);
                }
            }
        }
    }

    UNROLL
    for (int h = 0; h < TILE; h++) {
        u32 at = team * TILE + h;
        if (lane == 0) {
            greatest[at] = most[h];
            sums[at] = sum[h];
        }
        UNROLL
        for (int p = 0; p < PACKS; p++) {
            UNROLL
            for (int i = 0; i < 8; i++) mixed[at * SPAN + (p * LANES + lane) * 8 + i] = acc[h][8 * p + i];
        }
    }
    BARRIER();
    for (u32 c = THREAD; c < TILE * DIM; c += 128) {
        u32 h = c / DIM, d = c % DIM;
        if (first + h >= GROUP) break;
        float top = LEAST, total = 0.0f, value = 0.0f;
        for (u32 t = 0; t < TEAMS; t++) top = fmaxf(top, greatest[t * TILE + h]);
        for (u32 t = 0; t < TEAMS; t++) {
            u32 at = t * TILE + h;
            float part = greatest[at] == LEAST ? 0.0f : expf(greatest[at] - top);
            total = mad(part, sums[at], total);
            value = mad(part, mixed[at * SPAN + d], value);
        }
        a.out[(u64)row * (HEADS * DIM) + (kv * GROUP + first + h) * DIM + d] = put(value / total);
    }
}
