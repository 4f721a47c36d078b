//! The fields of a JSON object whose names and types somebody else's API gave them.

use serde_json::{Map, Value};

use crate::Refusal;

/// Fields by name. What is null is as if it were not there.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub Map<String, Value>);

impl Fields {
    /// Those of an object.
    pub fn of(value: Value) -> Result<Self, Refusal> {
        let Value::Object(mut fields) = value else {
            return Err(Refusal::invalid("a request is a JSON object, such as {\"prompt\": …}"));
        };
        fields.retain(|_, value| !value.is_null());
        Ok(Self(fields))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        self.get(name, "a text", Value::as_str)
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        self.get(name, "a number", Value::as_f64)
    }

    /// A number without a fraction; 7.0 will do, because many programs know no others.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let whole = |n: &f64| n.fract() == 0.0 && n.abs() < 2f64.powi(53);
        self.get(name, "a whole number", |value| {
            value.as_i64().or_else(|| value.as_f64().filter(whole).map(|n| n as i64))
        })
    }

    /// A whole number that is not negative.
    pub fn count(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let count = self.integer(name)?.map(usize::try_from).transpose();
        count.map_err(|_| Refusal::invalid(format!("`{name}` is not negative")))
    }

    /// True or false.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.get(name, "true or false", Value::as_bool)
    }

    /// A list; a single thing is one of one thing.
    pub fn list(&self, name: &str) -> &[Value] {
        match self.0.get(name) {
            None => &[],
            Some(Value::Array(list)) => list,
            Some(value) => std::slice::from_ref(value),
        }
    }

    /// Other fields, if there is an object of this name.
    pub fn object(&self, name: &str) -> Result<Self, Refusal> {
        match self.0.get(name) {
            None => Ok(Self::default()),
            Some(value @ Value::Object(_)) => Self::of(value.clone()),
            Some(_) => Err(Refusal::invalid(format!("`{name}` is an object"))),
        }
    }

    /// A field, taken out.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn get<'a, T>(
        &'a self,
        name: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let not = || Refusal::invalid(format!("`{name}` is {what}")).about(name);
        read(value).map(Some).ok_or_else(not)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_has_its_type() {
        let json = json!({"a": 7.0, "b": "x", "c": null, "d": -1, "e": [1, 2], "f": true});
        let fields = Fields::of(json).expect("an object");
        assert_eq!((fields.count("a"), fields.text("b")), (Ok(Some(7)), Ok(Some("x"))));
        assert_eq!((fields.text("c"), fields.integer("d")), (Ok(None), Ok(Some(-1))));
        assert_eq!((fields.list("e").len(), fields.list("b").len()), (2, 1));
        assert_eq!((fields.flag("f"), fields.number("none")), (Ok(Some(true)), Ok(None)));
        for wrong in [fields.count("d").err(), fields.integer("b").err(), fields.flag("a").err()] {
            assert!(wrong.is_some_and(|refusal| refusal.message.contains("` is ")));
        }
        assert!(Fields::of(json!([])).is_err() && fields.object("b").is_err());
    }
}
