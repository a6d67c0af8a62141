//! From a block's coefficients to its samples: libjpeg's accurate integer transform (`jidctint`), after C. Loeffler,
//! A. Ligtenberg and G. Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (1989).

const BITS: u32 = 13;
const PASS: u32 = 2;

// Constants of the transform in 13 bits after the point.
const C0_298: i32 = 2446;
const C0_390: i32 = 3196;
const C0_541: i32 = 4433;
const C0_765: i32 = 6270;
const C0_899: i32 = 7373;
const C1_175: i32 = 9633;
const C1_501: i32 = 12299;
const C1_847: i32 = 15137;
const C1_961: i32 = 16069;
const C2_053: i32 = 16819;
const C2_562: i32 = 20995;
const C3_072: i32 = 25172;

/// One line or column; `shift` rounds the result.
fn pass(x: [i32; 8], shift: u32) -> [i32; 8] {
    let mul = i32::wrapping_mul;
    let add = i32::wrapping_add;
    let sub = i32::wrapping_sub;
    // Even part.
    let z1 = mul(add(x[2], x[6]), C0_541);
    let (t2, t3) = (sub(z1, mul(x[6], C1_847)), add(z1, mul(x[2], C0_765)));
    let (t0, t1) = (add(x[0], x[4]).wrapping_shl(BITS), sub(x[0], x[4]).wrapping_shl(BITS));
    let even = [add(t0, t3), add(t1, t2), sub(t1, t2), sub(t0, t3)];
    // Odd part.
    let (t0, t1, t2, t3) = (x[7], x[5], x[3], x[1]);
    let (z1, z2, z3, z4) = (add(t0, t3), add(t1, t2), add(t0, t2), add(t1, t3));
    let z5 = mul(add(z3, z4), C1_175);
    let (z1, z2) = (mul(z1, -C0_899), mul(z2, -C2_562));
    let (z3, z4) = (add(mul(z3, -C1_961), z5), add(mul(z4, -C0_390), z5));
    let odd = [
        add(add(mul(t3, C1_501), z1), z4),
        add(add(mul(t2, C3_072), z2), z3),
        add(add(mul(t1, C2_053), z2), z4),
        add(add(mul(t0, C0_298), z1), z3),
    ];
    let round = |value: i32| add(value, 1 << (shift - 1)) >> shift;
    let mut out = [0; 8];
    for i in 0..4 {
        out[i] = round(add(even[i], odd[i]));
        out[7 - i] = round(sub(even[i], odd[i]));
    }
    out
}

/// The 8 × 8 samples of a block.
pub(super) fn samples(block: &[i16; 64], quant: &[u16; 64]) -> [[u8; 8]; 8] {
    let mut work = [[0_i32; 8]; 8];
    for column in 0..8 {
        let line: [i32; 8] = std::array::from_fn(|y| {
            i32::from(block[y * 8 + column]).wrapping_mul(i32::from(quant[y * 8 + column]))
        });
        for (y, value) in pass(line, BITS - PASS).into_iter().enumerate() {
            work[y][column] = value;
        }
    }
    work.map(|line| pass(line, BITS + PASS + 3).map(|value| value.wrapping_add(128).clamp(0, 255) as u8))
}
