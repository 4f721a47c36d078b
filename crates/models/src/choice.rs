//! Enums of layers, where a configuration chooses which layer stands in a place.

/// Implements `Module` for an enum whose variants hold one module each. The place has one name,
/// whichever layer stands there, so the variant adds nothing to the path.
macro_rules! module_of_choice {
    ($choice:ident { $($variant:ident),+ $(,)? }) => {
        impl aquatint_nn::Module for $choice {
            fn visit<'a>(
                &'a self,
                path: &str,
                f: &mut dyn FnMut(&str, &'a aquatint_nn::Param),
            ) {
                match self {
                    $(Self::$variant(module) => module.visit(path, f),)+
                }
            }

            fn visit_mut<'a>(
                &'a mut self,
                path: &str,
                f: &mut dyn FnMut(&str, &'a mut aquatint_nn::Param),
            ) {
                match self {
                    $(Self::$variant(module) => module.visit_mut(path, f),)+
                }
            }
        }
    };
}

pub(crate) use module_of_choice;
