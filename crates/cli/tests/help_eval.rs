//! The help text of measuring, so that a change of it is seen.

mod common;

use common::succeed;
use expect_test::expect;

#[test]
fn eval() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let help = succeed(folder.path(), &["eval", "--help"]);
    // Lines are padded, which no editor likes.
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    expect![[r#"
        Measure pictures: FID, Inception score, KID, precision and recall, CLIP score, reconstruction.

        A and B are folders of pictures, tar archives of pictures (or folders of such), or .npz files with the statistics of some. Pictures that cannot be read are counted and named; what is transparent becomes white.

        Usage: aquatint eval [OPTIONS] <METRIC> <A> [B]

        Arguments:
          <METRIC>
                  What to measure

                  Possible values:
                  - fid:            Fréchet Inception distance of A and B, in memory that does not grow with the pictures
                  - is:             Inception score of A
                  - kid:            Kernel Inception distance of A and B
                  - prdc:           Precision, recall, density and coverage of A by B
                  - nearest:        Which pictures of B are nearest to those of A
                  - clip:           How well the pictures of A fit their captions (metadata.jsonl, or .txt files)
                  - reconstruction: What a model's autoencoder keeps of A: PSNR, SSIM, rFID, and bits a pixel

          <A>
                  Pictures to measure, or their statistics

          [B]
                  What to measure them by: pictures or statistics; for clip, the folder of a CLIP model as transformers saves it; for reconstruction, a model [default: the built-in one]

        Options:
              --features <FILE>
                  Weights of the network that looks at pictures: pt_inception-2015-12-05-6726825d.pth of pytorch-fid, or torch-fidelity's; with EfficientNet-Lite0's, distances are called FD-EffNet and KD-EffNet

              --like <NAME>
                  Whose way of scaling pictures to Inception's size; distances are comparable only within one

                  Possible values:
                  - torch-fidelity: That of TensorFlow 1, which the first FID was computed with
                  - pytorch-fid:    That of PyTorch

                  [default: torch-fidelity]

              --json
                  Print one line of JSON instead of the numbers

              --report <FILE>
                  Write a page with numbers, plots and pictures (.html), or the pictures alone (.png)

              --save-stats <FILE.npz>
                  Write the statistics of A, to be given in its place later; for kid and prdc, with all features

              --max <N>
                  Look at N pictures of each set at most [default: all; 50000 where features are kept in memory: is, kid, prdc, nearest]

              --batch <N>
                  Pictures at once

                  [default: 16]

              --threads <N>
                  Threads to compute with; the result is the same for any number [default: physical cores]

          -h, --help
                  Print help (see a summary with '-h')

        Single measurements:
              --splits <N>
                  is: parts that the pictures are divided into [default: 10]

              --subsets <N>
                  kid: subsets that are averaged over [default: 100]

              --subset-size <N>
                  kid: pictures of each set in a subset; fewer if there are fewer [default: 1000]

              --seed <N>
                  is, kid: how pictures are mixed, as torch-fidelity does it [default: 2020]

              --neighbours <K>
                  prdc: the neighbour that balls around features reach to [default: 5]

              --size <PIXELS>
                  reconstruction: width and height of the pictures [default: the model's]

              --perceptual <FILE>
                  reconstruction: weights of a network for the perceptual distance, VGG16 (torchvision's or the lpips package's) or EfficientNet-Lite0

              --heads <FILE>
                  reconstruction: LPIPS's weights of VGG16's channels, if they are in a file of their own
    "#]].assert_eq(&format!("{}\n", help.join("\n")));
}
