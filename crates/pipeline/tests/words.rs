//! Where a picture looks at which word of its prompt.

mod tiny;

use std::ops::ControlFlow;
use std::sync::Arc;

use aquatint_pipeline::{
    GenerateRequest, Inputs, Picture, Settings, WordMaps, generate, word_picture,
};
use tiny::tiny_components;

/// The pictures of a request, and the maps of the first.
fn drawn(request: &GenerateRequest) -> (Vec<Picture>, Arc<WordMaps>) {
    let maps = Arc::new(WordMaps::default());
    let settings = Settings { words: Some(&maps), ..Default::default() };
    let mut pictures = Vec::new();
    let mut each = |finished: aquatint_pipeline::Finished<'_>| {
        pictures.push(finished.picture.clone());
        ControlFlow::Continue(())
    };
    let components = tiny_components();
    generate(&components, request, &Inputs::default(), settings, &mut (), &mut each).unwrap();
    (pictures, maps)
}

#[test]
fn maps_are_of_the_first_picture_and_change_none() {
    let alone = GenerateRequest {
        prompt: "a cat".into(),
        seed: 7,
        steps: 3,
        width: Some(128),
        height: Some(64),
        ..Default::default()
    };
    let (pictures, maps) = drawn(&alone);
    let plain = aquatint_pipeline::text_to_image(&tiny_components(), &alone, &mut ()).unwrap();
    assert_eq!(pictures, plain);

    let maps = maps.maps();
    assert!(!maps.is_empty());
    for map in &maps {
        let all: Vec<Vec<f32>> = (0..map.words).map(|word| map.of(word)).collect();
        for place in 0..map.places {
            let sum: f32 = all.iter().map(|word| word[place]).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{place}: {sum}");
        }
    }
    // Others in the batch do not change what the first looks at under its prompt.
    let (_, crowd) = drawn(&GenerateRequest { count: 2, ..alone.clone() });
    for (a, b) in maps.iter().zip(crowd.maps()) {
        let far = a.of(1).iter().zip(b.of(1)).any(|(a, b)| (a - b).abs() > 1e-5);
        assert!(a.places == b.places && !far);
    }

    // The lower resolution is that of the middle block.
    assert_eq!(maps.iter().map(|map| map.places).collect::<Vec<_>>(), [8 * 16, 4 * 8]);
    let heat = word_picture(&maps, 1, [8, 16]).unwrap();
    assert_eq!((heat.width, heat.height), (64, 32));
    assert!(heat.rgb.contains(&255) && heat.rgb.contains(&0));
    assert!(word_picture(&maps, 10_000, [8, 16]).is_none());
    // Of latents of another size there are none.
    assert!(word_picture(&maps, 1, [5, 9]).is_none());
}
