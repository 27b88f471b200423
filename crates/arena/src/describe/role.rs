//! The metrics of one role: starts it on free ports, scrapes it once and stops it. It needs no database: every series is
//! registered at start.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use battlearena_runtime::CancellationToken;
use battlearena_telemetry::metrics::catalogue;
use battlearena_tls::{Settings, Tls};
use clap::{Args, Parser};

use super::instrument;
use crate::probe::{Probe, Scheme};
use crate::role_process::RoleProcess;
use crate::roles::{Role, Service};

/// How long the role may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nobody listens there.
const NO_DATABASE: &str = "--database-url=postgresql://127.0.0.1:1/none";

/// What the services are told, and those that serve gRPC.
const SERVICE: [&str; 2] = [NO_DATABASE, "--auth=open"];
const GRPC_SERVICE: [&str; 3] = [NO_DATABASE, "--auth=open", "--grpc=127.0.0.1:0"];

/// What the canary is told: nobody listens there either.
const NO_PLATFORM: [&str; 2] = ["--url=http://127.0.0.1:1", "--socket-url=ws://127.0.0.1:1/ws"];

/// A role's process by its command line, so that each setting has its default.
#[derive(Parser)]
struct CommandLine<C: Args> {
    #[command(flatten)]
    process: RoleProcess<C>,
}

/// Prints the metrics of a role as JSON.
///
/// # Errors
/// The role does not start.
pub(super) fn run(role: Role) -> anyhow::Result<ExitCode> {
    match role {
        Role::Gateway => of::<battlearena_gateway::App>(role, &SERVICE),
        Role::SocketGateway => of::<battlearena_socket_gateway::App>(role, &GRPC_SERVICE),
        Role::Match => of::<battlearena_match::App>(role, &GRPC_SERVICE),
        Role::Analytics => of::<battlearena_analytics::App>(role, &GRPC_SERVICE),
        Role::Canary => of::<battlearena_canary::App>(role, &NO_PLATFORM),
    }
}

fn of<S: Service>(role: Role, more: &[&str]) -> anyhow::Result<ExitCode> {
    let arguments = [role.name(), "--http=127.0.0.1:0", "--log-filter=off"];
    let CommandLine { process } = CommandLine::<S::Config>::try_parse_from(arguments.iter().chain(more))?;
    process.run(role.name(), |config, stop| describe::<S>(config, stop))
}

async fn describe<S: Service>(config: S::Config, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let service = S::build(config).await?;
    let address = service.http_addr();
    let ask = async {
        let scrape = scrape(address).await;
        stop.cancel();
        scrape
    };
    let (served, scrape) = tokio::join!(service.run(stop.clone()), ask);
    served?;
    let json = serde_json::to_vec(&instrument::all(catalogue(), &scrape?))?;
    std::io::stdout().write_all(&json).context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

/// What a scrape shows once the role answers.
async fn scrape(address: SocketAddr) -> anyhow::Result<String> {
    let probe = Probe::new(PATIENCE, &Tls::load(&Settings::default())?);
    let began = Instant::now();
    loop {
        match probe.get(&Scheme::Http.url(address, "/metrics")).await {
            Ok(answer) => {
                ensure!(answer.status == 200, "the scrape is answered {}", answer.status);
                return Ok(answer.body);
            }
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
