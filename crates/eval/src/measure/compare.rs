//! Two sets of pictures, or one by itself, by the features of a network.

use aquatint_models::InceptionV3;

use super::gather::{Gathered, Wanted, gather, small};
use super::{Input, Options, key};
use crate::distances::{self, KernelOptions};
use crate::report::{Figure, Histogram, Report, Sheet};
use crate::{EvalError, Features, Watch};

/// Both sets.
fn both(
    [a, b]: [&Input; 2],
    network: Option<&dyn Features>,
    wanted: Wanted,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<[Gathered; 2], EvalError> {
    let a = gather(a, network, wanted, "A", options, watch)?;
    save(&a, options)?;
    let b = gather(b, network, wanted, "B", options, watch)?;
    if a.dims != b.dims {
        let ([one, other], [n, m]) = ([&a.set.path, &b.set.path], [a.dims, b.dims]);
        return Err(EvalError::Pictures(format!(
            "{one} has {n} features a picture and {other} {m}: they are of different networks"
        )));
    }
    Ok([a, b])
}

/// Writes the statistics of a set where that is wanted.
fn save(gathered: &Gathered, options: &Options) -> Result<(), EvalError> {
    let (Some(path), Some(statistics)) = (&options.save, &gathered.statistics) else {
        return Ok(());
    };
    let features = (!gathered.features.is_empty()).then_some(&gathered.features[..]);
    let written = statistics.write(path, features);
    written.map_err(|error| EvalError::system(path, "cannot be written", &error))
}

/// What the Fréchet and the kernel distance are called. Statistics do not say of which network they
/// are, but as many numbers as Inception's are Inception's wherever people exchange them.
fn names(network: Option<&dyn Features>, dims: usize) -> [&'static str; 2] {
    match network {
        Some(network) => network.distance_names(),
        None if dims == InceptionV3::FEATURES => ["FID", "KID"],
        None => ["Frechet distance", "kernel distance"],
    }
}

fn report(
    metric: &'static str,
    network: Option<&dyn Features>,
    figures: Vec<Figure>,
    sets: impl IntoIterator<Item = Gathered>,
) -> Report {
    let mut report =
        Report { metric, network: network.map(Features::name), figures, ..Report::default() };
    for gathered in sets {
        report.sets.push(gathered.set);
        report.notes.extend(gathered.note);
        report.sheets.push(gathered.sheet);
    }
    report
}

/// The Fréchet distance of two sets, in memory that does not depend on how many pictures there are.
///
/// # Errors
/// If a set cannot be read or has fewer than two pictures.
pub fn fid(
    inputs: [&Input; 2],
    network: Option<&dyn Features>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Report, EvalError> {
    let sets = both(inputs, network, Wanted::Statistics, options, watch)?;
    for set in &sets {
        at_least(2, set.set.pictures.unwrap_or(2), set)?;
    }
    let [a, b] = sets.each_ref().map(|set| set.statistics.as_ref());
    let (Some(a), Some(b)) = (a, b) else { unreachable!("statistics were wanted") };
    let distance = distances::frechet_distance(a, b);
    let dims = sets[0].dims;
    let [title, _] = names(network, dims);
    let figures = vec![Figure::new(&key(title), title, distance)];
    let notes: Vec<String> = sets.iter().filter_map(|set| few(set, dims)).collect();
    let mut report = report("fid", network, figures, sets);
    report.notes.extend(notes);
    Ok(report)
}

/// What to know about a set with fewer pictures than features.
fn few(set: &Gathered, dims: usize) -> Option<String> {
    let count = set.set.pictures.filter(|&count| count <= dims)?;
    Some(format!(
        "{}: {count} pictures do not determine a covariance of {dims} features, so the distance is \
         too large; compare it only with distances of as many pictures",
        set.set.path
    ))
}

fn at_least(least: usize, count: usize, set: &Gathered) -> Result<(), EvalError> {
    if count >= least {
        return Ok(());
    }
    let path = &set.set.path;
    Err(EvalError::Pictures(format!("{path} has {count} pictures: at least {least} are needed")))
}

/// The Inception score of one set.
///
/// # Errors
/// As [`fid`].
pub fn inception_score(
    input: &Input,
    network: Option<&dyn Features>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Report, EvalError> {
    let set = gather(input, network, Wanted::Logits, "A", options, watch)?;
    let count = set.set.pictures.unwrap_or(0);
    at_least(options.splits.max(1), count, &set)?;
    let classes = set.logits.len() / count;
    let splits = options.splits.max(1);
    let score = distances::inception_score(&set.logits, classes, splits, Some(options.seed));
    let figures = vec![
        Figure::new("inception_score", "Inception score", score.mean),
        Figure::new(
            "inception_score_std",
            format!("standard deviation over {splits} parts"),
            score.std,
        ),
    ];
    Ok(report("is", network, figures, [set]))
}

/// The kernel Inception distance of two sets.
///
/// # Errors
/// As [`fid`].
pub fn kid(
    inputs: [&Input; 2],
    network: Option<&dyn Features>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Report, EvalError> {
    let sets = both(inputs, network, Wanted::Features, options, watch)?;
    for set in &sets {
        at_least(2, set.count(), set)?;
    }
    let [a, b] = &sets;
    let found = distances::kernel_distance(&a.features, &b.features, a.dims, options.kernel);
    let KernelOptions { subsets, size, .. } = options.kernel;
    let of = format!("{subsets} subsets of {} pictures", found.size);
    let [_, title] = names(network, a.dims);
    let figures = vec![
        Figure::new(&key(title), title, found.mean),
        Figure::new(
            &format!("{}_std", key(title)),
            format!("standard deviation over {of}"),
            found.std,
        ),
        Figure::new("subset_size", "pictures in a subset", found.size as f64),
    ];
    let mut report = report("kid", network, figures, sets);
    if found.size < size {
        report.notes.push(format!(
            "a set has fewer than {size} pictures, so subsets have {}; the mean is unbiased all \
             the same, the standard deviation is not that of others",
            found.size
        ));
    }
    Ok(report)
}

/// Precision, recall, density and coverage of a set (the first) by a reference (the second).
///
/// # Errors
/// As [`fid`].
pub fn prdc(
    inputs: [&Input; 2],
    network: Option<&dyn Features>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Report, EvalError> {
    let sets = both(inputs, network, Wanted::Features, options, watch)?;
    for set in &sets {
        at_least(options.neighbours + 1, set.count(), set)?;
    }
    let [a, b] = &sets;
    let found = distances::manifolds(&a.features, &b.features, a.dims, options.neighbours);
    let figures = vec![
        Figure::new("precision", "precision", found.precision),
        Figure::new("recall", "recall", found.recall),
        Figure::new("density", "density", found.density),
        Figure::new("coverage", "coverage", found.coverage),
    ];
    let mut report = report("prdc", network, figures, sets);
    let k = options.neighbours;
    report.notes.push(format!("A was measured by B, with balls that reach to neighbour {k}"));
    Ok(report)
}

/// Rows of a sheet of neighbours, and neighbours in a row.
const SHOWN: usize = 16;
const NEIGHBOURS: usize = 5;

/// For pictures of the first set those of the second that are nearest: whether a model has learned
/// its training pictures by heart.
///
/// # Errors
/// As [`fid`]; and if one of the sets is not pictures.
pub fn nearest(
    inputs: [&Input; 2],
    network: Option<&dyn Features>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Report, EvalError> {
    let [pictures, reference] =
        [inputs[0].pictures("showing neighbours")?, inputs[1].pictures("showing neighbours")?];
    let [a, b] = both(inputs, network, Wanted::Features, options, watch)?;
    let k = NEIGHBOURS.min(b.count());
    let found = distances::nearest(&a.features, &b.features, a.dims, k);
    let distances: Vec<f64> = found.iter().map(|row| row[0].distance).collect();
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|&i, &j| distances[i].total_cmp(&distances[j]));
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let median = distances[order[order.len() / 2]];
    let figures = vec![
        Figure::new("nearest_mean", "mean distance to the nearest", mean),
        Figure::new("nearest_median", "median distance to the nearest", median),
        Figure::new("nearest_least", "least distance to the nearest", distances[order[0]]),
    ];
    // Those that are most like a picture of the reference come first.
    order.truncate(SHOWN);
    let names = |i: usize| found[i].iter().map(|n| b.names[n.index].clone());
    let own: Vec<String> = order.iter().map(|&i| a.names[i].clone()).collect();
    let others: Vec<String> = order.iter().flat_map(|&i| names(i)).collect();
    let (own, others) = (pictures.fetch(&own)?, reference.fetch(&others)?);
    let mut sheet = Vec::new();
    for (own, others) in own.iter().zip(others.chunks(k)) {
        sheet.push(small(&own.picture));
        sheet.extend(others.iter().map(|named| small(&named.picture)));
    }
    let title = format!("Pictures of A, each with the {k} nearest of B");
    let sheet = Sheet { title, columns: k + 1, pictures: sheet };
    let mut report = report("nearest", network, figures, [a, b]);
    report.sheets = vec![sheet];
    let title = "Distance to the nearest".into();
    report.histograms.push(Histogram { title, values: distances });
    Ok(report)
}
