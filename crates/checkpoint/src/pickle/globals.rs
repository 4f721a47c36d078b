//! What the names in a pickle mean.

/// Modules that no weights have ever needed. To name one of theirs is enough to be refused.
const FORBIDDEN: &[&str] = &[
    "_frozen_importlib",
    "_io",
    "_pickle",
    "_posixsubprocess",
    "_socket",
    "_thread",
    "asyncio",
    "bdb",
    "cProfile",
    "code",
    "codeop",
    "commands",
    "cffi",
    "ctypes",
    "dill",
    "distutils",
    "doctest",
    "ensurepip",
    "fileinput",
    "ftplib",
    "http",
    "httplib",
    "idlelib",
    "imaplib",
    "imp",
    "importlib",
    "inspect",
    "io",
    "joblib",
    "lib2to3",
    "marshal",
    "multiprocessing",
    "nt",
    "ntpath",
    "os",
    "pdb",
    "pickle",
    "pip",
    "pipes",
    "pkgutil",
    "popen2",
    "posix",
    "posixpath",
    "pty",
    "pydoc",
    "requests",
    "runpy",
    "setuptools",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "test",
    "threading",
    "timeit",
    "trace",
    "types",
    "urllib",
    "urllib2",
    "venv",
    "webbrowser",
    "xmlrpc",
    "zipimport",
];

/// The types among Python's built-in names. The functions, `eval` for one, are refused.
const BUILT_IN_TYPES: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "long",
    "unicode",
    "Ellipsis",
    "NotImplemented",
];

/// Whatever else may be called: constructors without effects whose values nobody looks at. They are
/// not called here either.
const INERT: &[&str] = &[
    "_codecs.encode",
    "argparse.Namespace",
    "collections.Counter",
    "collections.deque",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "decimal.Decimal",
    "fractions.Fraction",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "torch.device",
    "torch.serialization._get_layout",
    "uuid.UUID",
];

/// Libraries whose classes Lightning's files hold: enumerations, for example, are pickled as calls of
/// their class.
const LIGHTNING: &[&str] = &["lightning", "lightning_fabric", "omegaconf", "pytorch_lightning"];

/// `module.name`, with the modules that Python 3 renamed under their new names: protocol 2 writes
/// the old ones.
pub(super) fn full_name(module: &str, name: &str) -> String {
    let module = match module {
        "__builtin__" => "builtins",
        "copy_reg" => "copyreg",
        "commands" => "subprocess",
        other => other,
    };
    format!("{module}.{name}")
}

/// Whether the very name is a reason to refuse the file.
pub(super) fn is_forbidden(full_name: &str) -> bool {
    let root = full_name.split('.').next().unwrap_or_default();
    match full_name.strip_prefix("builtins.") {
        Some(name) => !BUILT_IN_TYPES.contains(&name),
        None => FORBIDDEN.contains(&root),
    }
}

/// Whether a call of this name may stand in a file. It is not made.
pub(super) fn is_inert(full_name: &str) -> bool {
    let root = full_name.split('.').next().unwrap_or_default();
    let last = full_name.rsplit('.').next().unwrap_or_default();
    let class = last.starts_with(|c: char| c.is_ascii_uppercase());
    INERT.contains(&full_name)
        || root == "builtins" && !is_forbidden(full_name)
        || class && LIGHTNING.contains(&root)
}

/// The number format of a storage class, in the spelling of safetensors.
pub(super) fn storage_dtype(full_name: &str) -> Option<&'static str> {
    let class = full_name.strip_prefix("torch.")?;
    let class = class.strip_prefix("cuda.").or(class.strip_prefix("storage.")).unwrap_or(class);
    Some(match class {
        "DoubleStorage" => "F64",
        "FloatStorage" => "F32",
        "HalfStorage" => "F16",
        "BFloat16Storage" => "BF16",
        "LongStorage" => "I64",
        "IntStorage" => "I32",
        "ShortStorage" => "I16",
        "CharStorage" => "I8",
        "ByteStorage" | "UntypedStorage" | "_UntypedStorage" => "U8",
        "BoolStorage" => "BOOL",
        "ComplexFloatStorage" => "C64",
        _ => return None,
    })
}

/// A `torch.dtype` in the spelling of safetensors.
pub(super) fn dtype(full_name: &str) -> Option<&'static str> {
    Some(match full_name.strip_prefix("torch.")? {
        "float64" => "F64",
        "float32" => "F32",
        "float16" => "F16",
        "bfloat16" => "BF16",
        "int64" => "I64",
        "int32" => "I32",
        "int16" => "I16",
        "int8" => "I8",
        "uint64" => "U64",
        "uint32" => "U32",
        "uint16" => "U16",
        "uint8" => "U8",
        "bool" => "BOOL",
        "complex64" => "C64",
        "float8_e4m3fn" => "F8_E4M3",
        "float8_e5m2" => "F8_E5M2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_run_code_are_forbidden_and_types_are_not() {
        for name in ["os.system", "posix.system", "builtins.eval", "builtins.getattr", "sys.exit"] {
            assert!(is_forbidden(name), "{name}");
            assert!(!is_inert(name), "{name}");
        }
        assert!(is_forbidden(&full_name("__builtin__", "exec")));
        assert!(is_forbidden("importlib.machinery.SourceFileLoader"));
        assert!(!is_forbidden("builtins.set") && is_inert("builtins.set"));
        assert!(!is_forbidden("osmosis.x"));
        assert!(is_inert("pytorch_lightning.trainer.states.TrainerFn"));
        assert!(!is_inert("pytorch_lightning.utilities.load"));
        assert!(!is_inert("torch.load") && !is_inert("torch.hub.load"));
    }
}
