//! `#[derive(Module)]`: the path of a field is the name of its weight.
//!
//! Every field is taken for a module unless it is marked:
//! - `#[module(skip)]`: no module (a size, an option);
//! - `#[module(name = "net.0.proj")]`: a name that is no Rust identifier;
//! - `#[module(flatten)]`: the field's own fields count as fields of this struct.

use proc_macro::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Field, Fields, LitStr, parse_macro_input, parse_quote};

/// Implements `aquatint_nn::Module` for a struct with named fields, visiting them in order.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: DeriveInput) -> Result<proc_macro2::TokenStream, Error> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "Module can be derived for structs only"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "the fields of a Module must have names"));
    };
    let mut visits = Vec::new();
    let mut visits_mut = Vec::new();
    for field in &fields.named {
        let Some(name) = weight_name(field)? else { continue };
        let ident = &field.ident;
        visits.push(quote! {
            ::aquatint_nn::Module::visit(&self.#ident, &::aquatint_nn::join(path, #name), f);
        });
        visits_mut.push(quote! {
            ::aquatint_nn::Module::visit_mut(&mut self.#ident, &::aquatint_nn::join(path, #name), f);
        });
    }
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::aquatint_nn::Module));
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl #impl_generics ::aquatint_nn::Module for #ident #type_generics #where_clause {
            fn visit<'module>(
                &'module self,
                path: &str,
                f: &mut dyn FnMut(&str, &'module ::aquatint_nn::Param),
            ) {
                #(#visits)*
            }

            fn visit_mut<'module>(
                &'module mut self,
                path: &str,
                f: &mut dyn FnMut(&str, &'module mut ::aquatint_nn::Param),
            ) {
                #(#visits_mut)*
            }
        }
    })
}

/// What the field adds to the path: nothing (`Some("")`) if flattened, `None` if skipped.
fn weight_name(field: &Field) -> Result<Option<String>, Error> {
    let ident = field.ident.as_ref().expect("the fields were checked to have names");
    let mut name = Some(ident.unraw().to_string());
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            name = if meta.path.is_ident("skip") {
                None
            } else if meta.path.is_ident("flatten") {
                Some(String::new())
            } else if meta.path.is_ident("name") {
                Some(meta.value()?.parse::<LitStr>()?.value())
            } else {
                return Err(meta.error("expected `skip`, `flatten` or `name = \"...\"`"));
            };
            Ok(())
        })?;
    }
    Ok(name)
}
