//! What kinds of columns a Parquet file has.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, Type, TypePtr};

use crate::data::source::CAPTIONS;

/// The schema without what may be large: bytes, and structs other than that of the picture, of
/// which the path is left.
pub(super) fn said(root: &Type, picture: &TypePtr) -> Type {
    let kept = root.get_fields().iter().filter_map(|field| {
        if field.name() != picture.name() {
            return has_texts_only(field).then(|| field.clone());
        }
        if !field.is_group() {
            return is_text(field).then(|| field.clone());
        }
        let path = field.get_fields().iter().find(|inner| inner.name() == "path" && is_text(inner));
        let alone = Type::group_type_builder(field.name())
            .with_repetition(field.get_basic_info().repetition())
            .with_fields(vec![path?.clone()]);
        alone.build().ok().map(Arc::new)
    });
    let kept = kept.collect();
    let built = Type::group_type_builder(root.name()).with_fields(kept).build();
    built.expect("a part of a schema is one")
}

/// Whether it is one value or a list of them, and none is of raw bytes.
fn has_texts_only(field: &Type) -> bool {
    if field.is_primitive() {
        return !is_bytes(field) || is_text(field) || CAPTIONS.contains(&field.name());
    }
    let list = field.get_basic_info().converted_type() == ConvertedType::LIST;
    let inside = |group: &Type| group.get_fields().iter().all(|inner| leaves_are_texts(inner));
    list && inside(field)
}

fn leaves_are_texts(field: &Type) -> bool {
    match field.is_primitive() {
        true => !is_bytes(field) || is_text(field),
        false => field.get_fields().iter().all(|inner| leaves_are_texts(inner)),
    }
}

fn is_bytes(field: &Type) -> bool {
    matches!(field.get_physical_type(), Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY)
}

fn is_text(field: &Type) -> bool {
    let info = field.get_basic_info();
    let named = matches!(info.logical_type_ref(), Some(LogicalType::String));
    field.is_primitive() && (named || info.converted_type() == ConvertedType::UTF8)
}

/// Whether it has bytes that are no text.
pub(super) fn is_raw(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Physical::BYTE_ARRAY && !is_text(column.self_type())
}
