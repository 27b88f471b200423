//! What watches the platform, as far as programs write it. Reads specifications and writes configuration; asks no
//! running system.

pub mod alertmanager;
pub mod alerts;
pub mod rules;
pub mod slo;
