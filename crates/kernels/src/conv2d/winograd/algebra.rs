//! The minimal algorithms F(2, 3) and F(4, 3), one line of a tile at a time.
//!
//! F(2, 3) interpolates at 0, ±1 and ∞, as Lavin and Gray do (section 4.1). For F(4, 3) they take
//! 0, ±1, ±2 and ∞; here it is 0, ±2/3, ±3/2 and ∞, which halves the rounding errors: numbers and
//! their reciprocals keep both the powers and the differences of the points small (Alam et al.,
//! "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", arXiv 2201.10369).

use super::lanes::Lanes;

/// The inner points of F(4, 3) are `±A` and `±B`, with `A · B = 1`.
const A: f64 = 2.0 / 3.0;
const B: f64 = 1.5;

/// `G` of F(2, 3): what the three elements of a kernel's line become.
pub(super) const G2: [[f64; 3]; 4] =
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// `G` of F(4, 3): rows `(1, p, p²) / Π (p - q)` over the other finite points `q`, and `(0, 0, 1)`.
pub(super) const G4: [[f64; 3]; 6] = {
    let at_a = 1.0 / (2.0 * A * A * (A * A - B * B));
    let at_b = 1.0 / (2.0 * B * B * (B * B - A * A));
    [
        [1.0, 0.0, 0.0],
        [at_a, A * at_a, A * A * at_a],
        [at_a, -A * at_a, A * A * at_a],
        [at_b, B * at_b, B * B * at_b],
        [at_b, -B * at_b, B * B * at_b],
        [0.0, 0.0, 1.0],
    ]
};

/// `G g`: what the three elements of a kernel's line become.
#[inline(always)]
pub(super) fn kernel<V: Lanes, const T: usize>(g: [V; 3]) -> [V; T] {
    let mut u = [g[0]; T];
    let rows: &[(usize, [f64; 3])] = if T == 4 { &[(1, G2[1])] } else { &[(1, G4[1]), (3, G4[3])] };
    for &(at, row) in rows {
        // `g₀ + p² g₂ ± p g₁` over the product of differences, the two for `p` and `-p`.
        let [a, b, c] = [row[0] as f32, row[1] as f32, row[2] as f32];
        let even = g[2].scaled_add(c, g[0].scaled(a));
        u[at] = g[1].scaled_add(b, even);
        u[at + 1] = g[1].scaled_add(-b, even);
    }
    u[T - 1] = g[2];
    u
}

/// `Bᵀ d`: four or six inputs in a line.
#[inline(always)]
pub(super) fn input<V: Lanes, const T: usize>(d: [V; T]) -> [V; T] {
    let mut v = d;
    if T == 4 {
        v[0] = d[0].sub(d[2]);
        v[1] = d[1].add(d[2]);
        v[2] = d[2].sub(d[1]);
        v[3] = d[3].sub(d[1]);
    } else {
        const BOTH: f32 = -(A * A + B * B) as f32;
        v[0] = d[2].scaled_add(BOTH, d[0].add(d[4]));
        // x (x ± p) (x² - q²): the part that is the same for both signs, and the other.
        for (i, p, q) in [(1, A, B), (3, B, A)] {
            let same = d[2].scaled_add(-(q * q) as f32, d[4]);
            let other = d[1].scaled_add(-(q * q) as f32, d[3]);
            v[i] = other.scaled_add(p as f32, same);
            v[i + 1] = other.scaled_add(-p as f32, same);
        }
        v[5] = d[3].scaled_add(BOTH, d[1].add(d[5]));
    }
    v
}

/// `Aᵀ m`: two outputs from four positions or four from six, the rest unspecified.
#[inline(always)]
pub(super) fn output<V: Lanes, const T: usize>(m: [V; T]) -> [V; T] {
    let mut y = m;
    let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
    if T == 4 {
        y[0] = m[0].add(sum);
        y[1] = difference.add(m[3]);
    } else {
        let (sum_b, difference_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        y[0] = m[0].add(sum).add(sum_b);
        y[1] = difference_b.scaled_add(B as f32, difference.scaled(A as f32));
        y[2] = sum_b.scaled_add((B * B) as f32, sum.scaled((A * A) as f32));
        y[3] = difference.scaled_add((A * A * A) as f32, m[5]);
        y[3] = difference_b.scaled_add((B * B * B) as f32, y[3]);
    }
    y
}

/// `A y`, the adjoint of [`output`]: what the gradients of two or four outputs are at the positions.
/// The last two of `y` are not looked at.
#[inline(always)]
pub(super) fn output_adjoint<V: Lanes, const T: usize>(y: [V; T]) -> [V; T] {
    let mut m = y;
    if T == 4 {
        m[1] = y[0].add(y[1]);
        m[2] = y[0].sub(y[1]);
        m[3] = y[1];
    } else {
        for (i, p) in [(1, A), (3, B)] {
            let even = y[2].scaled_add((p * p) as f32, y[0]);
            let odd = y[3].scaled((p * p * p) as f32);
            let odd = y[1].scaled_add(p as f32, odd);
            m[i] = even.add(odd);
            m[i + 1] = even.sub(odd);
        }
        m[5] = y[3];
    }
    m
}

/// `Gᵀ u`, the adjoint of [`kernel`]: what gradients at the positions are for the three elements of
/// a kernel's line.
#[inline(always)]
pub(super) fn kernel_adjoint<V: Lanes, const T: usize>(u: [V; T]) -> [V; 3] {
    let mut g = [u[0], V::splat(0.0), u[T - 1]];
    let rows: &[(usize, [f64; 3])] = if T == 4 { &[(1, G2[1])] } else { &[(1, G4[1]), (3, G4[3])] };
    for &(at, row) in rows {
        let [a, b, c] = [row[0] as f32, row[1] as f32, row[2] as f32];
        let (sum, difference) = (u[at].add(u[at + 1]), u[at].sub(u[at + 1]));
        g = [sum.scaled_add(a, g[0]), difference.scaled_add(b, g[1]), sum.scaled_add(c, g[2])];
    }
    g
}
