//! The subcommands. `--help` of each is the reference of its settings.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::alertmanager::AlertmanagerSettings;
use crate::describe::DescribeSettings;
use crate::health::HealthSettings;
use crate::prove::ProveSettings;
use crate::roles::{self, Role};
use crate::slo::SloSettings;
use crate::up::UpSettings;

/// BattleArena, a multiplayer game backend.
#[derive(Debug, Parser)]
#[command(name = "arena", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole platform on this machine: PostgreSQL, every service and, if wanted, traffic.
    Up(Box<UpSettings>),
    /// Run the gateway: accounts, store and the HTTP API.
    Gateway(Box<roles::Gateway>),
    /// Run the socket-gateway: sockets, rooms, chat and the live feed.
    SocketGateway(Box<roles::SocketGateway>),
    /// Run the match service: matches, participants and points.
    Match(Box<roles::Match>),
    /// Run analytics: the event log, statistics and the leaderboard.
    Analytics(Box<roles::Analytics>),
    /// Play a synthetic player all the time, and count what it misses.
    Canary(Box<roles::Canary>),
    /// Play realistic traffic against a running platform.
    Simulate(Box<roles::Simulate>),
    /// Bring the database to the newest schema. Nothing else changes schemas.
    Migrate(Box<roles::Migrate>),
    /// Look after events that could not go on their way, and rebuild what is made of the event log.
    Events(Box<roles::Events>),
    /// Make, list and end the API keys of game servers and operators.
    Keys(Box<roles::Keys>),
    /// Ask a service whether it is ready: exit code 0 if so, 1 if not.
    Health(Box<HealthSettings>),
    /// Write Alertmanager's configuration.
    Alertmanager(Box<AlertmanagerSettings>),
    /// Write the rules of the service-level objectives.
    Slo(SloSettings),
    /// Print what the platform says about itself, as documentation.
    Describe(DescribeSettings),
    /// Show that the platform keeps its promises under faults, with a platform of its own.
    Prove(ProveSettings),
}

impl Cli {
    /// Runs the chosen subcommand to its end.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(settings) => crate::up::run(*settings),
            Command::Gateway(process) => {
                process.run(Role::Gateway.name(), roles::serve::<battlearena_gateway::App>)
            }
            Command::SocketGateway(process) => {
                process.run(Role::SocketGateway.name(), roles::serve::<battlearena_socket_gateway::App>)
            }
            Command::Match(process) => {
                process.run(Role::Match.name(), roles::serve::<battlearena_match::App>)
            }
            Command::Analytics(process) => {
                process.run(Role::Analytics.name(), roles::serve::<battlearena_analytics::App>)
            }
            Command::Canary(process) => {
                process.run(Role::Canary.name(), roles::serve::<battlearena_canary::App>)
            }
            Command::Simulate(process) => process.run("simulator", roles::simulate),
            Command::Migrate(process) => process.run("migrate", roles::migrate),
            Command::Events(process) => process.run("events", crate::events::run),
            Command::Keys(process) => process.run("keys", crate::keys::run),
            Command::Health(settings) => crate::health::run(&settings),
            Command::Alertmanager(settings) => crate::alertmanager::run(*settings),
            Command::Slo(settings) => crate::slo::run(settings),
            Command::Describe(settings) => crate::describe::run(&settings),
            Command::Prove(settings) => crate::prove::run(settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_is_documented_and_has_an_environment_name() {
        for command in Cli::command().get_subcommands() {
            for argument in
                command.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str()))
            {
                let name = format!("{} --{}", command.get_name(), argument.get_id());
                assert!(argument.get_help().is_some() || argument.is_hide_set(), "{name} has no help");
                // What to ask and whom to ask is decided at each call.
                assert!(argument.get_env().is_some() || command.get_name() == "health", "{name} has no env");
            }
        }
    }
}
