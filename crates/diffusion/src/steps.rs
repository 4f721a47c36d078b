//! Which step of a run a network is asked at.

/// The step, counted from 0, that a timestep belongs to: the last whose own timestep is not below
/// it. `timesteps` are those of the steps, falling. What a sampler asks between two steps belongs to
/// the one before.
pub fn step_of(timestep: f32, timesteps: &[f32]) -> usize {
    timesteps.partition_point(|&own| own >= timestep).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::step_of;

    #[test]
    fn steps() {
        let steps = [999.0, 801.0, 749.25, 499.5, 0.0].map(|t| step_of(t, &[999.0, 749.25, 499.5]));
        assert_eq!(steps, [0, 0, 1, 2, 2]);
        assert_eq!(step_of(1200.0, &[999.0, 1.0]), 0);
    }
}
