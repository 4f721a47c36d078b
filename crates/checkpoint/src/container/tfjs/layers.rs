//! Keras' description of a network as lines of text.

use serde_json::Value;

/// A line for each layer: what it does, a tab, its name, a tab, the names of those that it takes
/// from, with commas between. What is as usual goes without saying; nothing else is left out.
/// Nothing if the description is none.
pub fn text(topology: &Value) -> Option<String> {
    let config = &topology["model_config"]["config"];
    let mut lines = String::new();
    for layer in config["layers"].as_array()? {
        let name = layer["name"].as_str()?;
        let mut from = Vec::new();
        for node in layer["inbound_nodes"].as_array()? {
            for input in node.as_array()? {
                from.push(input[0].as_str()?);
            }
        }
        let operation = operation(layer["class_name"].as_str()?, name, &layer["config"]);
        // These stand between names and lines.
        if [name].iter().chain(&from).any(|name| name.contains(['\t', '\n', ','])) {
            return None;
        }
        lines += &format!("{operation}\t{name}\t{}\n", from.join(","));
    }
    let output = config["output_layers"].as_array()?;
    match output.as_slice() {
        [output] => Some(lines + &format!("output\t\t{}\n", output[0].as_str()?)),
        _ => None,
    }
}

/// What a layer does. Those with weights are told by name as well.
fn operation(class: &str, name: &str, config: &Value) -> String {
    let pair = |value: &Value| format!("{}x{}", value[0], value[1]);
    match class {
        "Conv2D" => {
            let kernel = pair(&config["kernel_size"]);
            let mut said = format!("Conv2D {name} {} {kernel}", config["filters"]);
            for (key, usual) in [
                ("strides", "[1,1]"),
                ("dilation_rate", "[1,1]"),
                ("padding", "\"same\""),
                ("data_format", "\"channels_last\""),
                ("groups", "1"),
                ("activation", "\"linear\""),
                ("use_bias", "true"),
            ] {
                let value = config[key].to_string();
                let pointless = key == "padding" && kernel == "1x1";
                if value != usual && !config[key].is_null() && !pointless {
                    said += &format!(" {key}={value}");
                }
            }
            said
        }
        "Activation" => config["activation"].as_str().unwrap_or("Activation").into(),
        "Concatenate" => format!("Concatenate axis={}", config["axis"]),
        "UpSampling2D" => {
            let interpolation = config["interpolation"].as_str().unwrap_or("nearest");
            format!("UpSampling2D {} {interpolation}", pair(&config["size"]))
        }
        other => other.replace(['\t', '\n'], " "),
    }
}
