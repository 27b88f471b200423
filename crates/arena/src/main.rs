//! `arena`, the one binary of the platform. Parses the command line, runs one subcommand and turns its end into an exit
//! code; decides nothing else.

mod alertmanager;
mod cli;
mod describe;
mod events;
mod health;
mod key_file;
mod keys;
mod probe;
mod prove;
mod role_process;
mod roles;
mod slo;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
