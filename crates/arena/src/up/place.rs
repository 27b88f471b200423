//! Where the database, the secrets and the logs are kept.

use std::path::PathBuf;

use anyhow::Context as _;

use battlearena_storage::cluster;

use super::UpSettings;

/// The settings of the private cluster: in the folder that was asked for, or the user's own.
pub(super) fn cluster_settings(settings: &UpSettings) -> anyhow::Result<cluster::Settings> {
    if settings.ephemeral {
        return Ok(cluster::Settings::ephemeral()?);
    }
    Ok(cluster::Settings::durable(folder(settings)?))
}

/// The folder of the logs when the database is somebody else's.
pub(super) fn logs(settings: &UpSettings) -> anyhow::Result<PathBuf> {
    let logs = folder(settings)?.join("logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    Ok(logs)
}

/// The folder of the secrets when the database is somebody else's.
pub(super) fn secrets(settings: &UpSettings) -> anyhow::Result<PathBuf> {
    Ok(folder(settings)?.join("secrets"))
}

/// Root's own folders are closed to the user who runs PostgreSQL for root; /var/lib is not.
const FOLDER_OF_ROOT: &str = "/var/lib/battlearena";

fn folder(settings: &UpSettings) -> anyhow::Result<PathBuf> {
    if let Some(data) = &settings.data {
        return std::path::absolute(data).context("cannot find the data folder");
    }
    if rustix::process::geteuid().is_root() {
        return Ok(FOLDER_OF_ROOT.into());
    }
    let data_home = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data_home = data_home.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    data_home.map(|path| path.join("battlearena")).context("there is no home folder: choose one with --data")
}
