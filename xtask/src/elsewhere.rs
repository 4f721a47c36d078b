//! `cargo xtask elsewhere`: the tests of the kernels where this machine cannot run them by itself.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tidy;

/// How Miri is to watch. Rayon's queues turn integers into pointers, and its threads never end.
const WATCH: &str = "-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks";

/// AVX2 and AVX-VNNI, and no AVX-512 as the kernels see it: they ask for more than the parts that
/// Miri wants for the instruction in either encoding.
const VNNI: &str = "-C target-feature=+avx2,+fma,+avxvnni,+avx512vnni,+avx512vl";

/// The target of 64-bit Arm.
const ARM: &str = "aarch64-unknown-linux-gnu";

/// Options of `cargo xtask elsewhere`.
#[derive(clap::Args)]
pub struct Args {
    /// Where to run them.
    place: Place,
    /// Only tests whose names contain one of these. For Miri these are the small shapes unless
    /// something else is said: the rest takes it hours.
    tests: Vec<String>,
}

/// A machine that is not this one.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Place {
    /// Miri, which watches every access to memory. Needs `rustup +nightly component add miri
    /// rust-src`.
    Miri,
    /// A chip with AVX-VNNI that has no AVX-512, in Miri, which knows the instruction: its products
    /// of bytes, unless other tests are named.
    Vnni,
    /// 64-bit Arm with NEON, in QEMU. Needs `rustup target add aarch64-unknown-linux-gnu` and
    /// Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.
    Arm,
}

/// Runs them.
pub fn run(args: Args) -> Result<()> {
    let mut command = Command::new("rustup");
    command.current_dir(tidy::root());
    let mut tests: Vec<&str> = args.tests.iter().map(String::as_str).collect();
    match args.place {
        Place::Miri => {
            command.args(["run", "nightly", "cargo", "miri", "test"]).env("MIRIFLAGS", WATCH);
            if tests.is_empty() {
                tests.extend(["small_shapes", "testing::"]);
            }
        }
        Place::Vnni => {
            command.args(["run", "nightly", "cargo", "miri", "test"]).env("MIRIFLAGS", WATCH);
            command.env("RUSTFLAGS", VNNI);
            if tests.is_empty() {
                tests.extend(["int8::kernel", "small_shapes::bytes"]);
            }
        }
        Place::Arm => {
            command.args(["run", "stable", "cargo", "test", "--release", "--target", ARM]);
            command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
            let emulator = "qemu-aarch64 -L /usr/aarch64-linux-gnu";
            command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", emulator);
        }
    }
    command.args(["--package", "aquatint-kernels", "--lib", "--"]).args(tests);
    let status = command.status().context("rustup could not be started: it is at rustup.rs")?;
    ensure!(status.success(), "the tests did not pass");
    Ok(())
}
