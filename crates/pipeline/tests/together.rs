//! Several requests in common batches are what each would be alone.

mod tiny;

use std::cell::RefCell;
use std::ops::ControlFlow;

use aquatint_pipeline::{
    Components, GenerateRequest, Picture, Settings, generate_together, text_to_image,
};
use tiny::{tiny_components, tiny_xl};

fn request(prompt: &str, seed: u64) -> GenerateRequest {
    GenerateRequest { prompt: prompt.into(), seed, steps: 3, ..Default::default() }
}

/// The pictures of each request, and of how many pictures each pass of the network was.
fn together(model: &Components, requests: &[GenerateRequest]) -> (Vec<Vec<Picture>>, Vec<usize>) {
    let passes = RefCell::new(Vec::new());
    let look = |latents: &aquatint_tensor::Tensor| passes.borrow_mut().push(latents.dim(0));
    let settings = Settings { look: &look, ..Default::default() };
    let mut pictures = vec![Vec::new(); requests.len()];
    let requests: Vec<&GenerateRequest> = requests.iter().collect();
    let outcome = generate_together(model, &requests, settings, &mut (), &mut |finished| {
        assert_eq!(finished.index, pictures[finished.request].len());
        pictures[finished.request].push(finished.picture.clone());
        ControlFlow::Continue(())
    });
    outcome.expect("it can be drawn");
    (pictures, passes.into_inner())
}

fn alone(model: &Components, requests: &[GenerateRequest]) -> Vec<Vec<Picture>> {
    let draw = |request| text_to_image(model, request, &mut ()).expect("it can be drawn");
    requests.iter().map(draw).collect()
}

#[test]
fn one_batch_of_several_requests() {
    for model in [tiny_components(), tiny_xl()] {
        let requests = [
            GenerateRequest { count: 2, ..request("a cat", 7) },
            GenerateRequest { negative_prompt: "a dog".into(), ..request("(noto:1.3)", 1) },
            request("a cat", 3),
        ];
        let (pictures, passes) = together(&model, &requests);
        assert_eq!(passes, [4; 3]);
        assert_eq!(pictures, alone(&model, &requests));
        assert_ne!(pictures[0][0], pictures[2][0]);
    }
}

#[test]
fn what_cannot_be_told_at_once_is_drawn_apart() {
    let model = tiny_components();
    let long = "noto emoji of cat ".repeat(40);
    for other in ["a cat AND a dog", "[a cat:a dog:0.5]", &long] {
        let requests = [request("a cat", 7), request(other, 7), request("a dog", 7)];
        let (pictures, passes) = together(&model, &requests);
        assert_eq!(passes, [1; 9], "{other}");
        assert_eq!(pictures, alone(&model, &requests), "{other}");
    }
}

#[test]
fn what_goes_together() {
    let first = request("a cat", 7);
    assert!(GenerateRequest { count: 3, ..request("a dog", 1) }.goes_with(&first));
    assert!(!GenerateRequest { steps: 4, ..first.clone() }.goes_with(&first));
    assert!(!GenerateRequest { width: Some(128), ..first.clone() }.goes_with(&first));
    let begun = GenerateRequest { init: Some("cat.png".into()), ..first.clone() };
    assert!(!begun.goes_with(&begun.clone()));
}
