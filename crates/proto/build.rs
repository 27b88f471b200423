//! Generates the wire types from `proto/`, without a `protoc` on the machine.

use prost::Message;

const FILES: [&str; 4] = [
    "battlearena/analytics/v1/analytics.proto",
    "battlearena/events/v1/events.proto",
    "battlearena/match/v1/match.proto",
    "battlearena/realtime/v1/realtime.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}");
    let descriptors = protox::compile(FILES.map(|file| format!("{root}/{file}")), [root])?;
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    let mut prost = tonic_prost_build::Config::new();
    // The payload column of an outbox holds these messages as JSON, under the same field names.
    for message in [
        "PlayerRegistered",
        "PlayerLoggedIn",
        "MatchStarted",
        "MatchCompleted",
        "ParticipantResult",
        "MatchCrashed",
        "TransactionRecorded",
        "SystemEventRecorded",
        "PlayersSeen",
        "LoginRefused",
        "CredentialChanged",
        "KeyChanged",
        "PlayerDeleted",
        "PlayerRenamed",
        "AccessRefused",
        "SessionRevoked",
        "PlayerSanctioned",
    ] {
        prost.type_attribute(
            format!(".battlearena.events.v1.{message}"),
            "#[derive(serde::Serialize, serde::Deserialize)]",
        );
    }
    // Times stand in payloads as text, as every other time that the platform writes.
    for field in ["SessionRevoked.tokens_expire_at", "PlayerSanctioned.until"] {
        prost.field_attribute(
            format!(".battlearena.events.v1.{field}"),
            "#[serde(default, with = \"crate::time::text\")]",
        );
    }
    tonic_prost_build::configure().compile_fds_with_config(descriptors, prost)?;
    Ok(())
}
